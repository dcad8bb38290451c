// Documents that are archives, sound and hostile.
#include <gtest/gtest.h>

#include "unit/formats/support.hpp"

namespace memseal::extract {
namespace {

using test::docx_of;
using test::office_relations;
using test::zip_of;

TEST(Archives, AWordDocumentHasHeadingsTablesAndPages) {
  const auto p = [](const std::string& text, const std::string& properties = {}) {
    return "<w:p>" + properties + "<w:r><w:t>" + text + "</w:t></w:r></w:p>";
  };
  EXPECT_EQ(blocks_of(docx_of(
                p("Harbour", "<w:pPr><w:pStyle w:val='h2'/></w:pPr>") + p("Caf\u00e9 &amp; tea") +
                "<w:p><w:r><w:br w:type='page'/><w:t>two</w:t></w:r>"
                "<w:del><w:r><w:t>gone</w:t></w:r></w:del></w:p>"
                "<w:tbl><w:tr><w:tc>" +
                p("a") + p("b") + "</w:tc><w:tc>" + p("c") + "</w:tc></w:tr></w:tbl>")),
            "P \nH2 Harbour\nT Caf\u00e9 & tea\nP \nT two\nR a b|c\nwhole");
}

TEST(Archives, SlidesSheetsOpenDocumentsAndBooksAreRead) {
  EXPECT_EQ(blocks_of(zip_of(
                {office_relations("ppt/p.xml"),
                 {"ppt/p.xml", "<p:p xmlns:p='p' xmlns:r='r'><p:sldId id='256' r:id='a'/></p:p>"},
                 {"ppt/_rels/p.xml.rels",
                  "<Relationships><Relationship Id='a' Type='t/slide' "
                  "Target='s/1.xml'/></Relationships>"},
                 {"ppt/s/1.xml",
                  "<s xmlns:a='a'><sp><nvPr><ph type='title'/></nvPr><a:p><a:t>Plan</a:t>"
                  "</a:p></sp><sp><a:p><a:t>Sail</a:t></a:p></sp></s>"}})),
            "P \nH1 Plan\nT Sail\nwhole");
  EXPECT_EQ(
      blocks_of(zip_of(
          {office_relations("xl/w.xml"),
           {"xl/w.xml", "<w xmlns:r='r'><sheet name='Crew' r:id='a'/></w>"},
           {"xl/_rels/w.xml.rels",
            "<Relationships><Relationship Id='a' Type='t/worksheet' Target='s.xml'/><Relationship "
            "Id='b' Type='t/sharedStrings' Target='sst.xml'/></Relationships>"},
           {"xl/sst.xml", "<sst><si><t>Name</t></si><si><t>Age</t></si></sst>"},
           {"xl/s.xml",
            "<ws><row><c r='A1' t='s'><v>0</v></c><c r='C1' t='s'><v>1</v></c></row>"
            "<row><c r='A2'><v>Ada</v></c><c r='C2'><v>36</v></c></row></ws>"}})),
      "P Crew\nH1 Crew\nR Name||Age\nR Ada||36\nwhole");
  EXPECT_EQ(blocks_of(zip_of({{"mimetype", "application/vnd.oasis.opendocument.text"},
                              {"content.xml",
                               "<o xmlns:t='t'><t:h t:outline-level='3'>Log</t:h>"
                               "<t:p>Wind<t:s t:c='2'/>NE</t:p></o>"}})),
            "P \nH3 Log\nT Wind  NE\nwhole");
  EXPECT_EQ(blocks_of(zip_of(
                {{"mimetype", "application/epub+zip"},
                 {"META-INF/container.xml", "<c><rootfile full-path='o/p.opf'/></c>"},
                 {"o/p.opf", "<p><item id='i' href='a%20b.html#x'/><itemref idref='i'/></p>"},
                 {"o/a b.html", "<html><body><h1>One</h1><p>Sea</body></html>"}})),
            "P o/a b.html\nH1 One\nT Sea\nwhole");
}

struct BadArchive {
  const char* what;
  std::string bytes;
  const char* ends_with;
};

// Table: what is wrong with an archive, and how the helper ends.
std::vector<BadArchive> bad_archives() {
  const auto sound = docx_of("<w:p><w:r><w:t>x</w:t></w:r></w:p>");
  const auto with = [&](std::size_t at, std::string bytes) {
    auto copy = sound;
    return copy.replace(at, bytes.size(), bytes);
  };
  const auto end = sound.size() - 22;
  std::string deep = "<w:p>", laughs;
  for (int i = 0; i < 500; ++i) deep += "<x>";
  for (int i = 0; i < 500; ++i) deep += "</x>";
  return {
      {"cut in the directory", sound.substr(0, sound.size() - 60), "damaged"},
      {"cut after the mark", "PK\x03\x04", "damaged"},
      {"a directory elsewhere", with(end + 16, "\xff\xff\xff\x7f"), "damaged"},
      {"too many entries", with(end + 10, "\xff\xff"), "too large"},
      {"a bad local header", with(0, "PK\x03\x04").replace(26, 2, "\xff\xff"), "damaged"},
      {"an entry twice", zip_of({{"a", "x"}, {"a", "y"}}), "damaged"},
      {"encrypted", zip_of({{"mimetype", "a"}, {"content.xml", "<a/>"}}, 1), "encrypted"},
      {"an encrypted open document",
       zip_of({{"mimetype", "application/vnd.oasis.opendocument.text"},
               {"META-INF/manifest.xml", "<m><encryption-data/></m>"},
               {"content.xml", "garbage"}}),
       "encrypted"},
      {"no document", zip_of({{"a.txt", "text"}}), "unsupported"},
      {"a part that is not there", zip_of({office_relations("word/none.xml")}), "damaged"},
      {"no XML", docx_of("<w:p"), "damaged"},
      {"too deep", docx_of(deep), "damaged"},
      {"entities of its own",
       zip_of({office_relations("word/d.xml"),
               {"word/d.xml",
                "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>"
                "<d xmlns:w='w'><w:p><w:t>&b;</w:t></w:p></d>"}}),
       "damaged"},
      {"an entity of a file",
       zip_of({office_relations("word/d.xml"),
               {"word/d.xml",
                "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
                "<d xmlns:w='w'><w:p><w:t>&a;</w:t></w:p></d>"}}),
       "damaged"},
      {"relations in a circle", zip_of({office_relations("_rels/.rels")}), "unsupported"},
      {"an OLE file", std::string("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 Workbook", 17), "unsupported"},
      {"an encrypted OOXML",
       "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" +
           std::string("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0", 32),
       "encrypted"}};
}

TEST(Archives, AHostileOneEndsWithItsReason) {
  for (const auto& bad : bad_archives()) {
    const auto blocks = blocks_of(bad.bytes);
    EXPECT_TRUE(blocks.ends_with(bad.ends_with)) << bad.what << ": " << blocks.substr(0, 300);
    EXPECT_EQ(blocks.find("aaaa"), blocks.npos) << bad.what;
    EXPECT_EQ(blocks.find("root:"), blocks.npos) << bad.what;
  }
}

TEST(Archives, AChapterWhoseNameIsNoTextHasNoLabel) {
  EXPECT_EQ(blocks_of(zip_of({{"mimetype", "application/epub+zip"},
                              {"META-INF/container.xml", "<c><rootfile full-path='p.opf'/></c>"},
                              {"p.opf", "<p><item id='i' href='%ff.x'/><itemref idref='i'/></p>"},
                              {"\xff.x", "<html>tea"}})),
            "P \nT tea\nwhole");
}

TEST(Archives, EveryCutOfASoundOneEndsInOrder) {
  const auto sound = docx_of("<w:p><w:r><w:t>some text of a document</w:t></w:r></w:p>");
  for (std::size_t size = 0; size < sound.size(); size += 3) {
    const auto blocks = blocks_of(sound.substr(0, size));
    EXPECT_FALSE(blocks.ends_with("whole") && blocks.find("some text") != blocks.npos) << size;
    auto flipped = sound;
    flipped[size] = static_cast<char>(flipped[size] ^ 0x55);
    blocks_of(flipped);  // ASan and blocks_of() itself judge
  }
}

TEST(Archives, AParagraphThatIsTooLongIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += "\u20ac";  // 3 bytes each
  std::string noise;  // so that the archive is not small against its text
  for (unsigned i = 0, x = 1; i < 60'000; ++i) noise += static_cast<char>((x = x * 75 % 65'537));
  const auto file =
      zip_of({office_relations("word/d.xml"),
              {"noise", noise},
              {"word/d.xml", "<d xmlns:w='w'><w:p><w:t>" + text + "</w:t></w:p></d>"}});
  const auto blocks = blocks_of(file);
  EXPECT_TRUE(blocks.ends_with("\nwhole"));
  EXPECT_GT(blocks.size(), text.size());
}

}  // namespace
}  // namespace memseal::extract
