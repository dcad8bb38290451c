// Lists of documents, conversations and their chunks, and the plans behind them.
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/operations.hpp"
#include "adapters/postgres/stored_memory.hpp"
#include "adapters/postgres/verify.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "runtime/wall_clock.hpp"
#include "support/pg.hpp"

#include <gmock/gmock.h>

namespace memseal::test {
namespace {

using ports::MemoryKind;
using testing::ElementsAre;
using testing::HasSubstr;

class StoredMemory : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    memory_ = std::make_unique<postgres::PgStoredMemory>(*pool_);
    owner_ = new_tenant();
  }

  /// Stores a document of `chunks` chunks, or turns.
  void store(const crypto::Tenant& owner, ChunkSpec spec, int chunks = 1) {
    postgres::PgChunkStore store(*pool_);
    auto write = event_of(spec);
    if (spec.origin != Origin::chat) write.document_name_cipher = Bytes(40, 9);
    for (int i = 0; i < chunks; ++i) {
      write.chunks.push_back(sealed_chunk(owner, spec, dimension));
      ++spec.index;
    }
    std::vector<ports::EventWrite> writes(1, std::move(write));
    EXPECT_EQ(await(store.store(context_, owner, std::move(writes))).at(0),
              ports::Stored::applied);
  }
  void say(const std::string& conversation, std::int32_t index, std::int64_t at_ms) {
    store(*owner_, {.doc_id = conversation, .origin = Origin::chat, .revision = ++revision_,
                    .index = index, .text = std::to_string(index), .created_at_ms = at_ms});
  }
  std::vector<ports::ListedMemory> list(MemoryKind kind, const std::string& after = "",
                                        std::size_t limit = 100) {
    return await(memory_->list(context_, *owner_, kind, after, limit));
  }
  std::vector<std::string> ids(MemoryKind kind, const std::string& after = "",
                               std::size_t limit = 100) {
    std::vector<std::string> all;
    for (const auto& one : list(kind, after, limit)) all.push_back(one.id);
    return all;
  }
  std::optional<ports::ListedMemory> find(MemoryKind kind, const std::string& id) {
    return await(memory_->find(context_, *owner_, kind, DocId::parse(id).value()));
  }
  std::vector<ports::ListedChunk> chunks(ports::ChunkRange range) {
    return await(memory_->chunks(context_, *owner_, std::move(range)));
  }
  static ports::ChunkRange range(MemoryKind kind, const std::string& id, std::size_t limit = 100) {
    return {.kind = kind, .id = DocId::parse(id).value(), .limit = limit};
  }
  bool is_known(const crypto::Tenant& owner, MemoryKind kind, const std::string& id) {
    return await(memory_->is_known(context_, owner, kind, DocId::parse(id).value()));
  }

  static constexpr std::int64_t base_ms = 1'700'000'000'000;
  std::unique_ptr<postgres::PgStoredMemory> memory_;
  std::optional<crypto::Tenant> owner_;
  std::int64_t revision_ = 0;
};

