// XLSX (ECMA-376, SpreadsheetML): a sheet is a page, a row a row.
// NOTE: cells hold what the file holds: a date is its number of days.
#include "extract/formats.hpp"
#include "extract/table_rows.hpp"
#include "extract/xml.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace memseal::extract {

namespace {

constexpr std::size_t shared_bytes_max = 64u << 20;

std::vector<std::string> shared_strings(Zip& zip, const std::string& part, Blocks& out) {
  std::vector<std::string> all;
  std::string text;
  std::size_t bytes = 0;
  bool in_text = false;
  int phonetic = 0;  // how to read it aloud: the same again
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes&) {
    if (name == "si") text.clear();
    if (name == "rPh") ++phonetic;
    if (name == "t") in_text = phonetic == 0;
  };
  events.text = [&](std::string_view piece) {
    if (!in_text) return;
    bytes += piece.size();
    if (bytes > shared_bytes_max) throw Stop(End::too_large, "xlsx: too many shared strings");
    text += piece;
  };
  events.end = [&](std::string_view name) {
    if (name == "t") in_text = false;
    if (name == "rPh") --phonetic;
    if (name != "si") return;
    bytes += sizeof(std::string);
    all.push_back(text);
  };
  read_xml(zip, part, events, out);
  return all;
}

/// 1 for A, 27 for AA; 0 where there are no letters.
int column_of(const char* cell) {
  constexpr int columns_max = 20'000;
  int column = 0;
  for (; cell != nullptr && *cell >= 'A' && *cell <= 'Z' && column < columns_max; ++cell)
    column = 26 * column + (*cell - 'A' + 1);
  return column;
}

class SheetText {
 public:
  SheetText(const std::vector<std::string>& shared, Blocks& out)
      : shared_(shared), out_(out), rows_(out) {}

  void start(std::string_view name, const Attributes& attributes) {
    if (name == "row") {
      rows_.begin_row();
      last_ = 0;
    } else if (name == "c") {
      is_shared_ = attributes.has("t", "s");
      value_.clear();
      const int column = column_of(attributes.find("r"));
      column_ = column > 0 ? column : last_ + 1;
    } else if (name == "v" || name == "t") {
      in_value_ = true;
    }
  }

  void text(std::string_view text) {
    if (in_value_) append_to_paragraph(value_, text, out_);
  }

  void end(std::string_view name) {
    if (name == "v" || name == "t") in_value_ = false;
    if (name == "c" && !value_.empty()) end_cell();
    if (name == "row") rows_.end_row();
  }

 private:
  void end_cell() {
    constexpr int gap_max = 8;  // empty columns between two cells that are worth a mark
    const int gap = last_ == 0 ? 1 : std::clamp(column_ - last_, 1, gap_max);
    for (int i = 0; i < gap; ++i) rows_.begin_cell();
    last_ = column_;
    if (!rows_.in_cell()) return;
    if (!is_shared_) return rows_.add(value_);
    const auto index = std::strtoul(value_.c_str(), nullptr, 10);
    if (index < shared_.size()) rows_.add(shared_[index]);
  }

  const std::vector<std::string>& shared_;
  Blocks& out_;
  TableRows rows_;
  std::string value_;
  bool is_shared_ = false, in_value_ = false;
  int column_ = 0, last_ = 0;
};

struct Sheet {
  std::string name, relation;
};

std::vector<Sheet> sheets_of(Zip& zip, const std::string& main, Blocks& out) {
  std::vector<Sheet> sheets;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    if (name != "sheet") return;
    const char* title = attributes.find("name");
    const char* id = attributes.find_prefixed("id");
    if (id != nullptr) sheets.push_back({title == nullptr ? "" : title, id});
  };
  if (!read_xml(zip, main, events, out)) throw Stop(End::damaged, "xlsx: no workbook");
  return sheets;
}

}  // namespace

void read_sheets(Zip& zip, const std::string& main, Blocks& out) {
  const auto relations = relations_of(zip, main, out);
  std::vector<std::string> shared;
  for (const auto& [id, relation] : relations)
    if (relation.type == "sharedStrings") shared = shared_strings(zip, relation.target, out);
  for (const auto& sheet : sheets_of(zip, main, out)) {
    const auto found = relations.find(sheet.relation);
    if (found == relations.end()) continue;
    out.page(sheet.name);
    out.put(Frame::heading, 1, sheet.name);
    SheetText text(shared, out);
    XmlEvents events;
    events.start = [&](std::string_view name, const Attributes& a) { text.start(name, a); };
    events.end = [&](std::string_view name) { text.end(name); };
    events.text = [&](std::string_view piece) { text.text(piece); };
    read_xml(zip, found->second.target, events, out);
    for (const auto& [_, more] : relations_of(zip, found->second.target, out))
      if (more.type == "comments") read_drawing(zip, more.target, out);
  }
}

}  // namespace memseal::extract
