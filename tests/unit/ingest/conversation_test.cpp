// Chats: each turn is stored once, by itself, and embedded with what was said before it.
#include "pure/wire/turn.hpp"
#include "rig.hpp"

#include <algorithm>

namespace memseal::ingest {
namespace {

using Turns = std::vector<wire::ChatMessage>;

struct ConversationTest : Rig {
  ports::Record said(const std::string& id, Turns turns, std::int64_t time_ms = 1'700'000'000'000,
                     const std::string& conversation = "talk") {
    auto from = head("alice", id);
    from.time_ms = time_ms;
    return record("alice",
                  wire::make_chat_event({.head = std::move(from),
                                         .conversation_id = DocId::parse(conversation).value(),
                                         .messages = std::move(turns),
                                         .tags = {},
                                         .attributes_json = R"({"topic":"x"})"}),
                  "memory.chat.v1");
  }
  /// All that is stored, in the order in which it was written: `text`.
  std::vector<std::string> texts() {
    std::vector<std::string> all;
    for (const auto& write : store.writes_of[tenant("alice")])
      for (const auto& chunk : write.chunks) {
        const auto row = opened("alice", chunk);
        all.push_back(row.substr(0, row.find('|')));
      }
    return all;
  }
  const crypto::SealedChunk& chunk(std::size_t write, std::size_t at) {
    return store.writes_of.at(tenant("alice")).at(write).chunks.at(at);
  }
  wire::TurnLabel label(std::size_t write, std::size_t at) {
    const auto row = opened("alice", chunk(write, at));
    return wire::turn_of_meta(row.substr(row.find('|') + 1)).value();
  }
  /// What the embedder read last.
  std::string embedded() { return embedder.texts().back(); }
};

TEST_F(ConversationTest, StoresEachTurnByItselfAndEmbedsItWithTheTwoBeforeIt) {
  push({said("1", {{"user", "hello"}, {"assistant", "world"}, {"user", "note"}, {"tool", "and"}})});
  run();
  EXPECT_EQ(texts(), (std::vector<std::string>{"hello", "world", "note", "and"}));
  EXPECT_EQ(embedder.texts(),
            (std::vector<std::string>{
                "[2023-11-14] user: hello",
                "[2023-11-14] user: hello\n[2023-11-14] assistant: world",
                "[2023-11-14] user: hello\n[2023-11-14] assistant: world\n[2023-11-14] user: note",
                "[2023-11-14] assistant: world\n[2023-11-14] user: note\n[2023-11-14] tool: and"}));
  const auto last = label(0, 3);
  EXPECT_EQ(last.role, "tool");
  EXPECT_EQ(last.window, "[2023-11-14] assistant: world\n[2023-11-14] user: note\n");
  EXPECT_EQ(last.id.size(), 36u) << "a turn without an id of the client has a derived one";
  const auto& header = chunk(0, 3).header();
  EXPECT_EQ(header.char_start, 0);
  EXPECT_EQ(header.char_end, 3) << "offsets are those of the turn";
  EXPECT_EQ(header.created_at_ms, 1'700'000'000'000);
  EXPECT_NE(opened("alice", chunk(0, 0)).find(R"("attributes":{"topic":"x"})"), std::string::npos);
}

TEST_F(ConversationTest, TheTokensOfAWindowAreThoseOfItsText) {
  push({said("1", {{"user", "hello world"}, {"assistant", "note: and"}})});
  run();
  for (const auto& batch : embedder.batches)
    for (const auto& input : batch) {
      std::vector<text::Token> tokens;
      words.encode(input.text, tokens);
      std::vector<std::int32_t> ids_of_text;
      for (const auto& token : tokens) ids_of_text.push_back(token.id);
      EXPECT_EQ(input.token_ids, ids_of_text) << input.text;
    }
}

TEST_F(ConversationTest, AHistoryThatIsSentAgainStoresAndEmbedsOnlyWhatIsNew) {
  push({said("1", {{"user", "hello"}, {"assistant", "world"}})});
  run();
  push({said("2", {{"user", "hello"}, {"assistant", "world"}, {"user", "note"}})});
  run();
  // The client has cut off the oldest turn.
  push({said("3", {{"assistant", "world"}, {"user", "note"}, {"assistant", "and"}})});
  run();
  EXPECT_EQ(texts(), (std::vector<std::string>{"hello", "world", "note", "and"}));
  EXPECT_EQ(embedder.texts().size(), 4u) << "a turn that is stored is not embedded again";
  EXPECT_EQ(embedded(),
            "[2023-11-14] assistant: world\n[2023-11-14] user: note\n[2023-11-14] assistant: and");
}

TEST_F(ConversationTest, ATurnByItselfIsEmbeddedWithWhatIsStoredBeforeIt) {
  push({said("1", {{"user", "hello"}})});
  run();
  push({said("2", {{"assistant", "world"}})});
  run();
  push({said("3", {{"user", "note"}}, 1'700'086'400'000)});
  run();
  EXPECT_EQ(embedded(),
            "[2023-11-14] user: hello\n[2023-11-14] assistant: world\n[2023-11-15] user: note");
}

TEST_F(ConversationTest, ATurnIsEmbeddedWithThoseOfItsBatchToo) {
  push({said("1", {{"user", "hello"}}), said("2", {{"assistant", "world"}}),
        said("3", {{"user", "note"}}), said("4", {{"user", "hello"}}, 0, "other")});
  run();
  const auto all = embedder.texts();
  EXPECT_NE(std::find(all.begin(), all.end(),
                      "[2023-11-14] user: hello\n[2023-11-14] assistant: world\n"
                      "[2023-11-14] user: note"),
            all.end());
  EXPECT_NE(std::find(all.begin(), all.end(), "[2023-11-14] user: hello"), all.end())
      << "another conversation has nothing before its first turn";
}

TEST_F(ConversationTest, AnIdAndTheWordsNameATurn) {
  push({said("1", {{"user", "hello", 0, "m1"}, {"user", "hello", 0, "m2"}})});
  run();
  push({said("2", {{"user", "world", 0, "m1"}, {"user", "hello", 0, "m2"}})});
  run();
  EXPECT_EQ(texts(), (std::vector<std::string>{"hello", "hello", "world"}))
      << "words under an id that was used are not lost";
  EXPECT_EQ(label(0, 0).id, "m1");
}

TEST_F(ConversationTest, EqualWordsAreTwoTurnsWhereOneEventHasBothOrTheirTimesDiffer) {
  push({said("1", {{"user", "hello"}, {"assistant", "world"}, {"user", "hello"}})});
  run();
  push({said("2", {{"user", "hello"}})});
  run();
  push({said("3", {{"user", "hello", 1'700'000'000'001}})});
  run();
  EXPECT_EQ(texts(), (std::vector<std::string>{"hello", "world", "hello", "hello", "hello"}))
      << "a turn that is sent alone is a new one";
}

TEST_F(ConversationTest, AHistoryWithoutItsBeginLosesNoTurnAndDoublesNone) {
  push({said("1", {{"user", "hello"}})});
  run();
  push({said("2", {{"user", "hello"}, {"assistant", "world"}, {"user", "hello"}})});
  run();
  push({said("3", {{"assistant", "world"},
                   {"user", "hello"},
                   {"assistant", "note"},
                   {"user", "hello"}})});
  run();
  push({said("4",
             {{"user", "hello"}, {"assistant", "note"}, {"user", "hello"}, {"assistant", "and"}})});
  run();
  EXPECT_EQ(texts(), (std::vector<std::string>{"hello", "world", "hello", "note", "hello", "and"}));
}

TEST_F(ConversationTest, TwoConversationsShareNoTurn) {
  push({said("1", {{"user", "hello"}}), said("2", {{"user", "hello"}}, 0, "other")});
  run();
  EXPECT_EQ(texts().size(), 2u);
}

TEST_F(ConversationTest, ThePiecesOfALongTurnMakeItWhole) {
  std::string text = " \n";
  for (int i = 0; i < 300; ++i) text += i % 7 == 0 ? "hello.\n\n " : "w\u00f6rld ";
  push({said("1", {{"user", text}, {"assistant", "note"}})});
  run();
  std::string whole;
  std::int32_t end = 0;
  const auto& write = store.writes_of.at(tenant("alice")).at(0);
  ASSERT_GT(write.chunks.size(), 2u);
  for (std::size_t i = 0; i + 1 < write.chunks.size(); ++i) {
    const auto row = opened("alice", write.chunks[i]);
    whole += row.substr(0, row.find('|'));
    EXPECT_EQ(write.chunks[i].header().char_start, end);
    EXPECT_EQ(write.chunks[i].header().chunk_index, static_cast<std::int32_t>(i));
    end = write.chunks[i].header().char_end;
  }
  EXPECT_EQ(whole, text);
  for (const auto& batch : embedder.batches)
    for (const auto& input : batch) EXPECT_LE(input.token_ids.size(), limits::chunk_tokens_max);
  EXPECT_TRUE(embedded().ends_with("\n[2023-11-14] assistant: note"));
  EXPECT_GT(embedded().size(), 200u) << "the end of the long turn stands before the short one";
}

TEST_F(ConversationTest, WhatCannotBeLookedUpIsEmbeddedByItself) {
  push({said("1", {{"user", "hello"}})});
  run();
  keys.forgotten = {1};
  push({said("2", {{"assistant", "world"}})});
  run();
  EXPECT_EQ(embedded(), "[2023-11-14] assistant: world");
  EXPECT_EQ(texts().size(), 2u);
}

}  // namespace
}  // namespace memseal::ingest
