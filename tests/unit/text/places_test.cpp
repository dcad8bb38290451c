#include "pure/text/places.hpp"
#include "vocabulary_file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace memseal::text {
namespace {

/// Chunks that begin where `begins` says, each up to the next or the end.
std::vector<Chunk> cut_at(const std::string& document, std::vector<std::size_t> begins) {
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const auto end = i + 1 < begins.size() ? begins[i + 1] : document.size();
    chunks.push_back({.text = document.substr(begins[i], end - begins[i]),
                      .tokens = {},
                      .byte_start = begins[i]});
  }
  return chunks;
}

std::vector<std::string> headings(const std::string& document, std::vector<std::size_t> begins) {
  std::vector<std::string> found;
  const auto chunks = cut_at(document, std::move(begins));
  for (const auto& place : places_of(document, {.has_headings = true}, chunks))
    found.push_back(place.heading);
  return found;
}

std::string heading_of(const std::string& document) {
  const auto found = headings(document, {0});
  return found.empty() ? "none" : found[0];
}

using Strings = std::vector<std::string>;

TEST(Places, AHeadingHoldsWhatFollowsUntilOneOfItsLevel) {
  const std::string a = "# Keys\nabout keys\n", b = "## Rotation\nturn them\n",
                    c = "### Often\neach day\n", d = "## Loss\nno way back\n", e = "# Files\nx\n";
  const auto document = a + b + c + d + e;
  EXPECT_EQ(headings(document, {0, a.size(), a.size() + b.size(), a.size() + b.size() + c.size(),
                                document.size() - e.size()}),
            (Strings{"Keys", "Keys > Rotation", "Keys > Rotation > Often", "Keys > Loss",
                     "Files"}));
}

TEST(Places, ThePassageIsWhereMostOfItStands) {
  const std::string tail = "end of it\n", rest = "## Next\nand this is much longer than the tail\n";
  EXPECT_EQ(headings("# One\n" + tail + rest, {6}), (Strings{"One > Next"}));
  EXPECT_EQ(headings("a long beginning without any heading\n# One\nx", {0}), (Strings{""}));
  EXPECT_EQ(headings("#### Deep\nx\n# Top\nyyyyyyyyyyy\n", {0, 12}),
            (Strings{"Deep", "Top"}));
}

TEST(Places, AHeadingIsWhatCommonMarkSays) {
  EXPECT_EQ(heading_of("# Closed ##\ntext"), "Closed");
  EXPECT_EQ(heading_of("   ###   Spaces  \r\ntext"), "Spaces");
  EXPECT_EQ(heading_of("# C#\ntext"), "C#");
  EXPECT_EQ(heading_of("#\ntext"), "");
  EXPECT_EQ(heading_of("#hashtag\ntext"), "none");
  EXPECT_EQ(heading_of("####### Seven\ntext"), "none");
  EXPECT_EQ(heading_of("    # Code\ntext"), "none");
  EXPECT_EQ(heading_of("```sh\n# a comment\n```\ntext"), "none");
  EXPECT_EQ(heading_of("~~~~\n# a comment\n~~~\n# still code\n~~~~\n# Out\n"
                       "much more text here, more than the code above"),
            "Out");
  EXPECT_EQ(heading_of("```a``` is code in a line\n# Heading\nlong text that follows it, long"),
            "Heading");
  EXPECT_EQ(heading_of("text"), "none");
}

TEST(Places, ALongHeadingIsCutBetweenCharacters) {
  std::string title;
  while (title.size() < 300) title += "ä";
  const auto heading = heading_of("# " + title + "\nx");
  EXPECT_LE(heading.size(), place_heading_bytes_max);
  EXPECT_TRUE(heading.ends_with("ä…"));
}

std::vector<Place> on_pages(std::vector<PageStart> pages, std::vector<std::size_t> begins) {
  const std::string document(40, 'x');
  return places_of(document, {.pages = std::move(pages)}, cut_at(document, std::move(begins)));
}

TEST(Places, PagesAreNamedByTheirLabelsElseByTheirNumbers) {
  const auto found = on_pages({{0, ""}, {10, "ii"}, {20, ""}}, {0, 10, 15, 25});
  EXPECT_EQ(found, (std::vector<Place>{{"1", "", ""}, {"ii", "", ""}, {"ii", "3", ""},
                                       {"3", "", ""}}));
}

TEST(Places, WhatStandsBeforeTheFirstPageHasNone) {
  const auto found = on_pages({{10, "a"}, {10, "b"}}, {0, 10});
  EXPECT_EQ(found, (std::vector<Place>{{}, {"b", "", ""}})) << "an empty page holds nothing";
}

TEST(Places, OnePageWithoutALabelSaysNothing) {
  EXPECT_TRUE(on_pages({{0, ""}}, {0}).at(0).empty());
  EXPECT_EQ(on_pages({{0, "Budget"}}, {0}).at(0).page, "Budget");
  EXPECT_TRUE(on_pages({}, {0}).empty());
}

TEST(Places, OfRealChunksAreThoseOfTheirText) {
  const auto words = WordPiece::from_vocabulary(
                         "[PAD]\n[UNK]\n[CLS]\n[SEP]\nalpha\nbeta\ngamma\n#\n")
                         .value();
  const std::string document = "# Alpha\n\nalpha alpha ü alpha\n\n# Beta\n\nbeta beta beta beta\n";
  const auto chunks = chunk(words, document, {.tokens = 6, .overlap = 0});
  const auto places = places_of(document, {.has_headings = true}, chunks);
  ASSERT_EQ(places.size(), chunks.size());
  ASSERT_GE(chunks.size(), 2u);
  for (const auto& piece : chunks)
    EXPECT_EQ(document.substr(piece.byte_start, piece.text.size()), piece.text);
  EXPECT_EQ(places.front().heading, "Alpha");
  EXPECT_EQ(places.back().heading, "Beta");
}

}  // namespace
}  // namespace memseal::text
