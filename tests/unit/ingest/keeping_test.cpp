// An edit of a document embeds what it changed, and keeps the vectors of the other chunks.
#include "rig.hpp"

#include <functional>
#include <set>

namespace memseal::ingest {
namespace {

struct Keeping : Rig {
  Keeping() {
    options.rules = {.tokens = 8, .overlap = 0};
    // The vector tells the text, so that a test sees a vector beside a wrong one.
    embedder.spoil = [](const std::string& text, ports::Embedding& vector) {
      vector[1] = static_cast<float>(std::hash<std::string>{}(text) % 1'000 + 1);
    };
  }

  /// Fifty paragraphs, each a chunk of its own: no two are equal.
  static std::vector<std::string> paragraphs() {
    static const char* words[] = {"hello", "world", "user", "note", "and"};
    std::vector<std::string> all;
    for (int i = 0; i < 50; ++i) {
      std::string text;
      for (int digit = 0, rest = i; digit < 3; ++digit, rest /= 5)
        text += std::string(words[rest % 5]) + " ";
      all.push_back(text + "hello hello world.");
    }
    return all;
  }
  static std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const auto& part : parts) text += part + "\n\n";
    return text;
  }
  void upload_version(std::int64_t revision, const std::string& text,
                      const std::string& document = "book") {
    embedder.batches.clear();
    push({record("ada",
                 upload_of(document, "ada", document + std::to_string(revision), text, revision))});
    run();
  }
  const ports::EventWrite& stored_version() { return store.writes_of.at(tenant("ada")).back(); }
  /// Whether each chunk that is stored last has the vector that its text has.
  void expect_own_vectors() {
    for (const auto& chunk : stored_version().chunks) {
      const auto text = opened("ada", chunk);
      ports::Embedding vector(8);
      embedder.spoil(text.substr(0, text.find('|')), vector);
      EXPECT_EQ(chunk.embedding()[1], vector[1]) << text;
    }
  }
};

TEST_F(Keeping, EmbedsTheParagraphThatAnEditChanged) {
  auto text = paragraphs();
  upload_version(1, joined(text));
  ASSERT_EQ(embedder.texts().size(), 50u);
  text[20] = "note note note note note.";
  upload_version(2, joined(text));
  EXPECT_EQ(embedder.texts(), std::vector<std::string>{text[20]});
  EXPECT_EQ(stored_version().chunks.size(), 50u);
  EXPECT_EQ(metric("memseal_ingest_vectors_kept_total"), 49);
  expect_own_vectors();
}

TEST_F(Keeping, EmbedsNothingWhereParagraphsMovedOrWent) {
  auto text = paragraphs();
  upload_version(1, joined(text));
  std::swap(text[3], text[40]);
  text.erase(text.begin() + 10);
  upload_version(2, joined(text));
  EXPECT_TRUE(embedder.texts().empty());
  EXPECT_EQ(stored_version().chunks.size(), 49u);
  expect_own_vectors();
}

TEST_F(Keeping, EmbedsAllForAnotherModelDocumentOrUser) {
  const auto text = joined(paragraphs());
  upload_version(1, text);
  upload_version(1, text, "copy");
  EXPECT_EQ(embedder.texts().size(), 50u) << "another document";
  embedder.batches.clear();
  push({record("eve", upload_of("book", "eve", "1", text, 1))});
  run();
  EXPECT_EQ(embedder.texts().size(), 50u) << "another user";
  embedder.name = "another-model";
  upload_version(2, text);
  EXPECT_EQ(embedder.texts().size(), 50u) << "another model";
  keys.sealing_id = 2;
  upload_version(3, text);
  EXPECT_EQ(embedder.texts().size(), 50u) << "another key";
}

TEST_F(Keeping, LooksForNoVectorsWhereNothingIsReplaced) {
  upload_version(1, joined(paragraphs()));
  push({record("ada", chat("ada", "1", "book"), "memory.chat.v1")});
  run();
  EXPECT_EQ(store.vector_looks, 0);
}

TEST_F(Keeping, StaysRightWhenTheStoredVersionGoesAfterTheLook) {
  auto text = paragraphs();
  upload_version(1, joined(text));
  store.after_vectors = [&] { store.writes_of[tenant("ada")].clear(); };
  text[7] = "note note and note note.";
  upload_version(2, joined(text));
  EXPECT_EQ(embedder.texts().size(), 1u);
  EXPECT_EQ(stored_version().chunks.size(), 50u);
  expect_own_vectors();
}

TEST_F(Keeping, EmbedsAllWhereVectorsCannotBeReadAndWaitsWhereTheDatabaseIsAway) {
  const auto text = joined(paragraphs());
  upload_version(1, text);
  store.vector_faults.error = Error{Errc::internal, "refused"};
  upload_version(2, text);
  EXPECT_EQ(embedder.texts().size(), 50u);
  EXPECT_TRUE(sink.records.empty());
  store.vector_faults.error.reset();
  store.vector_faults.next = {Errc::unavailable, Errc::unavailable};
  upload_version(3, text);
  EXPECT_TRUE(embedder.texts().empty());
  EXPECT_EQ(stored_version().revision, 3);
}

TEST_F(Keeping, AVersionThatNeedsNoEmbeddingIsStoredBehindAnEarlierOne) {
  const auto text = joined(paragraphs());
  upload_version(1, text);
  push({record("ada", upload_of("book", "ada", "book2", "note and note and note.", 2))});
  push({record("ada", upload_of("book", "ada", "book3", text, 3))});
  embedder.faults.delay = std::chrono::milliseconds(300);
  run();
  std::vector<std::int64_t> revisions;
  for (const auto& write : store.writes_of.at(tenant("ada"))) revisions.push_back(write.revision);
  EXPECT_EQ(revisions, (std::vector<std::int64_t>{1, 2, 3})) << "none is superseded";
  expect_own_vectors();
}

TEST_F(Keeping, OneChunkOfEqualOnesHasTheMac) {
  std::string text;
  for (int i = 0; i < 3; ++i) text += "hello world hello world hello world.\n\n";
  upload_version(1, text + "note.");
  std::set<Uuid> macs;
  std::size_t without = 0;
  for (const auto& chunk : stored_version().chunks) {
    if (chunk.header().embed_mac) macs.insert(*chunk.header().embed_mac);
    if (!chunk.header().embed_mac) ++without;
  }
  EXPECT_EQ(macs.size(), 2u);
  EXPECT_EQ(without, 2u);
  upload_version(2, text + "and.");
  EXPECT_EQ(embedder.texts(), std::vector<std::string>{"and."});
  expect_own_vectors();
}

TEST_F(Keeping, TurnsHaveNoMac) {
  push({record("ada", chat("ada", "1", "talk"), "memory.chat.v1")});
  run();
  ASSERT_FALSE(stored_version().chunks.empty());
  for (const auto& chunk : stored_version().chunks) EXPECT_FALSE(chunk.header().embed_mac);
}

// 50 chunks of at most 8 tokens: 50 where all are kept, some 400 where they are embedded.
TEST_F(Keeping, AChunkThatIsKeptTakesAnEighthOfItsTokensFromTheBudget) {
  const auto text = joined(paragraphs());
  const std::vector<std::string> documents{"a", "b", "c", "d"};
  for (const auto& document : documents) upload_version(1, text, document);
  options.tenant_budget = policy::BucketRules{.tokens = 125, .window_s = 1'000'000};
  embedder.batches.clear();
  for (const auto& document : documents)
    push({record("ada", upload_of(document, "ada", document + "2", text, 2))});
  run();
  EXPECT_TRUE(embedder.texts().empty());
  EXPECT_EQ(metric("memseal_ingest_over_budget_total"), 2) << "two have 125, four do not";
}

}  // namespace
}  // namespace memseal::ingest
