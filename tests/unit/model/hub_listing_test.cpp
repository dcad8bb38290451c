#include "adapters/model/hub/listing.hpp"

#include <gtest/gtest.h>

namespace memseal::model {
namespace {

const std::string commit(40, 'a'), digest(64, 'b');

std::string listing_of(const std::string& files) {
  return R"({"id":"a/b","sha":")" + commit + R"(","siblings":[)" + files + "]}";
}

TEST(HubListing, TakesWhatMemsealReadsAndNothingElse) {
  const auto listing = parse_hub_listing(
      listing_of(R"({"rfilename":"model.safetensors"},{"rfilename":"pytorch_model.bin"},)"
                 R"({"rfilename":"vocab.txt"},{"rfilename":"../../etc/passwd"},)"
                 R"({"rfilename":"config.json","size":3},{"rfilename":7},5)"));
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_EQ(listing->revision, commit);
  EXPECT_EQ(listing->files,
            (std::vector<std::string>{"config.json", "vocab.txt", "model.safetensors"}));
}

TEST(HubListing, SaysWhatIsMissing) {
  const std::string both = R"({"rfilename":"config.json"},{"rfilename":"model.safetensors"})";
  const std::pair<std::string, std::string> cases[]{
      {"", "is no JSON"},
      {"[]", "is no JSON object"},
      {"{}", "names no commit"},
      {R"({"sha":"main","siblings":[]})", "names no commit"},
      {R"({"sha":")" + commit + "\"}", "lists no files"},
      {listing_of(R"({"rfilename":"config.json"})"), "no model.safetensors"},
      {listing_of(both), "neither vocab.txt nor tokenizer.json"}};
  for (const auto& [text, why] : cases) {
    const auto listing = parse_hub_listing(text);
    ASSERT_FALSE(listing) << text;
    EXPECT_NE(listing.error().message.find(why), std::string::npos) << listing.error().message;
  }
}

TEST(HubListing, ReadsWhichPartOfAFileComes) {
  using Range = ContentRange;
  EXPECT_EQ(parse_content_range("bytes 5-9/10"), (Range{5, 10}));
  EXPECT_EQ(parse_content_range("bytes 0-9/*"), (Range{0, {}}));
  EXPECT_EQ(parse_content_range("bytes */10"), (Range{{}, 10}));
  for (const char* const bad : {"", "bytes", "bytes ", "5-9/10", "bytes=5-9/10", "bytes 5-9",
                                "bytes x-9/", "bytes -9/+10", "bytes /99999999999999999999"})
    EXPECT_EQ(parse_content_range(bad), Range{}) << bad;
}

TEST(HubListing, ANameIsAnOwnersOrAKnownOne) {
  EXPECT_EQ(repository_of("ms-marco-TinyBERT-L2-v2"), "cross-encoder/ms-marco-TinyBERT-L2-v2");
  EXPECT_EQ(repository_of("me/my.model_1"), "me/my.model_1");
  for (const char* const bad :
       {"", "unknown", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/b c", "a/b?x", "./models"})
    EXPECT_FALSE(repository_of(bad)) << bad;
}

TEST(ModelLock, ComesBackAsItWasWritten) {
  const ModelLock lock{"a/b", commit, {{"config.json", digest, 3}, {"vocab.txt", digest, 0}}};
  EXPECT_EQ(parse_model_lock(to_json(lock)).value(), lock);
  EXPECT_EQ(lock.find("vocab.txt")->bytes, 0u);
  EXPECT_EQ(lock.find("tokenizer.json"), nullptr);
}

TEST(ModelLock, RefusesWhatCouldNameAnotherFile) {
  const auto with = [](const std::string& file) {
    return R"({"repository":"a/b","revision":")" + commit + R"(","files":[)" + file + "]}";
  };
  const auto one = R"({"name":"config.json","sha256":")" + digest + R"(","bytes":3})";
  EXPECT_TRUE(parse_model_lock(with(one)));
  for (const std::string& bad :
       {std::string("x"), std::string("{}"), with("1"), with(one + "," + one),
        with(R"({"name":"../x","sha256":")" + digest + R"(","bytes":3})"),
        with(R"({"name":"config.json","sha256":"b","bytes":3})"),
        with(R"({"name":"config.json","sha256":")" + digest + R"(","bytes":-1})"),
        R"({"repository":"b","revision":")" + commit + R"(","files":[]})"})
    EXPECT_FALSE(parse_model_lock(bad)) << bad;
}

}  // namespace
}  // namespace memseal::model