TEST_F(StoredMemory, IsListedByKindAndIdForItsOwnerAlone) {
  const auto stranger = new_tenant();
  store(*owner_, {.doc_id = "b", .tags = {"x", "y"}}, 3);
  store(*owner_, {.doc_id = "a", .origin = Origin::api});
  store(*owner_, {.doc_id = "Z"});
  store(stranger, {.doc_id = "a"}, 2);
  store(stranger, {.doc_id = "theirs"});
  say("talk", 0, base_ms);
  say("talk", 1, base_ms + 5);
  EXPECT_THAT(ids(MemoryKind::document), ElementsAre("Z", "a", "b")) << "by bytes";
  EXPECT_THAT(ids(MemoryKind::document, "Z", 1), ElementsAre("a"));
  EXPECT_THAT(ids(MemoryKind::document, "b"), ElementsAre());
  EXPECT_THAT(ids(MemoryKind::conversation), ElementsAre("talk"));
  const auto b = find(MemoryKind::document, "b").value();
  EXPECT_EQ(b.origin, Origin::upload);
  EXPECT_EQ(b.chunks, 3);
  EXPECT_THAT(b.tags, ElementsAre("x", "y"));
  EXPECT_EQ(b.name_cipher, Bytes(40, 9));
  EXPECT_GT(b.created_at_ms, base_ms);
  EXPECT_FALSE(b.expires_at_ms);
  EXPECT_EQ(find(MemoryKind::document, "a")->origin, Origin::api);
  const auto talk = find(MemoryKind::conversation, "talk").value();
  EXPECT_EQ(talk.chunks, 2);
  EXPECT_EQ(talk.first_at_ms, base_ms);
  EXPECT_EQ(talk.last_at_ms, base_ms + 5);
  EXPECT_FALSE(find(MemoryKind::document, "talk"));
  EXPECT_FALSE(find(MemoryKind::conversation, "a"));
  EXPECT_FALSE(find(MemoryKind::document, "theirs"));
}

TEST_F(StoredMemory, ADocumentAndAConversationOfOneIdAreTwoThings) {
  store(*owner_, {.doc_id = "same"}, 2);
  say("same", 9, base_ms);
  EXPECT_THAT(ids(MemoryKind::document), ElementsAre("same"));
  EXPECT_THAT(ids(MemoryKind::conversation), ElementsAre("same"));
  EXPECT_EQ(find(MemoryKind::document, "same")->chunks, 2);
  EXPECT_EQ(find(MemoryKind::conversation, "same")->chunks, 1);
  EXPECT_EQ(chunks(range(MemoryKind::document, "same")).size(), 2u);
  EXPECT_EQ(chunks(range(MemoryKind::conversation, "same")).size(), 1u);
}

TEST_F(StoredMemory, WhatHasExpiredIsNotShown) {
  const auto now = runtime::unix_ms();
  store(*owner_, {.doc_id = "old", .expires_at_ms = now - 1'000});
  store(*owner_, {.doc_id = "new", .expires_at_ms = now + 3'600'000});
  EXPECT_THAT(ids(MemoryKind::document), ElementsAre("new"));
  EXPECT_EQ(find(MemoryKind::document, "new")->expires_at_ms, now + 3'600'000);
  EXPECT_FALSE(find(MemoryKind::document, "old"));
  EXPECT_TRUE(chunks(range(MemoryKind::document, "old")).empty());
  EXPECT_TRUE(is_known(*owner_, MemoryKind::document, "old")) << "it can still be deleted";
}

TEST_F(StoredMemory, PagesOfTurnsHaveEachOnceInBothDirections) {
  // Two at the same time, and the first and the last that a time can be.
  const std::vector<std::int64_t> times{-62'167'219'200'000, -1, base_ms, base_ms, base_ms + 1,
                                        253'402'300'799'999};
  for (std::size_t i = 0; i < times.size(); ++i)
    say("talk", static_cast<std::int32_t>(i), times[i]);
  for (const bool newest_first : {false, true}) {
    std::vector<std::int32_t> seen;
    auto asked = range(MemoryKind::conversation, "talk", 1);
    asked.newest_first = newest_first;
    while (true) {
      const auto page = chunks(asked);
      if (page.empty() || seen.size() > times.size()) break;
      ASSERT_EQ(page.size(), 1u);
      seen.push_back(page[0].place.index);
      EXPECT_FALSE(page[0].chunk.text_cipher.empty());
      asked.after = page[0].place;
    }
    if (newest_first) std::reverse(seen.begin(), seen.end());
    EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4, 5)) << newest_first;
  }
}

TEST_F(StoredMemory, APlaceIsExactToTheMicrosecond) {
  for (int i = 0; i < 20; ++i) store(*owner_, {.doc_id = "doc", .revision = i + 1}, 2);
  store(*owner_, {.doc_id = "other"}, 40);
  auto asked = range(MemoryKind::document, "other", 7);
  std::size_t seen = 0;
  for (int pages = 0; pages < 9; ++pages) {
    const auto page = chunks(asked);
    for (const auto& one : page) EXPECT_EQ(one.place.index, static_cast<int>(seen++));
    if (page.empty()) break;
    asked.after = page.back().place;
  }
  EXPECT_EQ(seen, 40u);
}

