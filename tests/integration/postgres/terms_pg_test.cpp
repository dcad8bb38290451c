// Blocks of terms in a real database: they come and go with their chunks, and both plans of search
// read the same of them.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/matrix_store.hpp"
#include "adapters/postgres/person_store.hpp"
#include "cases/search/matrix_search.hpp"
#include "pure/crypto/term_hasher.hpp"
#include "pure/lexical/term_block.hpp"
#include "pure/text/terms.hpp"
#include "support/pg.hpp"

#include <algorithm>
#include <set>

namespace memseal::test {
namespace {

/// The key that sealed_chunk() seals with.
struct OneKey final : ports::TenantKeys {
  asio::awaitable<ports::TenantKeyPtr> sealing_key(runtime::RequestContext,
                                                   crypto::Tenant) override {
    co_return std::make_shared<const crypto::TenantKey>(test_key());
  }
  asio::awaitable<ports::TenantKeyPtr> known_sealing_key(runtime::RequestContext,
                                                         crypto::Tenant) override {
    co_return std::make_shared<const crypto::TenantKey>(test_key());
  }
  asio::awaitable<ports::TenantKeyPtr> opening_key(runtime::RequestContext, crypto::Tenant,
                                                   std::uint32_t) override {
    co_return std::make_shared<const crypto::TenantKey>(test_key());
  }
};

class Terms : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    exact_ = std::make_unique<postgres::PgChunkSearch>(*pool_);
    store_ = std::make_unique<postgres::PgMatrixStore>(*pool_);
    search::MatrixOptions options;
    options.chunks_min = 1;
    options.words = true;
    options.kept_at_least = options.small_for = options.unfit_for = std::chrono::milliseconds(0);
    in_memory_ = std::make_unique<search::MatrixSearch>(*exact_, *store_, seen_, options, &keys_);
    options.bytes = 0;
    by_database_ =
        std::make_unique<search::MatrixSearch>(*exact_, *store_, seen_, options, &keys_);
  }

