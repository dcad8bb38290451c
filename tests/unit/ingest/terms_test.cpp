// The terms that are stored beside chunks.
#include "rig.hpp"

#include "pure/crypto/term_hasher.hpp"
#include "pure/lexical/term_block.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace memseal::ingest {
namespace {

struct TermsTest : Rig {
  const ports::EventWrite& written(const std::string& user) {
    return store.writes_of.at(tenant(user)).back();
  }
  /// The chunks of a block with the hashes of their terms; nothing where it does not open.
  std::map<Uuid, std::set<std::uint64_t>> opened_block(const std::string& user,
                                                       const crypto::SealedTerms& block) const {
    const auto key = fakes::TenantKeys::key_of(tenant(user));
    const auto plain = crypto::Sealer::open_terms(tenant(user), *key, block.first_chunk(),
                                                  block.doc_id().value(), block.cipher());
    std::map<Uuid, std::set<std::uint64_t>> chunks;
    if (!plain) return chunks;
    const auto take = [&](const lexical::ChunkTerms& chunk) {
      auto& hashes = chunks[chunk.chunk];
      for (const auto posting : chunk.postings) hashes.insert(lexical::hash_of(posting));
    };
    EXPECT_TRUE(lexical::read_block(plain->view(), take));
    return chunks;
  }
  std::uint64_t hash(const std::string& user, const std::string& term) const {
    return crypto::TermHasher(*fakes::TenantKeys::key_of(tenant(user))).hash(term);
  }
};

TEST_F(TermsTest, OfADocumentLieInOneBlockThatItsFirstChunkNames) {
  options.terms = true;
  options.rules.tokens = 2;
  push({record("ada", upload("ada", "1", "hello world. note and worlds"))});
  run();
  const auto& write = written("ada");
  ASSERT_EQ(write.terms.size(), 1u);
  ASSERT_GE(write.chunks.size(), 2u);
  EXPECT_EQ(write.terms[0].first_chunk(), write.chunks[0].header().id);
  EXPECT_EQ(write.terms[0].doc_id(), write.doc_id);
  const auto chunks = opened_block("ada", write.terms[0]);
  ASSERT_EQ(chunks.size(), write.chunks.size());
  std::set<std::uint64_t> all;
  for (const auto& chunk : write.chunks) {
    ASSERT_TRUE(chunks.contains(chunk.header().id));
    all.insert(chunks.at(chunk.header().id).begin(), chunks.at(chunk.header().id).end());
  }
  const std::set<std::uint64_t> wanted{hash("ada", "hello"), hash("ada", "world"),
                                       hash("ada", "note")};
  EXPECT_EQ(all, wanted) << "stems, without stop words";
}

TEST_F(TermsTest, OfTurnsLieApartBecauseTurnsAreDeletedOneByOne) {
  options.terms = true;
  push({record("ada", chat("ada", "1", "talk"), "memory.chat.v1")});
  run();
  const auto& write = written("ada");
  ASSERT_EQ(write.chunks.size(), 2u);
  ASSERT_EQ(write.terms.size(), 2u);
  for (std::size_t turn = 0; turn < 2; ++turn) {
    EXPECT_EQ(write.terms[turn].first_chunk(), write.chunks[turn].header().id);
    const auto chunks = opened_block("ada", write.terms[turn]);
    ASSERT_EQ(chunks.size(), 1u);
    EXPECT_EQ(chunks.begin()->second,
              std::set<std::uint64_t>{hash("ada", turn == 0 ? "hello" : "world")});
  }
}

TEST_F(TermsTest, OpenForTheirTenantDocumentAndPlaceAlone) {
  options.terms = true;
  push({good("ada", "1"), good("eve", "1")});
  run();
  const auto& block = written("ada").terms.at(0);
  EXPECT_FALSE(opened_block("ada", block).empty());
  EXPECT_TRUE(opened_block("eve", block).empty());
  const auto key = fakes::TenantKeys::key_of(tenant("ada"));
  EXPECT_FALSE(crypto::Sealer::open_terms(tenant("ada"), *key, block.first_chunk(), "other",
                                          block.cipher()));
  const auto& other = written("eve").terms.at(0);
  EXPECT_FALSE(crypto::Sealer::open_terms(tenant("ada"), *key, other.first_chunk(),
                                          block.doc_id().value(), block.cipher()));
  EXPECT_NE(hash("ada", "hello"), hash("eve", "hello"));
}

TEST_F(TermsTest, AreNotStoredWhereTheyAreTurnedOff) {
  push({good("ada", "1")});
  run();
  EXPECT_TRUE(written("ada").terms.empty());
}

}  // namespace
}  // namespace memseal::ingest
