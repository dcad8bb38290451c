// Bodies of POST …/turns, good and hostile, and which turns are the same.
#include "pure/wire/turn.hpp"
#include "pure/wire/turns_request.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

std::string turns_refusal(const std::string& body) {
  const auto request = parse_turns_request(body);
  return request ? "(accepted)" : request.error().field + " " + request.error().message;
}

TEST(TurnsRequest, ReadsAListAndOneTurnByItself) {
  const auto many = parse_turns_request(
      R"({"turns":[{"role":"user","content":"a","id":"m1","created_at":"2026-03-04T05:06:07Z"},)"
      R"({"role":"assistant","content":[{"type":"text","text":"b"},"c"],"id":17},)"
      R"({"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"d"}],)"
      R"("tags":["t"],"attributes":{"n":1},"user_id":"ada"})");
  ASSERT_TRUE(many) << many.error().message;
  ASSERT_EQ(many->turns.size(), 4u);
  EXPECT_EQ(many->turns[0].id, "m1");
  EXPECT_EQ(many->turns[0].created_at_ms, 1'772'600'767'000);
  EXPECT_EQ(many->turns[1].content, "b\nc");
  EXPECT_EQ(many->turns[1].id, "17");
  EXPECT_FALSE(has_text(many->turns[2]));
  EXPECT_EQ(many->tags, std::vector<std::string>{"t"});
  EXPECT_EQ(many->attributes_json, R"({"n":1})");
  EXPECT_EQ(many->user_id, "ada");

  const auto one = parse_turns_request(
      R"({"role":"user","content":"a","name":"al","tags":["t"],"id":null,"created_at":null})");
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_EQ(one->turns.size(), 1u);
  EXPECT_EQ(one->turns[0].content, "a");
  EXPECT_EQ(one->turns[0].id, "");
  EXPECT_EQ(one->tags, std::vector<std::string>{"t"});
}

TEST(TurnsRequest, RefusesEachFaultWithItsPlace) {
  const std::string long_id(256, 'x');
  std::string many = R"({"turns":[)";
  for (int i = 0; i < 1'001; ++i) many += R"({"role":"user","content":"a"},)";
  many.back() = ']';
  many += '}';
  const std::pair<std::string, std::string> cases[] = {
      {"", " must"},
      {"[]", " must be a JSON object"},
      {"{}", "/turns is missing"},
      {R"({"turns":null})", "/turns must not be null"},
      {R"({"turns":{}})", "/turns must be an array"},
      {R"({"turns":[]})", "/turns must hold 1 to 1000 turns"},
      {many, "/turns must hold 1 to 1000 turns"},
      {R"({"turns":["a"]})", "/turns/0 must be an object"},
      {R"({"turns":[{"content":"a"}]})", "/turns/0/role is missing"},
      {R"({"turns":[{"role":"bot","content":"a"}]})", "/turns/0/role must be"},
      {R"({"turns":[{"role":"user"}]})", "/turns/0/content is missing"},
      {R"({"turns":[{"role":"user","content":5}]})", "/turns/0/content must be"},
      {R"({"turns":[{"role":"user","content":[5]}]})", "/turns/0/content/0 must be"},
      {R"({"turns":[{"role":"user","content":[{"text":"a"}]}]})", "/turns/0/content/0/type is"},
      {R"({"turns":[{"role":"user","content":"a","created_at":"noon"}]})", "/turns/0/created_at"},
      {R"({"turns":[{"role":"user","content":"a","created_at":5}]})", "/turns/0/created_at"},
      {R"({"turns":[{"role":"user","content":"a","id":""}]})", "/turns/0/id must be"},
      {R"({"turns":[{"role":"user","content":"a","id":{}}]})", "/turns/0/id must be"},
      {R"({"turns":[{"role":"user","content":"a","id":"a\nb"}]})", "/turns/0/id must be"},
      {R"({"turns":[{"role":"user","content":"a","id":")" + long_id + "\"}]}", "/turns/0/id must"},
      {R"({"turns":[{"role":"user","content":"a","id":"m"},)"
       R"({"role":"tool","content":"b","id":"m"}]})",
       "/turns/1/id is the id of an earlier turn too"},
      {R"({"turn":[{"role":"user","content":"a"}]})", "/turns is missing"},
      {R"({"turns":[{"role":"user","content":"a"}],"tgas":[]})",
       "/tgas is not a known member; did you mean \"tags\"?"},
      {R"({"turns":[{"role":"user","content":"a"}],"tags":[5]})", "/tags/0 must be a string"},
      {R"({"turns":[{"role":"user","content":"a"}],"attributes":[]})", "/attributes must be"},
      {R"({"turns":[{"role":"user","content":"a"}],"user_id":""})", "/user_id must have"},
      {R"({"role":"user","content":"a","content":"b"})", ""},
      {R"({"role":"user","content":"\ud800"})", ""},
  };
  for (const auto& [body, expected] : cases) {
    const auto refused = turns_refusal(body);
    EXPECT_NE(refused, "(accepted)") << body.substr(0, 200);
    EXPECT_TRUE(expected == " must" || refused.starts_with(expected))
        << body.substr(0, 200) << "\n" << refused;
  }
}

