// Query strings of the routes that list, and the cursors in them.
#include "pure/wire/parameters.hpp"

#include <gtest/gtest.h>

#include <array>

namespace memseal::wire {
namespace {

constexpr std::array<std::string_view, 2> known{"wait", "before"};

std::string refusal(std::string_view query) {
  const auto read = parse_parameters(query, known);
  return read ? "(accepted)" : read.error().field + ": " + read.error().message;
}

TEST(Parameters, AreDecodedOnceAndKnown) {
  const auto read =
      parse_parameters("wait=5&&before=2026-01-02T03%3A04:05+02:00&", known);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, (Parameters{{"wait", "5"}, {"before", "2026-01-02T03:04:05+02:00"}}));
  EXPECT_TRUE(parse_parameters("", known)->empty());
  EXPECT_EQ(parse_parameters("wait", known)->at("wait"), "");
  EXPECT_EQ(parse_parameters("wait=%2525", known)->at("wait"), "%25");
}

TEST(Parameters, ThatAreUnknownRepeatedOrMalformedAreRefusedByName) {
  EXPECT_EQ(refusal("befor=1"),
            "befor: there is no such parameter; did you mean \"before\"?");
  EXPECT_EQ(refusal("user_id=bob"), "user_id: there is no such parameter");
  EXPECT_EQ(refusal("%00%01=1"), ": there is no such parameter");
  EXPECT_EQ(refusal("wait=1&wait=2"), "wait: is there twice");
  EXPECT_EQ(refusal("wait=%zz"), ": the query has a malformed percent-encoding");
}

std::string list_refusal(std::string_view query, bool ordered = false) {
  const auto read = parse_list_request(query, ordered);
  return read ? "(accepted)" : read.error().field;
}

TEST(ListRequest, HasALimitACursorAndPerhapsAnOrder) {
  const auto plain = parse_list_request("", true);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->limit, list_limit_default);
  EXPECT_TRUE(plain->cursor.empty());
  EXPECT_FALSE(plain->newest_first);
  const auto full = parse_list_request("limit=100&cursor=abc&order=desc", true);
  ASSERT_TRUE(full);
  EXPECT_EQ(full->limit, 100u);
  EXPECT_EQ(full->cursor, "abc");
  EXPECT_TRUE(full->newest_first);
  EXPECT_FALSE(parse_list_request("order=asc", true)->newest_first);
  for (const auto* bad : {"limit=0", "limit=101", "limit=", "limit=1.5", "limit=-1", "limit=+1",
                          "limit=99999999999999999999999"})
    EXPECT_EQ(list_refusal(bad), "limit") << bad;
  EXPECT_EQ(list_refusal("cursor="), "cursor");
  EXPECT_EQ(list_refusal("order=up", true), "order");
  EXPECT_EQ(list_refusal("order=asc", false), "order") << "this list has one order";
}

TEST(ListCursor, ComesBackAsItWas) {
  for (const auto& id : {std::string("a"), std::string("naïve/ü?&="), std::string(255, 'x')}) {
    const auto read = id_of_cursor(make_list_cursor(id));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, id);
  }
  Uuid id;
  id.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255};
  const std::int64_t times_us[] = {0, -1, 1'700'000'000'123'456, 253'402'300'799'999'999,
                                   -62'167'219'200'000'000};
  for (const auto at_us : times_us) {
    const auto place = place_of_cursor(make_list_cursor(ListPlace{at_us, 7, id}));
    ASSERT_TRUE(place) << at_us;
    EXPECT_EQ(place->at_us, at_us);
    EXPECT_EQ(place->index, 7);
    EXPECT_EQ(place->id, id);
  }
}

TEST(ListCursor, OfAnotherListOrOfNoneIsRefused) {
  const auto by_id = make_list_cursor("a"), by_place = make_list_cursor(ListPlace{});
  EXPECT_FALSE(id_of_cursor(by_place));
  EXPECT_FALSE(place_of_cursor(by_id));
  EXPECT_FALSE(place_of_cursor(make_list_cursor(ListPlace{253'402'300'800'000'000, 0, {}})));
  EXPECT_FALSE(place_of_cursor(by_place.substr(0, by_place.size() - 2)));
  EXPECT_FALSE(place_of_cursor(by_place + "AA"));
  for (const std::string_view text : {"", "=", "abc", "AAAA", "ä"}) {
    EXPECT_FALSE(id_of_cursor(text)) << text;
    EXPECT_FALSE(place_of_cursor(text)) << text;
  }
  EXPECT_FALSE(id_of_cursor(make_list_cursor(std::string(256, 'x'))));
  EXPECT_FALSE(id_of_cursor(make_list_cursor(std::string_view("a\0b", 3))));
  EXPECT_FALSE(id_of_cursor(make_list_cursor("\xff")));
}

}  // namespace
}  // namespace memseal::wire
