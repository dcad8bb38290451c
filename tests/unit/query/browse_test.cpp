// Lists and texts of what is stored: opened for their owner, page by page.
#include "cases/query/browse.hpp"
#include "support/run_loop.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>

namespace memseal::query {
namespace {

using namespace std::chrono_literals;
using ports::MemoryKind;
using test::World;

struct BrowseTest : ::testing::Test {
  ~BrowseTest() override { world.cpu.join(); }

  template <class T>
  T await(asio::awaitable<T> work) {
    std::optional<T> value;
    test::run_to_end(loop, kept(std::move(work), value));
    return std::move(value.value());
  }
  template <class T>
  static asio::awaitable<void> kept(asio::awaitable<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }

  ShownPage list(MemoryKind kind, const std::string& after, std::size_t limit,
                 const std::string& user = "ada") {
    return await(list_memory(world.browse, context, world.tenant(user), kind, after, limit));
  }
  std::optional<Shown> show(const std::string& id, const std::string& user = "ada",
                            MemoryKind kind = MemoryKind::document) {
    return await(show_memory(world.browse, context, world.tenant(user), kind,
                             DocId::parse(id).value()));
  }
  std::optional<TextPage> read(ports::ChunkRange range, const std::string& user = "ada") {
    return await(read_memory(world.browse, context, world.tenant(user), std::move(range)));
  }
  static ports::ChunkRange range(const std::string& id, std::size_t limit,
                                 MemoryKind kind = MemoryKind::document) {
    return {.kind = kind, .id = DocId::parse(id).value(), .limit = limit};
  }
  static std::vector<std::string> texts(const std::optional<TextPage>& page) {
    std::vector<std::string> all;
    for (const auto& passage : page.value().passages) all.push_back(passage.text());
    return all;
  }
  std::string metric(const std::string& line) {
    const auto text = world.metrics.render();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? "" : text.substr(at + line.size() + 2, 1);
  }

  // Before the pool, whose thread holds the loop's executor for a moment after its last answer.
  asio::io_context loop{1};
  World world;
  runtime::RequestContext context{"req-1", runtime::Deadline::after(10s)};
};

TEST_F(BrowseTest, ListsDocumentsWithTheirOpenedNamesPageByPage) {
  world.remember("ada", MemoryKind::document, "b", {"two"}, {}, "b.txt");
  world.remember("ada", MemoryKind::document, "a", {"one", "more"}, {}, "a.txt");
  world.remember("ada", MemoryKind::document, "c", {"three"});
  world.remember("ada", MemoryKind::conversation, "talk", {"hello"});
  world.remember("bob", MemoryKind::document, "theirs", {"x"}, {}, "theirs.txt");
  const auto first = list(MemoryKind::document, "", 2);
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_TRUE(first.more);
  EXPECT_EQ(first.items[0].name, "a.txt");
  EXPECT_EQ(first.items[0].memory.chunks, 2);
  EXPECT_TRUE(first.items[0].memory.name_cipher.empty());
  EXPECT_EQ(first.items[1].memory.id, "b");
  const auto second = list(MemoryKind::document, "b", 2);
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_FALSE(second.more);
  EXPECT_EQ(second.items[0].name, "");
  EXPECT_EQ(list(MemoryKind::conversation, "", 2).items.at(0).memory.id, "talk");
  EXPECT_TRUE(list(MemoryKind::document, "", 2, "eve").items.empty());
}

TEST_F(BrowseTest, ShowsOneWithWhatIsSealedBesideItsFirstText) {
  world.remember("ada", MemoryKind::document, "a", {"one", "two"},
                 {R"({"mime_type":"text/plain"})", "{}"}, "a.txt");
  const auto shown = show("a");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->name, "a.txt");
  EXPECT_EQ(shown->meta_json, R"({"mime_type":"text/plain"})");
  EXPECT_FALSE(show("a", "bob"));
  EXPECT_FALSE(show("absent"));
  EXPECT_FALSE(show("a", "ada", MemoryKind::conversation));
}

TEST_F(BrowseTest, ReadsTextsInBothDirectionsWithoutGapOrRepetition) {
  std::vector<std::string> turns;
  for (int i = 0; i < 7; ++i) turns.push_back("turn " + std::to_string(i));
  world.remember("ada", MemoryKind::conversation, "talk", turns);
  for (const bool newest_first : {false, true}) {
    std::vector<std::string> seen;
    auto asked = range("talk", 3, MemoryKind::conversation);
    asked.newest_first = newest_first;
    for (int pages = 1;; ++pages) {
      const auto page = read(asked);
      for (auto& text : texts(page)) seen.push_back(text);
      if (!page->next) {
        EXPECT_EQ(pages, 3);
        break;
      }
      asked.after = page->next;
    }
    if (newest_first) std::reverse(seen.begin(), seen.end());
    EXPECT_EQ(seen, turns);
  }
  EXPECT_FALSE(read(range("talk", 3, MemoryKind::conversation), "bob"));
  EXPECT_FALSE(read(range("talk", 3)));
}

TEST_F(BrowseTest, APageBehindTheLastIsEmptyAndNotMissing) {
  world.remember("ada", MemoryKind::document, "a", {"one"});
  auto asked = range("a", 1);
  asked.after = world.stored.entries[{world.tenant("ada"), MemoryKind::document}]
                    .at("a").chunks.back().place;
  const auto page = read(asked);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->passages.empty());
  EXPECT_FALSE(page->next);
}

TEST_F(BrowseTest, LeavesOutAndCountsWhatDoesNotOpen) {
  world.remember("ada", MemoryKind::document, "a", {"one", "two", "three", "four"}, {}, "a.txt");
  auto& entry =
      world.stored.entries[{world.tenant("ada"), MemoryKind::document}].at("a");
  entry.memory.name_cipher.back() ^= 1;
  entry.chunks[0].chunk.text_cipher.back() ^= 1;
  entry.chunks[1].chunk.text_cipher = {1, 2, 3};
  entry.chunks[2].chunk.text_cipher[4] = 9;  // the key's generation
  world.keys.forgotten = {9};
  EXPECT_EQ(list(MemoryKind::document, "", 9).items.at(0).name, "");
  EXPECT_EQ(texts(read(range("a", 9))), std::vector<std::string>{"four"});
  EXPECT_EQ(metric(R"(memseal_open_failures_total{cause="not_authentic"})"), "2");
  EXPECT_EQ(metric(R"(memseal_open_failures_total{cause="not_a_blob"})"), "1");
  EXPECT_EQ(metric(R"(memseal_open_failures_total{cause="key_missing"})"), "1");
  EXPECT_EQ(metric("memseal_cross_tenant_decrypt_attempts_total"), "2");
  EXPECT_EQ(metric("memory_aad_mismatch_total"), "2");
}

}  // namespace
}  // namespace memseal::query
