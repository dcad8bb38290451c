// DOCX (ECMA-376, WordprocessingML): headings by style, pages as Word last broke them.
#include "extract/formats.hpp"
#include "extract/table_rows.hpp"
#include "extract/xml.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <set>
#include <vector>

namespace memseal::extract {

namespace {

using HeadingLevels = std::map<std::string, unsigned>;  ///< by id of a style

unsigned level_of_style_name(std::string name) {
  for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name == "title") return 1;
  if (!name.starts_with("heading ") || name.size() < 9 || name[8] < '1' || name[8] > '9') return 0;
  return static_cast<unsigned>(name[8] - '0');
}

HeadingLevels heading_levels(Zip& zip, const std::string& part, Blocks& out) {
  HeadingLevels levels;
  std::string id;
  std::map<std::string, std::string> based_on;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    const auto value = [&](std::string_view of) {
      const char* found = attributes.find(of);
      return std::string(found == nullptr ? "" : found);
    };
    if (name == "style") {
      id = value("styleId");
    } else if (name == "name" && !id.empty()) {
      if (const auto level = level_of_style_name(value("val"))) levels[id] = level;
    } else if (name == "basedOn" && !id.empty()) {
      based_on[id] = value("val");
    } else if (name == "outlineLvl" && !id.empty()) {
      if (const int level = attributes.number("val", 9, 0, 9); level < 9)
        levels.emplace(id, static_cast<unsigned>(level) + 1);
    }
  };
  read_xml(zip, part, events, out);
  // A style inherits its level. The list of styles has no order, so each pass carries levels one
  // generation further; a bound, because styles may be based on each other in a circle.
  constexpr int generations_max = 4;
  for (int i = 0; i < generations_max; ++i)
    for (const auto& [style, base] : based_on)
      if (const auto level = levels.find(base); level != levels.end())
        levels.emplace(style, level->second);
  return levels;
}

class WordText {
 public:
  using OnChart = std::function<void(const char* relation)>;

  WordText(const HeadingLevels& levels, bool has_pages, OnChart on_chart, Blocks& out)
      : levels_(levels),
        has_pages_(has_pages),
        on_chart_(std::move(on_chart)),
        out_(out),
        rows_(out) {}

  void start(std::string_view name, const Attributes& attributes) {
    // What was deleted, codes of fields, and the second of two ways to say the same.
    if (skipped_ > 0 || name == "Fallback" || name == "instrText" || name == "delText" ||
        name == "del") {
      ++skipped_;
      return;
    }
    if (name == "p") {
      begin_paragraph();
    } else if (name == "t") {
      in_text_ = true;
    } else if (name == "tr") {
      rows_.begin_row();
    } else if (name == "tc") {
      rows_.begin_cell();
    } else if (name == "lastRenderedPageBreak") {
      // Where Word broke pages when it last showed the document. Headers and notes belong to no
      // page.
      if (has_pages_) out_.page();
    } else if (!paragraphs_.empty()) {
      start_within(name, attributes);
    }
  }

  void end(std::string_view name) {
    if (skipped_ > 0) {
      --skipped_;
      return;
    }
    if (name == "t") in_text_ = false;
    if (name == "p" && !paragraphs_.empty()) end_paragraph();
    if (name == "tr") rows_.end_row();
  }

  void text(std::string_view text) {
    if (in_text_ && skipped_ == 0 && !paragraphs_.empty())
      append_to_paragraph(paragraphs_.back().text, text, out_);
  }

 private:
  struct Paragraph {
    std::string text;
    unsigned level = 0;
  };

  void begin_paragraph() {
    constexpr std::size_t nested_max = 64;  // a text box lies in a paragraph
    if (paragraphs_.size() >= nested_max) throw Stop(End::damaged, "paragraphs in paragraphs");
    paragraphs_.emplace_back();
  }

  void start_within(std::string_view name, const Attributes& attributes) {
    auto& paragraph = paragraphs_.back();
    if (name == "pStyle") {
      const char* style = attributes.find("val");
      const auto level = levels_.find(style == nullptr ? "" : style);
      if (level != levels_.end()) paragraph.level = level->second;
    } else if (name == "outlineLvl") {
      if (const int level = attributes.number("val", 9, 0, 9); level < 9)
        paragraph.level = static_cast<unsigned>(level) + 1;
    } else if (name == "tab") {
      paragraph.text += '\t';
    } else if (name == "docPr") {
      if (const char* description = attributes.find("descr")) add_line(description);
    } else if (name == "chart") {
      if (const char* relation = attributes.find_prefixed("id")) on_chart_(relation);
    } else if (name == "noBreakHyphen") {
      paragraph.text += '-';
    } else if (name == "br" || name == "cr") {
      if (has_pages_ && attributes.has("type", "page"))
        out_.page();
      else
        paragraph.text += '\n';
    }
  }

  /// What a picture shows, in words.
  void add_line(std::string_view text) {
    auto& paragraph = paragraphs_.back().text;
    if (!paragraph.empty()) paragraph += '\n';
    append_to_paragraph(paragraph, text, out_);
    paragraph += '\n';
  }

  void end_paragraph() {
    const auto paragraph = std::move(paragraphs_.back());
    paragraphs_.pop_back();
    // A table is read row by row: the paragraphs of a cell become one text.
    if (rows_.in_cell()) return rows_.add(paragraph.text);
    out_.put(paragraph.level > 0 ? Frame::heading : Frame::paragraph, paragraph.level,
             paragraph.text);
  }

  const HeadingLevels& levels_;
  const bool has_pages_;
  const OnChart on_chart_;
  Blocks& out_;
  TableRows rows_;
  std::vector<Paragraph> paragraphs_;
  int skipped_ = 0;
  bool in_text_ = false;
};

}  // namespace

void read_word(Zip& zip, const std::string& main, Blocks& out) {
  const auto relations = relations_of(zip, main, out);
  HeadingLevels levels;
  for (const auto& [id, relation] : relations)
    if (relation.type == "styles") levels = heading_levels(zip, relation.target, out);
  std::set<std::string> charts;  // a chart is read once, however often the file refers to it
  const auto read = [&](const std::string& part, bool has_pages) {
    const auto own = relations_of(zip, part, out);
    const auto chart = [&](const char* relation) {
      const auto found = own.find(relation);
      if (found != own.end() && found->second.type == "chart" &&
          charts.insert(found->second.target).second)
        read_chart(zip, found->second.target, out);
    };
    WordText text(levels, has_pages, chart, out);
    return read_xml_by(text, zip, part, out);
  };
  const auto read_all = [&](std::initializer_list<std::string_view> types) {
    for (const auto& [id, relation] : relations)
      if (std::find(types.begin(), types.end(), relation.type) != types.end())
        read(relation.target, false);
  };
  // Before the first page, and notes behind the last, because they would cut the sentence across
  // which they are printed.
  read_all({"header"});
  out.page();
  if (!read(main, true)) throw Stop(End::damaged, "docx: no document");
  read_all({"footnotes", "endnotes", "comments"});
}

}  // namespace memseal::extract
