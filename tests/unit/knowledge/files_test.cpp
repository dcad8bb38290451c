#include "cases/knowledge/file_text.hpp"
#include "fakes/text_extractor.hpp"
#include "support.hpp"

namespace memseal::knowledge {
namespace {

TEST_F(KnowledgeTest, AFileIsReadAsItWasSent) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(3'000'000);
    const auto taken = co_await t.upload(bytes, "report.pdf");
    EXPECT_TRUE(taken && taken->is_new);
    EXPECT_EQ(taken->file.facts.name, "report.pdf");
    EXPECT_EQ(taken->file.bytes, 3'000'000);
    const auto whole = co_await t.read(taken->file.id, 0, 3'000'000);
    EXPECT_EQ(whole, bytes);
    for (const std::uint64_t from : {0u, 1u, 65'535u, 65'536u, 1'999'999u, 2'999'999u}) {
      const auto to = std::min<std::uint64_t>(from + 70'000, 3'000'000);
      const auto part = co_await t.read(taken->file.id, from, to);
      EXPECT_EQ(part, Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                            bytes.begin() + static_cast<std::ptrdiff_t>(to)));
    }
    // The parts that wait do not grow with the file.
    EXPECT_LT(t.store.part_bytes_max, 1'300'000u);
    EXPECT_EQ(t.store.open, 0);
  }(*this));
}

// A text that an event refers to is the document that it would be inside the event.
TEST_F(KnowledgeTest, ATextThatLooksLikeADocumentCanBeTakenAsItIs) {
  fakes::TextExtractor extractor([](const std::string&) -> Result<ports::ExtractedText> {
    return ports::ExtractedText{.text = "extracted"};
  });
  deps.extractor = &extractor;
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const std::string header = "<header>The tide</header>", mail = "From: me\nto you, with love",
                      pdf = "# What %PDF-1.7 means";
    FileTexts texts(t.deps);
    for (const auto& text : {header, mail, pdf, std::string("%PDF-1.7"), std::string("caf\xe9")}) {
      const bool is_text = text == header || text == mail || text == pdf;
      const auto taken = co_await t.upload(Bytes(text.begin(), text.end()), "a text");
      for (const bool as_it_is : {true, false}) {
        const auto found =
            co_await texts.text_of(t.context, t.tenant(), taken->file.id, 1'000, as_it_is);
        EXPECT_TRUE(found);
        if (found) EXPECT_EQ(found->text, as_it_is && is_text ? text : "extracted");
      }
    }
  }(*this));
}

TEST_F(KnowledgeTest, AnEmptyFileIsOneToo) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(0), "empty");
    EXPECT_TRUE(taken);
    auto reading = co_await Reading::begin(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(reading);
    EXPECT_EQ((*reading)->file().bytes, 0);
  }(*this));
}

TEST_F(KnowledgeTest, NameAndContentAreNowhereInTheClear) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const std::string canary = "CANARY-report";
    Bytes bytes;
    for (int i = 0; i < 10'000; ++i) bytes.insert(bytes.end(), canary.begin(), canary.end());
    UploadRequest asked{{canary, "text/x-" + canary, {canary}}};
    co_await t.upload(bytes, std::move(asked));
    const auto has = [&canary](const Bytes& in) {
      return std::string(in.begin(), in.end()).find(canary) != std::string::npos;
    };
    for (const auto& [name, object] : t.store.objects) EXPECT_FALSE(has(object.bytes));
    for (const auto& row : t.catalog.of[t.tenant()]) {
      EXPECT_FALSE(has(row.facts_cipher));
      EXPECT_EQ(row.tag_macs.size(), 1u);
    }
  }(*this));
}

TEST_F(KnowledgeTest, TheSameContentUnderTheSameNameIsTheFileThatIsThere) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto first = co_await t.upload(content(1'000), "a");
    const auto again = co_await t.upload(content(1'000), "a");
    const auto renamed = co_await t.upload(content(1'000), "b");
    const auto changed = co_await t.upload(content(1'000, 4), "a");
    EXPECT_EQ(first->file.id, again->file.id);
    EXPECT_FALSE(again->is_new);
    EXPECT_TRUE(renamed->is_new && changed->is_new);
    EXPECT_EQ(t.store.objects.size(), 3u);
  }(*this));
}

TEST_F(KnowledgeTest, OfAnotherUserIsNoFile) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    const auto id = taken->file.id;
    const auto found = co_await find_file(t.deps, t.context, t.tenant("bob"), id);
    const auto reading = co_await Reading::begin(t.deps, t.context, t.tenant("bob"), id);
    const auto removed = co_await remove_file(t.deps, t.context, t.tenant("bob"), id);
    FileQuery query;
    const auto page = co_await t.page_of(t.tenant("bob"), std::move(query));
    EXPECT_FALSE(found || reading || removed || !page.files.empty());
  }(*this));
}

TEST_F(KnowledgeTest, ARemovedFileIsGoneWithItsObject) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    const auto removed = co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    const auto again = co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(removed);
    EXPECT_FALSE(again);
    EXPECT_TRUE(t.store.objects.empty());
  }(*this));
}

