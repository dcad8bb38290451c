#include "pure/wire/file_request.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

TEST(FileRequest, NamesArePercentEncodedUtf8) {
  EXPECT_EQ(parse_file_name_field("a b.pdf").value(), "a b.pdf");
  EXPECT_EQ(parse_file_name_field("%C3%A4%2F%25").value(), "ä/%");
  EXPECT_EQ(parse_file_name_field(std::string(255, 'x')).value().size(), 255u);
  for (const auto* bad : {"", "%", "%zz", "%ff", "a%0Ab", "%00"})
    EXPECT_EQ(parse_file_name_field(bad).error().field, "name") << bad;
  EXPECT_FALSE(parse_file_name_field(std::string(256, 'x')));
}

TEST(FileRequest, TagsAreAListWithoutRepetitions) {
  using Tags = std::vector<std::string>;
  EXPECT_EQ(parse_file_tags_field("").value(), Tags{});
  EXPECT_EQ(parse_file_tags_field(" a , b%2Cc,a").value(), (Tags{"a", "b,c"}));
  for (const auto* bad : {",", "a,,b", "a,", "%", "a%00", "%ff"})
    EXPECT_EQ(parse_file_tags_field(bad).error().field, "tags") << bad;
  EXPECT_FALSE(parse_file_tags_field(std::string(65, 'x')));
  EXPECT_FALSE(parse_file_tags_field("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"));
  Tags tags{"a"};
  ASSERT_TRUE(add_file_tags("b%2C, a", tags));
  EXPECT_EQ(tags, (Tags{"a", "b%2C"})) << "a text of a form is no encoding";
}

TEST(FileRequest, ListsHaveALimitACursorAndTimes) {
  const auto plain = parse_file_list_request("").value();
  EXPECT_EQ(plain.limit, 50u);
  EXPECT_FALSE(plain.after || plain.created_after_ms || plain.created_before_ms);
  const ListPlace place{1'700'000'000'000'001, 0, Uuid{{1, 2, 3}}};
  const auto full = parse_file_list_request("limit=2&cursor=" + make_list_cursor(place) +
                                            "&created_after=2026-01-01T00:00:00Z"
                                            "&created_before=2026-01-01T00%3A00%3A01%2B01:00")
                        .value();
  EXPECT_EQ(full.limit, 2u);
  EXPECT_EQ(full.after->at_us, place.at_us);
  EXPECT_EQ(full.after->id, place.id);
  EXPECT_EQ(*full.created_after_ms - *full.created_before_ms, 3'599'000);
  for (const auto* bad :
       {"limit=0", "cursor=x", "created_after=now", "tags=a", "name=b", "order=asc"})
    EXPECT_FALSE(parse_file_list_request(bad)) << bad;
}

TEST(FileRequest, AnIndexNamesOneFile) {
  const std::string id = "00000000-0000-4000-8000-000000000001";
  EXPECT_EQ(parse_file_index_request(R"({"file_id":")" + id + "\"}").value().to_string(), id);
  for (const auto* bad : {"{}", R"({"file_id":"x"})", R"({"file_id":1})",
                          R"({"file_id":"00000000-0000-4000-8000-000000000001","a":1})"})
    EXPECT_EQ(parse_file_index_request(bad).error().code, Errc::invalid_field) << bad;
  EXPECT_EQ(parse_file_index_request("[").error().code, Errc::bad_json);
}

TEST(FileRequest, MediaTypesAreBareAndInLowerCase) {
  EXPECT_EQ(plain_media_type("Text/HTML; charset=\"utf-8\""), "text/html");
  EXPECT_EQ(plain_media_type(" application/vnd.a+b "), "application/vnd.a+b");
  for (const auto* bad : {"", "text", "/", "text/", "/x", "a/b c", "a/b\r\nX: 1", "a/b/c", "a/<b>"})
    EXPECT_EQ(plain_media_type(bad), "") << bad;
  EXPECT_EQ(plain_media_type("a/" + std::string(126, 'b')), "");
}

TEST(FileRequest, AnAttachmentCarriesNothingOutOfItsQuotes) {
  EXPECT_EQ(attachment("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
  EXPECT_EQ(attachment("\"\r\nX: ä\\"),
            "attachment; filename=\"___X_ ___\"; filename*=UTF-8''%22%0D%0AX%3A%20%C3%A4%5C");
  EXPECT_EQ(last_of_path("C:\\fakepath\\a.txt"), "a.txt");
  EXPECT_EQ(last_of_path("/x/y/a.txt"), "a.txt");
  EXPECT_EQ(last_of_path("a.txt"), "a.txt");
  EXPECT_EQ(last_of_path("dir/"), "");
}

}  // namespace
}  // namespace memseal::wire
