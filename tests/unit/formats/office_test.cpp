// What office documents hold beside their paragraphs: formatted numbers, charts, pictures in words.
#include <gtest/gtest.h>

#include "unit/formats/support.hpp"

#include <array>

namespace memseal::extract {
namespace {

using test::office_relations;
using test::zip_of, test::ZipParts;

/// A part of relations: {id, type, target} each.
std::pair<std::string, std::string> relations(
    const std::string& part, std::initializer_list<std::array<const char*, 3>> rows) {
  std::string text = "<Relationships>";
  for (const auto& [id, type, target] : rows)
    text += std::string("<Relationship Id='") + id + "' Type='t/" + type + "' Target='" + target +
            "'/>";
  return {part, text + "</Relationships>"};
}

std::string points(const std::string& element, const std::string& texts) {
  std::string all = "<" + element + "><x><numCache>";
  int index = 0;
  for (std::size_t at = 0; at <= texts.size(); ++index) {
    const auto end = std::min(texts.find('|', at), texts.size());
    all += "<pt idx='" + std::to_string(index) + "'><v>";
    all += texts.substr(at, end - at) + "</v></pt>";
    at = end + 1;
  }
  return all + "</numCache></x></" + element + ">";
}

const std::string chart =
    "<chartSpace><title><tx><rich><p><r><t>Tides</t></r></p></rich></tx></title>"
    "<ser>" + points("tx", "High") + points("cat", "Mon|Tue") + points("val", "3.5|4") +
    "</ser><ser>" + points("tx", "Low") + points("cat", "Mon|Tue") +
    points("val", "1|0.30000000000000004") + "</ser></chartSpace>";

TEST(Office, CellsShowDatesTimesAndPercentagesAsPeopleReadThem) {
  EXPECT_EQ(
      blocks_of(zip_of(
          {office_relations("xl/w.xml"),
           {"xl/w.xml", "<w xmlns:r='r'><workbookPr/><sheet name='Log' r:id='a'/></w>"},
           relations("xl/_rels/w.xml.rels",
                     {{"a", "worksheet", "s.xml"}, {"b", "styles", "y.xml"}}),
           {"xl/y.xml",
            "<styleSheet><numFmts><numFmt numFmtId='164' formatCode='yyyy\\-mm\\-dd hh:mm'/>"
            "</numFmts><cellStyleXfs><xf numFmtId='9'/></cellStyleXfs>"
            "<cellXfs><xf numFmtId='0'/><xf numFmtId='14'/><xf numFmtId='164'/><xf numFmtId='10'/>"
            "</cellXfs></styleSheet>"},
           {"xl/s.xml",
            "<ws><row><c r='A1' s='1'><v>45990</v></c><c r='B1' s='2'><v>45990.25</v></c>"
            "<c r='C1' s='3'><v>0.5</v></c><c r='D1' t='b'><v>1</v></c>"
            "<c r='E1' s='1' t='str'><v>45990</v></c><c r='F1' s='99'><v>45990</v></c>"
            "<c r='G1' t='e'><v>#DIV/0!</v></c></row></ws>"}})),
      "P Log\nH1 Log\nR 2025-11-29|2025-11-29 06:00|50.00%|TRUE|45990|45990|#DIV/0!\nwhole");
}

TEST(Office, ASheetTellsOfItsPicturesAndTitlesOfCharts) {
  EXPECT_EQ(
      blocks_of(zip_of(
          {office_relations("xl/w.xml"),
           {"xl/w.xml", "<w xmlns:r='r'><sheet name='Log' r:id='a'/></w>"},
           relations("xl/_rels/w.xml.rels", {{"a", "worksheet", "s.xml"}}),
           {"xl/s.xml", "<ws><row><c><v>1</v></c></row></ws>"},
           relations("xl/_rels/s.xml.rels", {{"d", "drawing", "d.xml"}}),
           {"xl/d.xml", "<wsDr><pic><cNvPr name='Picture 1' descr='A gull'/></pic></wsDr>"},
           relations("xl/_rels/d.xml.rels", {{"c", "chart", "c.xml"}}),
           {"xl/c.xml", chart}})),
      "P Log\nH1 Log\nR 1\nT A gull\nT Tides\nwhole");
}

TEST(Office, ChartsOfSlidesAreTablesOfTheirValues) {
  EXPECT_EQ(
      blocks_of(zip_of(
          {office_relations("ppt/p.xml"),
           {"ppt/p.xml", "<p:p xmlns:p='p' xmlns:r='r'><p:sldId id='256' r:id='a'/></p:p>"},
           relations("ppt/_rels/p.xml.rels", {{"a", "slide", "s.xml"}}),
           {"ppt/s.xml", "<s><pic><cNvPr descr='The pier'/></pic><sp><p><t>Sail</t></p></sp></s>"},
           relations("ppt/_rels/s.xml.rels", {{"c", "chart", "c.xml"}}),
           {"ppt/c.xml", chart}})),
      "P \nT The pier\nT Sail\nT Tides\nR -|High|Low\nR Mon|3.5|1\nR Tue|4|0.3\nwhole");
}

TEST(Office, ChartsAndPicturesOfATextStandWhereTheyAre) {
  EXPECT_EQ(
      blocks_of(zip_of(
          {office_relations("word/d.xml"),
           relations("word/_rels/d.xml.rels", {{"c", "chart", "c.xml"}, {"x", "image", "c.xml"}}),
           {"word/d.xml",
            "<d xmlns:r='r'><p><r><t>See</t><docPr descr='A gull'/><cNvPr descr='A gull'/>"
            "<t>there.</t></r></p><p><chart r:id='c'/><chart r:id='x'/><chart/></p>"
            "<p><r><t>End</t></r></p></d>"},
           {"word/c.xml", chart}})),
      "P \nT See\nA gull\nthere.\nT Tides\nR -|High|Low\nR Mon|3.5|1\nR Tue|4|0.3\nT End\nwhole");
}

TEST(Office, ChartsWithoutCategoriesOrWithDatesOrOfTheirOwnPointsAreRead) {
  const auto blocks = [](const std::string& content) {
    return blocks_of(zip_of({office_relations("word/d.xml"),
                             relations("word/_rels/d.xml.rels", {{"c", "chart", "c.xml"}}),
                             {"word/d.xml", "<d xmlns:r='r'><p><chart r:id='c'/></p></d>"},
                             {"word/c.xml", "<c>" + content + "</c>"}}));
  };
  EXPECT_EQ(blocks("<ser>" + points("val", "1|2") + "</ser>"), "P \nR -\nR 1\nR 2\nwhole");
  EXPECT_EQ(blocks("<ser>" + points("val", "1") + "</ser><ser>" + points("val", "2|7") + "</ser>"),
            "P \nR -\nR 1|2\nR -|7\nwhole");
  EXPECT_EQ(blocks("<ser><val><numCache><formatCode>General</formatCode><pt idx='0' "
                   "formatCode='0%'><v>0.5</v></pt><pt idx='1'><v>3</v></pt></numCache></val>"
                   "</ser>"),
            "P \nR -\nR 50%\nR 3\nwhole");
  EXPECT_EQ(blocks("<ser><tx><v>Way</v></tx><xVal><numCache><formatCode>m/d/yyyy</formatCode>"
                   "<pt idx='7'><v>45990</v></pt></numCache></xVal><yVal><numCache>"
                   "<formatCode>0%</formatCode><pt idx='7'><v>0.5</v></pt></numCache></yVal>"
                   "</ser>"),
            "P \nR -|Way\nR 2025-11-29|50%\nwhole");
  EXPECT_EQ(blocks("<ser>" + points("cat", "a") + points("val", "1") + "</ser><ser>" +
                   points("cat", "b") + points("val", "2") + "</ser>"),
            "P \nR -\nR a|1\nR -\nR b|2\nwhole");
  // Nested and unfinished ones of a hostile file.
  EXPECT_EQ(blocks("<ser><val><ser><val><pt idx='-4'><v>1</v></pt></val></ser><v>2</v></val>"
                   "</ser>"),
            "P \nR -\nR -|1\nwhole");
  EXPECT_EQ(blocks("<v>1</v><pt/><ser/>"), "P \nR -\nwhole");
  std::string wide, deep;
  for (int i = 0; i < 500; ++i) wide += "<ser>" + points("val", "1") + "</ser>";
  for (int i = 0; i < 500; ++i) deep += "|" + std::to_string(i);
  EXPECT_EQ(blocks(wide + "<ser>" + points("val", deep) + "</ser>"),
            "P \nW chart: too many cells\ndamaged");
}

TEST(Office, ObjectsAndPicturesOfOpenDocumentsAreRead) {
  EXPECT_EQ(blocks_of(zip_of(
                {{"mimetype", "application/vnd.oasis.opendocument.presentation"},
                 {"content.xml",
                  "<o xmlns:x='x'><page name='One'><frame><title>Gull</title><desc>A bird</desc>"
                  "</frame><object x:href='./Object 1'/><object x:href='./Object 1'/>"
                  "<object x:href='.'/></page></o>"},
                 {"Object 1/content.xml",
                  "<o xmlns:x='x'><title><p>Tides</p></title><object x:href='./Object 1'/>"
                  "<table><table-row><table-cell><p>Mon</p></table-cell><table-cell><p>3.5</p>"
                  "</table-cell></table-row></table></o>"}})),
            "P One\nT Gull\nT A bird\nT Tides\nR Mon|3.5\nwhole");
  EXPECT_EQ(blocks_of(zip_of({{"mimetype", "application/vnd.oasis.opendocument.text"},
                              {"content.xml",
                               "<o><p>See<frame><title>Gull</title><desc>A bird</desc></frame>"
                               "there: <title>Log</title>.</p></o>"}})),
            "P \nT See\nGull\n\nA bird\nthere: Log.\nwhole");
}

}  // namespace
}  // namespace memseal::extract
