// What may be asked: filters, pages, several questions.
#include "pure/codec/base64.hpp"
#include "pure/wire/page.hpp"
#include "pure/wire/request.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace memseal::wire {
namespace {

std::string q(const std::string& more) { return R"({"query":"q",)" + more + "}"; }

std::string refusal(const std::string& body) {
  const auto request = parse_query_request(body);
  return request ? "(accepted)" : request.error().field + " " + request.error().message;
}

TEST(Asking, ReadsEveryMember) {
  const auto request = parse_query_request(
      R"({"queries":["a","b"],"top_k":100,"min_score":0.5,"expand":2,)"
      R"("tags":{"all":["x"],"any":["y","z"],"none":["w"]},"documents":["d"],"exclude":["e"],)"
      R"("created_after":"2026-01-01T00:00:00Z","created_before":"2026-02-01T00:00:00.5+01:00",)"
      R"("attributes":{"a":1}})");
  ASSERT_TRUE(request) << request.error().field << request.error().message;
  EXPECT_EQ(request->query, "a");
  EXPECT_EQ(request->further, std::vector<std::string>{"b"});
  EXPECT_EQ(request->top_k, 100u);
  EXPECT_EQ(request->candidates, 100u) << "no less than the results";
  EXPECT_EQ(request->min_score, 0.5f);
  EXPECT_EQ(request->expand, 2u);
  EXPECT_EQ(request->tags, std::vector<std::string>{"x"});
  EXPECT_EQ(request->tags_any, (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(request->tags_none, std::vector<std::string>{"w"});
  EXPECT_EQ(request->doc_ids, std::vector<std::string>{"d"});
  EXPECT_EQ(request->origins, (std::vector{Origin::upload, Origin::api})) << "no chats";
  EXPECT_EQ(request->exclude, std::vector<std::string>{"e"});
  EXPECT_EQ(request->after_ms, 1'767'225'600'000);
  EXPECT_EQ(request->before_ms, 1'769'900'400'500);
  EXPECT_FALSE(request->attributes.empty());
  const auto talk = parse_query_request(q(R"("conversation":"c")"));
  EXPECT_EQ(talk->origins, std::vector{Origin::chat});
  EXPECT_EQ(talk->doc_ids, std::vector<std::string>{"c"});
  const auto sent = parse_query_request(q(R"("documents":["d"],"source":"api")"));
  EXPECT_EQ(sent->origins, std::vector{Origin::api});
  EXPECT_TRUE(parse_query_request(q(R"("doc_ids":["d"])"))->origins.empty()) << "of either kind";
}

TEST(Asking, RefusesEachFaultWithItsPlaceAndTheWordThatWasMeant) {
  std::string many = R"("attributes":{"or":[)";
  for (int i = 0; i < 33; ++i) many += R"({"a":1},)";
  many.back() = ']';
  many += '}';
  std::string wide = R"("attributes":{)";
  for (int i = 0; i < 33; ++i) wide += "\"a" + std::to_string(i) + "\":1,";
  wide.back() = '}';
  std::string in = R"("attributes":{"a":{"in":[)";
  for (int i = 0; i < 65; ++i) in += "1,";
  in.back() = ']';
  in += "}}";
  const std::string deep = R"("attributes":{"or":[{"and":[{"or":[{"and":[{"a":1}]}]}]}]})";
  const std::pair<std::string, std::string> cases[] = {
      {R"({"queries":[]})", "/queries must hold 1 to 8"},
      {R"({"queries":["a","b","c","d","e","f","g","h","i"]})", "/queries must hold 1 to 8"},
      {R"({"queries":"a"})", "/queries must be an array"},
      {R"({"queries":["a"," "]})", "/queries/1 must not be blank"},
      {R"({"queries":["a",5]})", "/queries/1 must be a string"},
      {q(R"("queries":["a"])"), "/queries stands beside"},
      {q(R"("min_score":2)"), "/min_score must be a number"},
      {q(R"("min_score":"0.5")"), "/min_score must be a number"},
      {q(R"("expand":6)"), "/expand must be"},
      {q(R"("expand":-1)"), "/expand must be"},
      {q(R"("tags":{"all":"a"})"), "/tags/all must be an array"},
      {q(R"("tags":{"some":["a"]})"), "/tags/some is not a known member"},
      {q(R"("tags":{"nonne":["a"]})"), "/tags/nonne is not a known member; did you mean \"none\"?"},
      {q(R"("created_after":"yesterday")"), "/created_after is not an RFC 3339 time"},
      {q(R"("created_before":5)"), "/created_before must be a string"},
      {q(R"("created_befor":"x")"), "did you mean \"created_before\"?"},
      {q(R"("documents":["a"],"doc_ids":["b"])"), "/documents stands beside \"doc_ids\""},
      {q(R"("documents":["a"],"source":"chat")"), "/documents stands beside a \"source\""},
      {q(R"("exclude":[""])"), "/exclude/0 must be"},
      {q(R"("conversation":"c","documents":["b"])"), "/conversation stands beside"},
      {q(R"("conversation":"c","doc_ids":["b"])"), "/conversation stands beside"},
      {q(R"("conversation":"c","source":"upload")"), "/conversation stands beside"},
      {q(R"("conversation":"a\nb")"), "/conversation must hold no control"},
      {q(R"("attributes":[])"), "/attributes must be an object"},
      {q(R"("attributes":{})"), "/attributes must hold a condition"},
      {q(R"("attributes":{"a":{}})"), "/attributes/a must hold an operator"},
      {q(R"("attributes":{"a":{"eqq":1}})"),
       "/attributes/a/eqq is not an operator: use eq, ne, in, gt or lt; did you mean \"eq\"?"},
      {q(R"("attributes":{"a":{"like":1}})"), "/attributes/a/like is not an operator"},
      {q(R"("attributes":{"a":{"eq":[1]}})"), "/attributes/a/eq must be a text, a number"},
      {q(R"("attributes":{"a":[1]})"), "/attributes/a must be a text, a number"},
      {q(R"("attributes":{"a":{"in":1}})"), "/attributes/a/in must be a list"},
      {q(R"("attributes":{"a":{"in":[]}})"), "/attributes/a/in must be a list"},
      {q(R"("attributes":{"a":{"in":[{}]}})"), "/attributes/a/in must be a list"},
      {q(in), "/attributes/a/in must be a list"},
      {q(R"("attributes":{"a":{"gt":true}})"), "/attributes/a/gt must be a number or a text"},
      {q(R"("attributes":{"a":{"lt":null}})"), "/attributes/a/lt must be a number or a text"},
      {q(R"("attributes":{"or":{}})"), "/attributes/or must be a list"},
      {q(R"("attributes":{"or":[5]})"), "/attributes/or/0 must be an object"},
      {q(many), "/attributes/or must be a list"},
      {q(wide), "/attributes/a32 is one condition too many"},
      {q(deep), "/attributes/or/0/and/0/or/0/and/0 is nested more than 4 deep"},
      {q(R"("cursor":"!")"), "/cursor is not a cursor"},
      {q(R"("cursor":"AAAA")"), "/cursor is not a cursor"},
      {R"({"queries":["a","b"],"cursor":"AAAA"})", "/cursor stands beside several queries"},
  };
  for (const auto& [body, expected] : cases)
    EXPECT_NE(refusal(body).find(expected), std::string::npos)
        << body.substr(0, 160) << "\n" << refusal(body);
}

bool matches(const std::string& conditions, const std::string& attributes) {
  const auto request = parse_query_request(q("\"attributes\":" + conditions));
  EXPECT_TRUE(request) << request.error().field << " " << request.error().message;
  return request->attributes.matches(R"({"name":"x","attributes":)" + attributes + "}");
}

TEST(AttributeFilters, HoldForTheAttributesTheyDescribe) {
  struct Case {
    const char *conditions, *attributes;
    bool expected;
  };
  const Case cases[] = {
      {R"({"a":"x"})", R"({"a":"x"})", true},
      {R"({"a":"x"})", R"({"a":"X"})", false},
      {R"({"a":"1"})", R"({"a":1})", false},
      {R"({"a":1})", R"({"a":1.0})", true},
      {R"({"a":null})", R"({"a":null})", true},
      {R"({"a":null})", R"({})", false},
      {R"({"a":true})", R"({"a":true})", true},
      {R"({"a":{"eq":"x"}})", R"({"a":["x"]})", false},
      {R"({"a":{"ne":"x"}})", R"({"a":"y"})", true},
      {R"({"a":{"ne":"x"}})", R"({"a":"x"})", false},
      {R"({"a":{"ne":"x"}})", R"({})", true},
      {R"({"a":{"in":["x",2]}})", R"({"a":2})", true},
      {R"({"a":{"in":["x",2]}})", R"({"a":"y"})", false},
      {R"({"a":{"gt":5}})", R"({"a":5})", false},
      {R"({"a":{"eq":18446744073709551615}})", R"({"a":18446744073709551614})", false},
      {R"({"a":{"gt":9007199254740992}})", R"({"a":18446744073709551615})", true},
      {R"({"a":{"lt":18446744073709551615}})", R"({"a":-1})", true},
      {R"({"a":{"lt":9223372036854775808}})", R"({"a":9223372036854775807})", true},
      {R"({"a":{"gt":5}})", R"({"a":5.5})", true},
      {R"({"a":{"gt":5}})", R"({"a":"9"})", false},
      {R"({"a":{"gt":9007199254740992}})", R"({"a":9007199254740993})", true},
      {R"({"a":{"gt":1,"lt":3}})", R"({"a":2})", true},
      {R"({"a":{"gt":1,"lt":3}})", R"({"a":3})", false},
      {R"({"a":{"lt":"2026-02"}})", R"({"a":"2026-01-31"})", true},
      {R"({"a":{"lt":"b"}})", R"({})", false},
      {R"({"a":1,"b":2})", R"({"a":1,"b":3})", false},
      {R"({"or":[{"a":1},{"b":2}]})", R"({"b":2})", true},
      {R"({"or":[{"a":1},{"b":2}]})", R"({"b":1})", false},
      {R"({"and":[{"a":1},{"or":[{"b":2},{"b":3}]}],"c":{"ne":4}})", R"({"a":1,"b":3})", true},
      {R"({"and":[{"a":1},{"or":[{"b":2},{"b":3}]}],"c":{"ne":4}})", R"({"a":1,"b":3,"c":4})",
       false},
      {R"({"a":1})", "5", false},
  };
  for (const auto& one : cases)
    EXPECT_EQ(matches(one.conditions, one.attributes), one.expected)
        << one.conditions << ' ' << one.attributes;
  const auto filter = parse_query_request(q(R"("attributes":{"a":{"ne":1}})"))->attributes;
  for (const auto* other : {"", "{", "[]", "{}"}) EXPECT_TRUE(filter.matches(other)) << other;
}

Uuid id_of(std::uint8_t number) {
  Uuid id;
  id.bytes[0] = number;
  return id;
}

TEST(Cursors, ComeBackAsTheyWereMadeForTheirQuestionAlone) {
  const PageMark mark{PagePlace{0.25f, id_of(7)}, {id_of(1), id_of(2)}};
  const auto text = make_cursor(mark, 42);
  const auto again = read_cursor(text, 42);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->after->distance, 0.25f);
  EXPECT_EQ(again->after->id, id_of(7));
  EXPECT_EQ(again->left, mark.left);
  EXPECT_FALSE(read_cursor(make_cursor({}, 42), 42)->after);
  EXPECT_EQ(read_cursor(text, 43).error().field, "/cursor");
  for (std::size_t cut = 1; cut < 20; ++cut)
    EXPECT_FALSE(read_cursor(text.substr(0, text.size() - cut), 42)) << cut;
  EXPECT_FALSE(read_cursor(make_cursor({PagePlace{std::nanf(""), id_of(1)}, {}}, 42), 42));
  const PageMark large{{}, std::vector<Uuid>(101)};
  EXPECT_FALSE(read_cursor(make_cursor(large, 42), 42));
}

TEST(Cursors, NameTheCandidatesBehindTheirPlace) {
  const PageMark mark{PagePlace{0.25f, id_of(7)}, {id_of(1)}, {id_of(3), id_of(4)}};
  const auto text = make_cursor(mark, 42);
  const auto again = read_cursor(text, 42);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->left, mark.left);
  EXPECT_EQ(again->ahead, mark.ahead);
  EXPECT_TRUE(read_cursor(make_cursor({{}, {}, {id_of(9)}}, 42), 42)->left.empty());
  const PageMark most{PagePlace{}, std::vector<Uuid>(100), std::vector<Uuid>(200)};
  const auto longest = make_cursor(most, 42);
  EXPECT_EQ(read_cursor(longest, 42)->ahead.size(), 200u);
  const auto sum = parse_query_request(q("\"top_k\":1"))->checksum;
  EXPECT_TRUE(parse_query_request(q("\"cursor\":\"" + make_cursor(most, sum) + '"')));
  for (std::size_t cut = 1; cut < 20; ++cut)
    EXPECT_FALSE(read_cursor(text.substr(0, text.size() - cut), 42)) << cut;
  const PageMark too_many{PagePlace{}, {}, std::vector<Uuid>(201)};
  EXPECT_FALSE(read_cursor(make_cursor(too_many, 42), 42));
  // A count that says more than there is.
  auto bytes = codec::decode_base64(text, codec::Base64::url).value();
  bytes[30] = 4;
  EXPECT_FALSE(read_cursor(codec::encode_base64(bytes, codec::Base64::url), 42));
  bytes[30] = 0;
  EXPECT_FALSE(read_cursor(codec::encode_base64(bytes, codec::Base64::url), 42));
}

TEST(Cursors, BelongToQuestionAndFiltersWhateverTheirOrder) {
  const auto sum = [](const std::string& body) { return parse_query_request(body)->checksum; };
  const auto one = sum(R"({"query":"q","tags":["a"],"top_k":3})");
  EXPECT_EQ(one, sum(R"({"top_k":9,"tags":["a"],"query":"q","rerank":false,"source":null})"));
  EXPECT_NE(one, sum(R"({"query":"q","tags":["b"]})"));
  EXPECT_NE(one, sum(R"({"query":"r","tags":["a"]})"));
  EXPECT_NE(one, sum(R"({"query":"q","tags":["a"],"hybrid":false})"));
  const auto cursor = make_cursor({PagePlace{0.5f, id_of(1)}, {}}, one);
  EXPECT_TRUE(parse_query_request(R"({"query":"q","tags":["a"],"cursor":")" + cursor + "\"}"));
  EXPECT_NE(refusal(R"({"query":"other","tags":["a"],"cursor":")" + cursor + "\"}")
                .find("another question"), std::string::npos);
}

}  // namespace
}  // namespace memseal::wire
