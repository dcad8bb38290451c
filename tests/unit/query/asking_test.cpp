// Pages, several questions, sealed attributes, least scores, neighbours.
#include "pure/wire/request.hpp"
#include "support/world.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace memseal::query {
namespace {

using namespace std::chrono_literals;

struct Listener final : ResultSink {
  asio::awaitable<void> stage(const StageReport&) override { co_return; }
  asio::awaitable<void> result(const Hit& hit) override {
    texts.push_back(hit.passage.text());
    questions.push_back(hit.question);
    std::string beside;
    for (const auto& passage : hit.before) beside += passage.text() + '<';
    for (const auto& passage : hit.after) beside += '>' + passage.text();
    neighbours.push_back(beside);
    co_return;
  }
  std::vector<std::string> texts, neighbours;
  std::vector<std::size_t> questions;
};

struct AskingTest : ::testing::Test {
  test::World world;
  Listener heard;
  Question asked;

  AskingTest() {
    asked.text = "where is it?";
    asked.top_k = 3;
  }
  Summary ask() {
    heard = {};
    asio::io_context loop(1);
    std::exception_ptr failure;
    Summary summary;
    runtime::RequestContext context{"req-1", runtime::Deadline::after(10s)};
    asio::co_spawn(loop, answer(world.query, context, world.tenant("ada"), asked, heard),
                   [&](std::exception_ptr thrown, Summary made) {
                     failure = thrown;
                     summary = made;
                   });
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return summary;
  }
  /// The texts of all pages, each page behind the other.
  std::vector<std::string> pages() {
    std::vector<std::string> all;
    for (int page = 0; page < 50; ++page) {
      const auto summary = ask();
      all.insert(all.end(), heard.texts.begin(), heard.texts.end());
      if (!summary.next) break;
      asked.page = summary.next;
    }
    return all;
  }
  wire::AttributeFilter conditions(const std::string& json) {
    return wire::parse_query_request(R"({"query":"q","attributes":)" + json + "}")->attributes;
  }
  /// Passages "passage 0" … with the attribute n.
  void fill_with_attributes(int count) {
    const auto owner = world.tenant("ada");
    for (int i = 0; i < count; ++i)
      world.search.rows[owner].push_back(
          world.sealed(owner, i, "passage " + std::to_string(i),
                       R"({"attributes":{"n":)" + std::to_string(i) + "}}"));
  }
};

TEST_F(AskingTest, PagesHoldEveryPassageOnceRankedOrNot) {
  world.fill("ada", 40);
  for (const bool rerank : {false, true}) {
    asked.rerank = rerank;
    asked.page.reset();
    asked.candidates = 10;
    const auto all = pages();
    EXPECT_EQ(all.size(), 40u);
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 40u);
    if (!rerank) {
      EXPECT_EQ(all.front(), "passage 0");
      EXPECT_EQ(all.back(), "passage 39");
    } else {
      EXPECT_EQ(all.front(), "passage 9") << "the best of the first ten candidates";
      EXPECT_EQ(all[3], "passage 6") << "the best of those that were left and of three more";
    }
  }
}

TEST_F(AskingTest, ALastPageHasNoNext) {
  world.fill("ada", 3);
  EXPECT_FALSE(ask().next);
  asked.top_k = 2;
  EXPECT_TRUE(ask().next);
}

TEST_F(AskingTest, AttributesAreJudgedUntilThePageIsFull) {
  fill_with_attributes(700);
  asked.rerank = false;
  asked.candidates = 5;
  asked.attributes = conditions(R"({"n":{"in":[3,255,256,600,601,699]}})");
  const auto first = ask();
  EXPECT_EQ(heard.texts, (std::vector<std::string>{"passage 3", "passage 255", "passage 256"}));
  EXPECT_TRUE(first.complete);
  ASSERT_TRUE(first.next);
  asked.page = first.next;
  const auto second = ask();
  EXPECT_EQ(heard.texts, (std::vector<std::string>{"passage 600", "passage 601", "passage 699"}));
  EXPECT_FALSE(second.next);
  asked.page.reset();
  asked.attributes = conditions(R"({"n":{"gt":700}})");
  EXPECT_EQ(ask().count, 0u);
  asked.attributes = conditions(R"({"missing":{"ne":1}})");
  EXPECT_EQ(ask().count, 3u) << "a passage without the attribute differs from every value";
}

TEST_F(AskingTest, ResultsBelowTheLeastScoreAreLeftOut) {
  world.fill("ada", 40);
  asked.rerank = false;
  asked.min_score = 0.985f;  // The cosine of passage i is 1 - i / 100.
  auto summary = ask();
  EXPECT_EQ(heard.texts, (std::vector<std::string>{"passage 0", "passage 1"}));
  EXPECT_FALSE(summary.next) << "what follows is farther away";
  asked.rerank = true;
  asked.min_score = 1 / (1 + std::exp(-8.5f));  // The logit of a passage is its last digit.
  summary = ask();
  EXPECT_EQ(heard.texts, (std::vector<std::string>{"passage 9", "passage 19"}));
  EXPECT_TRUE(summary.next) << "a passage farther away may rank higher";
}

TEST_F(AskingTest, SeveralQuestionsAreAnsweredAtOnce) {
  world.fill("ada", 10);
  asked.further = {"and when?", "who?"};
  const auto summary = ask();
  EXPECT_EQ(world.embedder.asked, (std::vector<std::string>{"where is it?", "and when?", "who?"}));
  EXPECT_EQ(world.search.searches, 3);
  EXPECT_EQ(summary.count, 3u);
  EXPECT_EQ(summary.opened, 10u) << "what all of them find counts once";
  EXPECT_EQ(heard.questions, (std::vector<std::size_t>{0, 0, 0}));
  EXPECT_FALSE(summary.next);
}

TEST_F(AskingTest, NeighboursComeAlongWhereAsked) {
  world.fill("ada", 10);
  asked.rerank = false;
  asked.expand = 1;
  ask();
  EXPECT_EQ(heard.neighbours, (std::vector<std::string>{">passage 1", "passage 0<>passage 2",
                                                        "passage 1<>passage 3"}));
  asked.expand = 0;
  ask();
  EXPECT_EQ(heard.neighbours, (std::vector<std::string>{"", "", ""}));
}

TEST_F(AskingTest, ATurnIsRankedWithWhatWasSaidBeforeIt) {
  const auto owner = world.tenant("ada");
  const std::string meta = R"({"turn":{"id":"m","role":"user","window":"Tea? "}})";
  world.search.rows[owner].push_back(world.sealed(owner, 0, "Yes.", meta));
  std::vector<std::string> read;
  world.reranker.answers = [&](const std::vector<std::string>& passages) {
    read = passages;
    return std::vector<float>{1};
  };
  ask();
  EXPECT_EQ(read, std::vector<std::string>{"Tea? Yes."});
  EXPECT_EQ(heard.texts, std::vector<std::string>{"Yes."});
}

}  // namespace
}  // namespace memseal::query