TEST_F(KnowledgeTest, PagesHoldEveryFileOnce) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    for (int i = 0; i < 7; ++i) co_await t.upload(content(10), "file" + std::to_string(i));
    std::vector<std::string> names;
    FileQuery query{.files_max = 3};
    do {
      auto page = co_await t.page_of(t.tenant(), query);
      EXPECT_LE(page.files.size(), 3u);
      for (const auto& file : page.files) names.push_back(file.facts.name);
      query.after = page.next;
    } while (query.after);
    EXPECT_EQ(names, (std::vector<std::string>{"file6", "file5", "file4", "file3", "file2", "file1",
                                               "file0"}));
  }(*this));
}

TEST_F(KnowledgeTest, WhatHasNoRoomIsRefusedAndLeavesNothing) {
  deps.limits = {.file_bytes_max = 1'000, .quota = {2'500, 3}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto announced = co_await t.upload(content(10), "a", 1'001);
    const auto sent = co_await t.upload(content(1'001), "a");
    EXPECT_EQ(announced.error().code, Errc::payload_too_large);
    EXPECT_EQ(sent.error().message, "a file has at most 1000 bytes");
    co_await t.upload(content(1'000), "a");
    co_await t.upload(content(1'000), "b");
    const auto over = co_await t.upload(content(501), "c");
    EXPECT_EQ(over.error().message,
              "the file does not fit your quota: 500 bytes and 1 files are left; delete files to "
              "make room");
    const auto last = co_await t.upload(content(500), "c");
    EXPECT_TRUE(last);
    const auto one_more = co_await t.upload(content(0), "d");
    EXPECT_EQ(one_more.error().code, Errc::payload_too_large);
    EXPECT_EQ(t.store.objects.size(), 3u);
    EXPECT_EQ(t.store.open, 0);
  }(*this));
}

// The other upload is one of another process, which this one does not count.
TEST_F(KnowledgeTest, TheQuotaHoldsForUploadsAtOneTime) {
  deps.limits = {.file_bytes_max = 1'000, .quota = {1'500, 10}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(1'000);
    auto first = co_await Intake::begin(t.deps, t.context, t.tenant(), request("a"));
    Transfers others;
    KnowledgeDeps elsewhere{t.store, t.catalog,   t.keys,    t.hasher,
                            others,  t.downloads, t.metrics, t.deps.limits};
    auto second = co_await Intake::begin(elsewhere, t.context, t.tenant(), request("b"));
    co_await (*first)->take(t.context, bytes);
    co_await (*second)->take(t.context, bytes);
    const auto added = co_await (*first)->finish(t.context);
    const auto refused = co_await (*second)->finish(t.context);
    EXPECT_TRUE(added);
    EXPECT_EQ(refused.error().code, Errc::payload_too_large);
    EXPECT_EQ(t.store.objects.size(), 1u);
  }(*this));
}

TEST_F(KnowledgeTest, WhatIsUnderWayCountsAgainstTheQuotaToo) {
  deps.limits = {.file_bytes_max = 1'000, .quota = {1'500, 10}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto bytes = content(800);
    auto first = co_await Intake::begin(t.deps, t.context, t.tenant(), request("a"));
    auto second = co_await Intake::begin(t.deps, t.context, t.tenant(), request("b"));
    auto others = co_await Intake::begin(t.deps, t.context, t.tenant("bob"), request("b"));
    const auto one = co_await (*first)->take(t.context, bytes);
    const auto two = co_await (*second)->take(t.context, bytes);
    const auto bobs = co_await (*others)->take(t.context, bytes);
    EXPECT_TRUE(one);
    EXPECT_EQ(two.error().code, Errc::payload_too_large);
    EXPECT_TRUE(bobs);
    second->reset();
    auto third = co_await Intake::begin(t.deps, t.context, t.tenant(), request("c"));
    const auto three = co_await (*third)->take(t.context, content(700));
    EXPECT_TRUE(three) << "what has ended counts no longer";
  }(*this));
}

TEST_F(KnowledgeTest, OneUserHasFewUploadsAtOneTime) {
  deps.limits.uploads_max = 2;
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    auto first = co_await Intake::begin(t.deps, t.context, t.tenant(), request("a"));
    auto second = co_await Intake::begin(t.deps, t.context, t.tenant(), request("b"));
    const auto third = co_await Intake::begin(t.deps, t.context, t.tenant(), request("c"));
    EXPECT_EQ(third.error().code, Errc::rate_limited);
    const auto others = co_await Intake::begin(t.deps, t.context, t.tenant("bob"), request("c"));
    EXPECT_TRUE(others);
    first->reset();
    const auto again = co_await Intake::begin(t.deps, t.context, t.tenant(), request("c"));
    EXPECT_TRUE(again);
  }(*this));
}

