// What becomes a document, and by which name.
#include "app/cli/document_text.hpp"
#include "app/cli/publish_inputs.hpp"
#include "base/limits.hpp"
#include "support/temp_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

namespace memseal::app {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

/// A folder that is the working directory while it lives.
class PublishInputs : public testing::Test {
 protected:
  PublishInputs() {
    fs::current_path(folder);
  }
  ~PublishInputs() override { fs::current_path(before); }
  void write(const std::string& path, const std::string& bytes) {
    const auto place = folder / path;
    fs::create_directories(place.parent_path());
    std::ofstream(place, std::ios::binary) << bytes;
  }
  static std::vector<std::string> ids(const Inputs& inputs) {
    std::vector<std::string> ids;
    for (const auto& document : inputs.documents) ids.push_back(document.doc_id.value());
    return ids;
  }
  static std::string refusal(const Inputs& inputs) {
    return inputs.refused.size() == 1 ? inputs.refused[0].message : "";
  }

  const fs::path before = fs::current_path();
  const test::TempDirectory directory;
  const fs::path folder = fs::canonical(directory.path());
};

TEST_F(PublishInputs, EverySpellingOfAPathIsOneDocument) {
  write("gym.md", "I train on Mondays.");
  write("a/b.txt", "b");
  fs::create_directory_symlink(folder, folder / "link");
  for (const auto& path : {"gym.md"s, "./gym.md"s, "a/../gym.md"s, (folder / "gym.md").string(),
                           (folder / "link/gym.md").string()})
    EXPECT_EQ(document_path(path), "gym.md") << path;
  EXPECT_EQ(document_path("a//b.txt"), "a/b.txt");
  EXPECT_EQ(document_path("/etc/hostname"), "/etc/hostname");
  fs::current_path(folder / "a");
  EXPECT_EQ(document_path("../gym.md"), (folder / "gym.md").string());
  fs::current_path(folder);
  const auto inputs = read_inputs({"gym.md", "./gym.md", (folder / "gym.md").string()}, "");
  EXPECT_TRUE(inputs.refused.empty());
  EXPECT_THAT(ids(inputs), testing::ElementsAre("gym.md"));
  EXPECT_EQ(inputs.documents[0].name, "gym.md");
}

TEST_F(PublishInputs, ADirectoryStandsForTheTextBelowIt) {
  write("notes/b.md", "b");
  write("notes/a.txt", "a");
  write("notes/deep/er/c", "c");
  write("notes/.git/config", "hidden");
  write("notes/.hidden", "hidden");
  write("notes/paper.pdf", "%PDF-1.7 text");
  write("notes/empty.txt", "");
  const auto inputs = read_inputs({"notes"}, "");
  EXPECT_TRUE(inputs.refused.empty());
  EXPECT_THAT(ids(inputs),
              testing::ElementsAre("notes/a.txt", "notes/b.md", "notes/deep/er/c"));
  EXPECT_EQ(inputs.hidden, 2u);
  ASSERT_EQ(inputs.skipped.size(), 2u);
  EXPECT_EQ(inputs.skipped[0].path, "notes/empty.txt");
  EXPECT_THAT(inputs.skipped[0].why, testing::StartsWith("is empty"));
  EXPECT_THAT(inputs.skipped[1].why, testing::StartsWith("is a PDF"));
}

TEST_F(PublishInputs, ADirectoryWithoutTextIsRefused) {
  write("photos/a.png", "\x89PNG\r\n");
  EXPECT_EQ(refusal(read_inputs({"photos"}, "")), "photos holds no text file");
  EXPECT_THAT(refusal(read_inputs({"photos"}, "id")), testing::HasSubstr("--doc-id"));
}

TEST_F(PublishInputs, WhatIsNamedAndIsNoTextIsRefusedByWhatItIs) {
  const std::pair<std::string, std::string> cases[] = {
      {"%PDF-1.4\n1 0 obj", "is a PDF, not text"},
      {"PK\x03\x04rest", "is a ZIP archive or an office document, not text"},
      {"\x7f" "ELF\x02\x01"s + "\0\0"s, "is a program, not text"},
      {"\x01\x02\0\xff"s, "is binary, not text"},
      {"a\0b\0"s, "holds zero bytes: it is binary, or UTF-16 without a byte order mark"},
      {"\x9elu\x9dou\xe8k\xfd", "is not UTF-8: convert it first"},
      {"", "is empty: there is nothing to remember"},
      {" \n\t\xc2\xa0\xe3\x80\x80", "holds only white space"},
      {"\xef\xbb\xbf \n", "holds only white space"},
      {"<!DOCTYPE html><p>x", "is a page of HTML, not text"},
      {"\xef\xbb\xbf\n<?xml version='1.0'?><!-- a --> <HTML>", "is a page of HTML, not text"},
      {"\xff\xfe<\0h\0t\0m\0l\0>\0"s, "is a page of HTML, not text"}};
  for (const auto& [bytes, why] : cases) {
    write("x", bytes);
    EXPECT_THAT(refusal(read_inputs({"x"}, "")), testing::StartsWith("x " + why));
  }
}

TEST_F(PublishInputs, EveryFaultOfACallIsNamed) {
  write("good.txt", "good");
  write("empty.txt", "");
  const auto inputs = read_inputs({"missing", "good.txt", "empty.txt"}, "");
  ASSERT_EQ(inputs.refused.size(), 2u);
  EXPECT_EQ(inputs.refused[0].message, "cannot read missing: No such file or directory");
  EXPECT_THAT(inputs.refused[1].message, testing::StartsWith("empty.txt is empty"));
}

TEST_F(PublishInputs, AFileThatIsNamedAndFoundIsNamed) {
  write("docs/a.md", "a");
  for (const std::vector<std::string>& paths :
       {std::vector{"docs"s, "docs/a.md"s}, std::vector{"docs/a.md"s, "docs"s}}) {
    const auto inputs = read_inputs(paths, "");
    EXPECT_TRUE(inputs.refused.empty()) << refusal(inputs);
    ASSERT_EQ(inputs.documents.size(), 1u);
    EXPECT_FALSE(inputs.documents[0].walked) << "a fault refuses the call";
  }
}

TEST_F(PublishInputs, NamesTheDirectoriesThatItPassesOver) {
  write("notes/a.md", "a");
  write("elsewhere/b.md", "b");
  write("notes/locked/c.md", "c");
  write("shut/d.md", "d");
  fs::create_directory_symlink(folder / "elsewhere", folder / "notes/link");
  for (const auto* locked : {"notes/locked", "shut"})
    fs::permissions(folder / locked, fs::perms::none);
  fs::permissions(folder, fs::perms(0755));
  const bool root = geteuid() == 0;  // Root may read everything, so another user looks.
  if (root) {
    ASSERT_EQ(seteuid(65'534), 0);
  }
  const auto inputs = read_inputs({"notes"}, "");
  const auto shut = read_inputs({"shut"}, "");
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  for (const auto* locked : {"notes/locked", "shut"})
    fs::permissions(folder / locked, fs::perms::owner_all);
  EXPECT_TRUE(inputs.refused.empty());
  EXPECT_THAT(ids(inputs), testing::ElementsAre("notes/a.md"));
  std::map<std::string, std::string> skipped;
  for (const auto& [path, why] : inputs.skipped) skipped[path] = why;
  EXPECT_THAT(skipped, testing::ElementsAre(
                           testing::Pair("notes/link", "is a link to a directory"),
                           testing::Pair("notes/locked", "cannot be read: Permission denied")));
  EXPECT_EQ(refusal(shut), "shut cannot be read: Permission denied");
}

TEST_F(PublishInputs, AnIdNamesAFileWhoseNameIsUnfit) {
  for (const auto& name : {"a\nb.md"s, "a\xff.md"s}) {
    write(name, "text");
    EXPECT_THAT(refusal(read_inputs({name}, "")), testing::HasSubstr("--doc-id"));
    const auto inputs = read_inputs({name}, "x");
    ASSERT_EQ(inputs.documents.size(), 1u) << refusal(inputs);
    EXPECT_EQ(inputs.documents[0].name, "x");
  }
}

/// Writes `text` to the pipe `path` after `pause` with the pipe open.
std::thread write_late(const std::string& path, std::chrono::milliseconds pause,
                       std::string text) {
  return std::thread([=] {
    std::ofstream out(path);
    std::this_thread::sleep_for(pause);
    out << text;
  });
}

TEST_F(PublishInputs, APipeIsReadAsLongAsSomebodyWritesIt) {
  for (const auto* name : {"slow", "silent"}) ASSERT_EQ(mkfifo(name, 0600), 0);
  auto writer = write_late("slow", std::chrono::milliseconds(5'500), "late");
  const auto began = std::chrono::steady_clock::now();
  std::string silent;
  std::thread beside([&] { silent = refusal(read_inputs({"silent"}, "")); });
  const auto inputs = read_inputs({"slow"}, "");
  writer.join();
  beside.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
  EXPECT_EQ(silent, "cannot read silent: nothing writes to this pipe");
  ASSERT_EQ(inputs.documents.size(), 1u) << refusal(inputs);
  EXPECT_EQ(inputs.documents[0].text, "late");
}

TEST_F(PublishInputs, StandardInputWantsAName) {
  EXPECT_EQ(refusal(read_inputs({"-"}, "")),
            "standard input has no name: give the document one with --doc-id");
}

TEST_F(PublishInputs, ALargeFileIsRefusedWithItsSizeAndTheLimit) {
  write("large.txt", "x");
  fs::resize_file("large.txt", 1ull << 40);
  EXPECT_EQ(refusal(read_inputs({"large.txt"}, "")),
            "large.txt has 1099511627776 bytes, and a document has at most " +
                std::to_string(limits::referenced_text_bytes_max) +
                " bytes of text: split the file");
}

TEST(DocumentText, WhatOnlyResemblesHtmlIsText) {
  for (const auto& text : {"<!-- a note"s, "<p>x</p>"s, "<?xml version='1.0'?><a/>"s, "<"s,
                           "# About <html>"s, "<!-- a --> b"s})
    EXPECT_EQ(document_text(text).value(), text);
}

TEST(DocumentText, ByteOrderMarksGoAndUtf16IsDecoded) {
  EXPECT_EQ(document_text("\xef\xbb\xbfsalt").value(), "salt");
  EXPECT_EQ(document_text("\xff\xfes\0a\0l\0t\0"s).value(), "salt");
  EXPECT_EQ(document_text("\xfe\xff\0s\0a\0l\0t"s).value(), "salt");
  EXPECT_EQ(document_text("plain").value(), "plain");
  EXPECT_FALSE(document_text("\xff\xfes\0a"s)) << "half of a code unit";
}

}  // namespace
}  // namespace memseal::app
