// Filters, pages and neighbours, as the search statements apply them.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "support/pg.hpp"

#include <algorithm>
#include <functional>
#include <set>

namespace memseal::test {
namespace {

using crypto::SealedCandidate;
using ports::SearchFilter;

class Asking : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    search_ = std::make_unique<postgres::PgChunkSearch>(*pool_);
    owner_ = new_tenant();
  }
  Uuid store(const crypto::Tenant& owner, const ChunkSpec& spec) {
    postgres::PgChunkStore store(*pool_);
    auto write = event_of(spec);
    write.chunks.push_back(sealed_chunk(owner, spec, dimension));
    const auto id = write.chunks[0].header().id;
    std::vector<ports::EventWrite> writes(1, std::move(write));
    EXPECT_EQ(await(store.store(context_, owner, std::move(writes))).at(0),
              ports::Stored::applied);
    return id;
  }
  /// 40 turns in 4 conversations, one a second. Every fourth one has the vector of the one before.
  void fill() {
    for (int i = 0; i < 40; ++i) {
      ChunkSpec spec{.doc_id = "c" + std::to_string(i % 4), .origin = Origin::chat,
                     .revision = i + 1, .text = "turn " + std::to_string(i),
                     .vector_seed = static_cast<unsigned>(i % 4 == 3 ? i - 1 : i) + 50,
                     .created_at_ms = base_ms + 1'000 * i};
      if (i % 2 == 0) spec.tags.push_back("even");
      if (i % 3 == 0) spec.tags.push_back("third");
      ids_.push_back(store(*owner_, spec));
    }
  }
  std::vector<SealedCandidate> nearest(std::size_t limit, SearchFilter filter = {}) {
    return await(
        search_->nearest(context_, *owner_, {unit_vector(7, dimension)}, limit, std::move(filter)));
  }
  /// Which turns are found.
  std::set<int> found(SearchFilter filter) {
    std::set<int> numbers;
    for (const auto& row : nearest(100, std::move(filter)))
      numbers.insert(static_cast<int>(std::find(ids_.begin(), ids_.end(), row.id) - ids_.begin()));
    return numbers;
  }
  static std::set<int> numbers(const std::function<bool(int)>& wanted) {
    std::set<int> all;
    for (int i = 0; i < 40; ++i)
      if (wanted(i)) all.insert(i);
    return all;
  }

  static constexpr std::int64_t base_ms = 1'700'000'000'000;
  std::unique_ptr<postgres::PgChunkSearch> search_;
  std::optional<crypto::Tenant> owner_;
  std::vector<Uuid> ids_;
};

TEST_F(Asking, EachFilterFindsAllThatItDescribesAndNothingElse) {
  fill();
  SearchFilter filter;
  filter.tags_any = {"even", "third"};
  EXPECT_EQ(found(filter), numbers([](int i) { return i % 2 == 0 || i % 3 == 0; }));
  filter.tags_none = {"third", "absent"};
  EXPECT_EQ(found(filter), numbers([](int i) { return i % 2 == 0 && i % 3 != 0; }));
  filter = {};
  filter.tags_none = {"even"};
  filter.exclude = {"c1", "absent"};
  EXPECT_EQ(found(filter), numbers([](int i) { return i % 4 == 3; }));
  filter = {};
  filter.after_ms = base_ms + 10'000;
  filter.before_ms = base_ms + 20'000;
  EXPECT_EQ(found(filter), numbers([](int i) { return i > 10 && i < 20; }));
  filter.doc_ids = {"c2"};
  filter.origins = {Origin::chat};
  EXPECT_EQ(found(filter), (std::set<int>{14, 18}));
  filter.origins = {Origin::upload, Origin::api};
  EXPECT_EQ(found(filter), std::set<int>{});
  filter = {};
  filter.ids = {ids_[3], ids_[30], Uuid{}};
  EXPECT_EQ(found(filter), (std::set<int>{3, 30}));
  filter.tags = {"even"};
  EXPECT_EQ(found(filter), std::set<int>{30});
}

TEST_F(Asking, PagesHoldEachRowOnceInTheOrderOfTheWhole) {
  fill();
  const auto whole = nearest(100);
  ASSERT_EQ(whole.size(), 40u);
  for (const std::size_t size : {1u, 7u, 39u, 40u}) {
    std::vector<Uuid> paged, expected;
    for (const auto& row : whole) expected.push_back(row.id);
    SearchFilter filter;
    for (;;) {
      const auto page = nearest(size, filter);
      for (const auto& row : page) paged.push_back(row.id);
      if (page.size() < size) break;
      filter.after = ports::SearchPlace{page.back().distance, page.back().id};
    }
    EXPECT_EQ(paged, expected) << size << " rows a page";
  }
}

TEST_F(Asking, LabelsComeWithoutTexts) {
  fill();
  SearchFilter filter;
  filter.without_texts = true;
  const auto rows = nearest(5, filter);
  ASSERT_EQ(rows.size(), 5u);
  const auto whole = nearest(5);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].id, whole[i].id);
    EXPECT_TRUE(rows[i].text_cipher.empty());
    EXPECT_EQ(rows[i].meta_cipher, whole[i].meta_cipher);
  }
}

TEST_F(Asking, NeighboursStandBesideTheirTurnInItsConversationAlone) {
  fill();
  const auto stranger = new_tenant();
  store(stranger, {.doc_id = "c0", .origin = Origin::chat, .created_at_ms = base_ms + 1});
  store(*owner_, {.doc_id = "c0", .origin = Origin::upload, .created_at_ms = base_ms + 1});
  const auto found = await(search_->neighbours(context_, *owner_, {ids_[0], ids_[20]}, 2));
  std::vector<std::pair<int, bool>> beside_first, beside_middle;
  for (const auto& one : found) {
    const auto number =
        static_cast<int>(std::find(ids_.begin(), ids_.end(), one.chunk.id) - ids_.begin());
    (one.of == ids_[0] ? beside_first : beside_middle).emplace_back(number, one.before);
    EXPECT_FALSE(one.chunk.text_cipher.empty());
  }
  EXPECT_EQ(beside_first, (std::vector<std::pair<int, bool>>{{4, false}, {8, false}}));
  EXPECT_EQ(beside_middle,
            (std::vector<std::pair<int, bool>>{{12, true}, {16, true}, {24, false}, {28, false}}));
  EXPECT_TRUE(await(search_->neighbours(context_, stranger, {ids_[0]}, 2)).empty());
}

TEST_F(Asking, NeighboursOfAPassageAreTheOthersOfItsDocument) {
  std::vector<Uuid> ids;
  postgres::PgChunkStore store(*pool_);
  auto write = event_of({.doc_id = "d"});
  for (int index = 0; index < 5; ++index) {
    ChunkSpec spec{.doc_id = "d", .index = index};
    write.chunks.push_back(sealed_chunk(*owner_, spec, dimension));
    ids.push_back(write.chunks.back().header().id);
  }
  std::vector<ports::EventWrite> writes(1, std::move(write));
  (void)await(store.store(context_, *owner_, std::move(writes)));
  std::vector<Uuid> beside;
  for (const auto& one : await(search_->neighbours(context_, *owner_, {ids[3]}, 3)))
    beside.push_back(one.chunk.id);
  EXPECT_EQ(beside, (std::vector<Uuid>{ids[0], ids[1], ids[2], ids[4]}));
}

}  // namespace
}  // namespace memseal::test