ChatEvent chat_with(std::vector<ChatMessage> turns) {
  return {.head = {.id = "1", .source = "test", .user = UserId::parse("ada").value(),
                   .time_ms = 1'000},
          .conversation_id = DocId::parse("c").value(),
          .messages = std::move(turns),
          .tags = {},
          .attributes_json = {}};
}

TEST(TurnNames, AreEqualForTheSameTurnAndNoOther) {
  const auto names = turn_names(chat_with({{"user", "yes"},
                                           {"assistant", "yes"},
                                           {"user", "yes"},
                                           {"user", "yes", 5},
                                           {"user", "yes", 0, "m"},
                                           {"assistant", " "}}));
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(names[i], names[j]) << i << ' ' << j;
  EXPECT_EQ(names[5], "");
  const auto again = turn_names(chat_with({{"user", "yes"},
                                           {"assistant", "yes"},
                                           {"user", "yes", 5},
                                           {"user", "yes", 9, "m"}}));
  EXPECT_EQ(again[0], names[0]);
  EXPECT_EQ(again[1], names[1]);
  EXPECT_EQ(again[2], names[3]) << "by its time";
  EXPECT_EQ(again[3], names[4]) << "by its id";
  EXPECT_NE(turn_names(chat_with({{"user", "other words", 9, "m"}}))[0], names[4])
      << "other words under an id that was used are not lost";
  auto elsewhere = chat_with({{"user", "yes"}, {"assistant", "yes"}});
  elsewhere.conversation_id = DocId::parse("d").value();
  EXPECT_NE(turn_names(elsewhere)[0], names[0]);
}

TEST(TurnNames, LoseNoTurnThatSaysTheSameAgain) {
  const ChatMessage yes{"user", "yes"}, a{"assistant", "A"}, b{"assistant", "B"};
  const auto whole = turn_names(chat_with({yes, a, yes, b}));
  // The client dropped its oldest turn and adds a third yes.
  const auto later = turn_names(chat_with({a, yes, b, yes}));
  EXPECT_EQ(later[1], whole[2]);
  EXPECT_EQ(later[2], whole[3]);
  for (const auto& name : whole) EXPECT_NE(later[3], name);

  auto first = chat_with({yes}), second = chat_with({yes});
  second.head.id = "2";
  EXPECT_NE(turn_names(first)[0], turn_names(second)[0]) << "two events of a turn each";
  EXPECT_EQ(turn_names(first)[0], turn_names(first)[0]);
  // A producer that sends new turns only, two at a time.
  EXPECT_NE(turn_names(chat_with({yes, b}))[0], turn_names(chat_with({yes, a}))[0]);
}

TEST(TurnTimes, AreCarriedOnFromTheTurnBefore) {
  EXPECT_EQ(turn_times(chat_with({{"user", "a"}, {"user", "b", 5}, {"user", "c"}})),
            (std::vector<std::int64_t>{1'000, 5, 5}));
}

TEST(TurnMeta, ComesBackAsItWasWritten) {
  const auto meta = meta_of_turn(chat_with({}), {"m1", "user", "before\n"});
  const auto label = turn_of_meta(meta).value();
  EXPECT_EQ(label.id, "m1");
  EXPECT_EQ(label.role, "user");
  EXPECT_EQ(label.window, "before\n");
  for (const auto* other : {"", "{", "5", "{}", R"({"turn":5})", R"({"roles":["user"]})"})
    EXPECT_FALSE(turn_of_meta(other)) << other;
}

}  // namespace
}  // namespace memseal::wire