TEST_F(KnowledgeTest, AnUploadThatFailedTakesNothingMore) {
  deps.limits = {.file_bytes_max = 1'000, .quota = {5'000, 10}};
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    auto intake = co_await Intake::begin(t.deps, t.context, t.tenant(), request("a"));
    const auto refused = co_await (*intake)->take(t.context, content(1'001));
    EXPECT_FALSE(refused);
    const auto taken = co_await (*intake)->take(t.context, content(10));
    EXPECT_EQ(taken.error().code, Errc::internal);
    const auto finished = co_await (*intake)->finish(t.context);
    EXPECT_EQ(finished.error().code, Errc::internal);
    EXPECT_TRUE(t.store.objects.empty() && t.catalog.of[t.tenant()].empty());
    auto whole = co_await Intake::begin(t.deps, t.context, t.tenant(), request("b"));
    const auto first = co_await (*whole)->finish(t.context);
    const auto second = co_await (*whole)->finish(t.context);
    EXPECT_TRUE(first);
    EXPECT_FALSE(second);
  }(*this));
}

TEST_F(KnowledgeTest, ADamagedOrMissingObjectIsAnErrorBeforeTheFirstByte) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(100'000), "a");
    auto& object = t.store.objects.begin()->second.bytes;
    object.back() ^= 1;
    const auto flipped = co_await t.code_of_reading(taken->file.id);
    object.back() ^= 1;
    object.resize(object.size() - 1);
    const auto cut = co_await t.code_of_reading(taken->file.id);
    t.store.objects.clear();
    const auto missing = co_await t.code_of_reading(taken->file.id);
    EXPECT_EQ(flipped, Errc::open_failed);
    EXPECT_EQ(cut, Errc::open_failed);
    EXPECT_EQ(missing, Errc::open_failed);
  }(*this));
}

TEST_F(KnowledgeTest, AFileIsGoneForItsOwnerAlsoWhereTheStoreFails) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    const auto taken = co_await t.upload(content(10), "a");
    t.store.full = true;
    const auto removed = co_await remove_file(t.deps, t.context, t.tenant(), taken->file.id);
    const auto found = co_await find_file(t.deps, t.context, t.tenant(), taken->file.id);
    EXPECT_TRUE(removed);
    EXPECT_FALSE(found);
  }(*this));
}

TEST_F(KnowledgeTest, AListMayHaveOneTagOrOneTimeAlone) {
  run([](KnowledgeTest& t) -> asio::awaitable<void> {
    for (const std::string name : {"a", "b", "c"}) {
      UploadRequest asked{{name, "text/plain", {"all", "only-" + name}}};
      co_await t.upload(content(10), std::move(asked));
      t.catalog.clock_us += 10'000'000;
    }
    const auto names = [](const FilePage& page) {
      std::string all;
      for (const auto& file : page.files) all += file.facts.name;
      return all;
    };
    FileQuery every{.tags = {"all"}}, one{.tags = {"all", "only-b"}}, none{.tags = {"other"}};
    const auto of_every = co_await t.page_of(t.tenant(), every);
    const auto of_one = co_await t.page_of(t.tenant(), one);
    const auto of_none = co_await t.page_of(t.tenant(), none);
    EXPECT_EQ(names(of_every) + "|" + names(of_one) + "|" + names(of_none), "cba|b|");
    FileQuery times;
    times.from_ms = 1'700'000'005'000;
    times.until_ms = 1'700'000'015'000;
    const auto between = co_await t.page_of(t.tenant(), times);
    EXPECT_EQ(names(between), "b");
  }(*this));
}

}  // namespace
}  // namespace memseal::knowledge