TEST_F(StoredMemory, AnAnnouncedWriteMakesItKnown) {
  postgres::PgOperations operations(*pool_);
  const auto stranger = new_tenant();
  const auto doc = DocId::parse("soon").value();
  EXPECT_FALSE(is_known(*owner_, MemoryKind::document, "soon"));
  await(operations.announce_deletion(context_, *owner_, crypto::random_uuid(), Origin::api, doc,
                                     {}));
  EXPECT_FALSE(is_known(*owner_, MemoryKind::document, "soon")) << "a deletion writes nothing";
  await(operations.announce(context_, *owner_, crypto::random_uuid(), Origin::api, doc, {}));
  EXPECT_TRUE(is_known(*owner_, MemoryKind::document, "soon"));
  EXPECT_FALSE(is_known(*owner_, MemoryKind::conversation, "soon"));
  EXPECT_FALSE(is_known(stranger, MemoryKind::document, "soon"));
}

TEST_F(StoredMemory, TheIndexInOrderServesEveryReadOfAConversation) {
  // So many rows that a plan which sorts them all would cost more.
  database_->super(
      "INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, chunk_index, "
      "char_start, char_end, model, created_at) SELECT gen_random_uuid(), '" +
      owner_->hash().to_hex() +
      "', 'c' || i % 3, 'chat', decode(repeat('00', 40), 'hex'), i, 0, 1, 'm', "
      "now() - i * interval '1 second' FROM generate_series(1, 20000) AS i");
  database_->super("ANALYZE app.memory_chunks");
  const auto proofs = postgres::verify_plans(database_->app_dsn());
  ASSERT_TRUE(proofs) << proofs.error().message;
  std::size_t seen = 0;
  for (const auto& proof : *proofs) {
    EXPECT_TRUE(proof.holds) << proof.name << ": " << proof.detail;
    for (const auto* name : {"neighbours", "turns_latest", "chunks_oldest_first",
                             "chunks_newest_first"}) {
      if (proof.name != name) continue;
      ++seen;
      EXPECT_THAT(proof.detail, HasSubstr("memory_chunks_in_order")) << name;
    }
  }
  EXPECT_EQ(seen, 4u);
}

TEST_F(StoredMemory, NoReadOfAConversationSortsIt) {
  pqxx::connection session(database_->app_dsn());
  pqxx::nontransaction tx(session);
  tx.exec("SET app.user_hash = '" + owner_->hash().to_hex() + "'");
  tx.exec("SET plan_cache_mode = force_generic_plan");
  for (const auto& statement : postgres::shipped_statements()) {
    const std::string name = statement.name;
    if (name != "turns_latest" && name != "neighbours" && !name.starts_with("chunks_oldest") &&
        !name.starts_with("chunks_newest"))
      continue;
    tx.exec("PREPARE p_" + name + " AS " + std::string(statement.sql));
    std::string nulls = "NULL";
    for (int count = 2; std::string(statement.sql).find("$" + std::to_string(count)) !=
                        std::string::npos; ++count)
      nulls += ", NULL";
    std::string plan;
    for (const auto& row : tx.exec("EXPLAIN (COSTS OFF) EXECUTE p_" + name + "(" + nulls + ")"))
      plan += std::string(row[0].c_str()) + "\n";
    // The answers of several look-ups are sorted together at the end; nothing else is.
    const auto first = plan.find("Sort Key:");
    EXPECT_TRUE(first == plan.npos || plan.find("Sort Key:", first + 1) == plan.npos) << plan;
    EXPECT_NE(plan.find("memory_chunks_in_order"), std::string::npos) << plan;
  }
}

}  // namespace
}  // namespace memseal::test