  /// One event with these chunks of one document, and their terms, as ingest makes them.
  static ports::EventWrite event_with(const crypto::Tenant& owner,
                                      const std::vector<ChunkSpec>& specs) {
    auto event = event_of(specs.front());
    const crypto::TermHasher hasher(test_key());
    lexical::BlockWriter writer;
    const auto end_block = [&](const Uuid& first) {
      const auto block = writer.take();
      event.terms.push_back(
          crypto::Sealer::seal_terms(owner, test_key(), first, event.doc_id, block).value());
    };
    for (const auto& spec : specs) {
      event.chunks.push_back(sealed_chunk(owner, spec, dimension));
      const auto terms = text::terms_of(spec.text);
      std::vector<lexical::Posting> postings;
      for (const auto& term : terms.distinct)
        postings.push_back(lexical::posting_of(hasher.hash(term.text), term.count));
      writer.add({event.chunks.back().header().id, terms.words, postings});
      if (spec.origin == Origin::chat) end_block(event.chunks.back().header().id);
    }
    if (!writer.empty()) end_block(event.chunks.front().header().id);
    return event;
  }
  void write(const crypto::Tenant& owner, ports::EventWrite event) {
    postgres::PgChunkStore store(*pool_);
    std::vector<ports::EventWrite> list;
    list.push_back(std::move(event));
    ASSERT_EQ(await(store.store(context_, owner, std::move(list))).at(0),
              ports::Stored::applied);
  }
  static std::vector<ChunkSpec> document(const std::string& id, int chunks,
                                         const std::string& text, std::int64_t revision = 1) {
    std::vector<ChunkSpec> specs;
    for (int i = 0; i < chunks; ++i) {
      ChunkSpec spec{.doc_id = id, .revision = revision, .index = i, .text = text};
      spec.vector_seed = static_cast<unsigned>(std::hash<std::string>()(id) % 1'000 * 100) +
                         static_cast<unsigned>(i);
      specs.push_back(spec);
    }
    return specs;
  }
  std::string blocks(const crypto::Tenant& owner) {
    return database_->super("SELECT count(*) FROM app.term_blocks WHERE user_hash = '" +
                            owner.hash().to_hex() + "'");
  }
  ports::HybridFound ask(search::MatrixSearch& plan, const crypto::Tenant& owner, unsigned seed,
                         const std::string& words, const ports::SearchFilter& filter = {}) {
    ports::HybridQuestion question{{unit_vector(seed, dimension)}, text::asked_words_of(words)};
    auto found = await(plan.hybrid(context_, owner, std::move(question), 24, filter));
    return found.value_or(ports::HybridFound{});
  }

  search::SearchMetrics seen_{metrics_};
  OneKey keys_;
  std::unique_ptr<postgres::PgChunkSearch> exact_;
  std::unique_ptr<postgres::PgMatrixStore> store_;
  std::unique_ptr<search::MatrixSearch> in_memory_, by_database_;
};

TEST_F(Terms, ComeAndGoWithTheirChunks) {
  const auto owner = new_tenant();
  write(owner, event_with(owner, document("doc", 30, "the quick brown foxes")));
  EXPECT_EQ(blocks(owner), "1");
  write(owner, event_with(owner, document("doc", 20, "lazy dogs", 2)));
  EXPECT_EQ(blocks(owner), "1") << "a new revision";
  EXPECT_TRUE(ask(*by_database_, owner, 1, "lazy").rows.at(0).hybrid->lexical > 0);

  std::vector<ChunkSpec> turns;
  for (int i = 0; i < 10; ++i)
    turns.push_back({.doc_id = "talk", .origin = Origin::chat, .index = i,
                     .text = "turn number " + std::to_string(i), .vector_seed = 7u + i,
                     .created_at_ms = 1'700'000'000'000 + i * 1'000});
  write(owner, event_with(owner, turns));
  EXPECT_EQ(blocks(owner), "11");
  auto some = event_of(turns.front());
  some.revision = 1'800'000'000'000;
  some.deletion = ports::Deletion{1'700'000'004'000};
  write(owner, std::move(some));
  EXPECT_EQ(blocks(owner), "7") << "turns before a time";

  auto gone = event_of({.doc_id = "doc", .revision = 9});
  gone.deletion.emplace();
  gone.by_arrival.emplace();
  write(owner, std::move(gone));
  EXPECT_EQ(blocks(owner), "6") << "a document deleted";
  // As a release deletes that does not know the table.
  database_->super("DELETE FROM app.memory_chunks WHERE doc_id = 'talk' AND chunk_index = 9 AND "
                   "user_hash = '" + owner.hash().to_hex() + "'");
  EXPECT_EQ(blocks(owner), "5");
  postgres::PgPersonStore people(*pool_);
  (void)await(people.bury(context_, owner, 1'000));
  EXPECT_EQ(blocks(owner), "0") << "the tenant erased";
}

TEST_F(Terms, CountAsSeals) {
  const auto owner = new_tenant();
  write(owner, event_with(owner, document("doc", 3, "one two")));
  EXPECT_EQ(database_->super("SELECT seals FROM app.tenants WHERE user_hash = '" +
                             owner.hash().to_hex() + "'"),
            "7");  // Text and metadata of three chunks, and a block.
}

TEST_F(Terms, BothPlansGiveTheSameFusedOrder) {
  const auto owner = new_tenant(), other = new_tenant();
  std::mt19937 random(5);
  const std::vector<std::string> words{"red", "planet", "moons", "rover", "landing", "zaphod"};
  for (int doc = 0; doc < 12; ++doc) {
    std::vector<ChunkSpec> specs;
    for (int i = 0; i < 30; ++i) {
      ChunkSpec spec{.doc_id = "doc " + std::to_string(doc), .index = i};
      if (doc % 3 == 0) spec.origin = Origin::chat;
      spec.text = "passage";
      for (std::size_t word = 0; word < words.size(); ++word)
        if (random() % (2 + word * word * 3) == 0) spec.text += " " + words[word];
      spec.vector_seed = static_cast<unsigned>(doc * 100 + i);
      if (random() % 4 == 0) spec.tags = {"late"};
      if (random() % 20 == 0) spec.expires_at_ms = 1'000'000;
      specs.push_back(spec);
    }
    write(owner, event_with(owner, specs));
  }
  // Another tenant's words change no score.
  write(other, event_with(other, document("doc", 50, "zaphod zaphod zaphod")));
  ask(*in_memory_, owner, 1, "red");
  std::vector<ports::SearchFilter> filters(3);
  filters[1].tags_none = {"late"};
  filters[2].origins = {Origin::chat};
  unsigned seed = 40'000;
  for (const auto& filter : filters)
    for (const auto* question : {"the red planet", "zaphod", "landing of a rover", "nothing"}) {
      const auto matrix_before = seen_.plan_matrix.Value();
      const auto a = ask(*in_memory_, owner, ++seed, question, filter);
      EXPECT_EQ(seen_.plan_matrix.Value() - matrix_before, 1);
      const auto b = ask(*by_database_, owner, seed, question, filter);
      EXPECT_EQ(seen_.plan_matrix.Value() - matrix_before, 1);
      ASSERT_EQ(a.rows.size(), 24u);
      ASSERT_EQ(b.rows.size(), 24u);
      for (std::size_t i = 0; i < a.rows.size(); ++i) {
        EXPECT_EQ(a.rows[i].id, b.rows[i].id) << question << i;
        EXPECT_EQ(a.rows[i].distance, b.rows[i].distance);
        EXPECT_EQ(a.rows[i].hybrid->lexical, b.rows[i].hybrid->lexical);
        EXPECT_EQ(a.rows[i].text_cipher, b.rows[i].text_cipher);
        EXPECT_FALSE(a.rows[i].text_cipher.empty());
      }
      EXPECT_EQ(a.last->id, b.last->id);
      EXPECT_EQ(a.ahead, b.ahead);
    }
  EXPECT_EQ(seen_.evicted_wrong.Value(), 0);
  EXPECT_EQ(seen_.blocks_unopened.Value(), 0);
  EXPECT_EQ(seen_.loads_full.Value(), 1);
}

// A reader of the database sees neither a word nor that two documents share one.
TEST_F(Terms, ADumpShowsNoWordAndNoTokenTwice) {
  const auto ada = new_tenant(), bob = new_tenant();
  const std::string text = "confidential merger of zaphod industries";
  for (const auto& owner : {ada, bob})
    for (const auto* doc : {"one", "two"}) write(owner, event_with(owner, document(doc, 2, text)));
  std::vector<Bytes> ciphers;
  for (const auto& owner : {ada, bob}) {
    const auto collect = [&](ports::MatrixRows& rows) {
      rows.read_terms({}, [&](const ports::TermBlockRow& row) {
        ciphers.emplace_back(row.cipher.begin(), row.cipher.end());
      });
    };
    std::function<void(ports::MatrixRows&)> work = collect;
    await(store_->in_snapshot(context_, owner, std::move(work)));
  }
  ASSERT_EQ(ciphers.size(), 4u);
  const crypto::TermHasher hasher(test_key());
  std::set<std::string> seen;
  for (const auto& cipher : ciphers) {
    EXPECT_EQ(cipher.size(), crypto::seal_overhead + lexical::block_step);
    // Behind format and key id, which are the same for all.
    const std::string bytes(cipher.begin() + 5, cipher.end());
    for (const auto& term : text::terms_of(text).distinct) {
      EXPECT_EQ(bytes.find(term.text), bytes.npos);
      const auto hash = hasher.hash(term.text);
      std::string coded;
      for (int shift = 32; shift >= 0; shift -= 8) coded += static_cast<char>(hash >> shift);
      EXPECT_EQ(bytes.find(coded), bytes.npos);
    }
    for (std::size_t at = 0; at + 6 <= bytes.size(); ++at)
      EXPECT_TRUE(seen.insert(bytes.substr(at, 6)).second) << "the same bytes twice";
  }
}

}  // namespace
}  // namespace memseal::test
