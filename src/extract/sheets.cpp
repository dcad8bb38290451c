// XLSX (ECMA-376, SpreadsheetML): a sheet is a page, a row a row.
#include "extract/formats.hpp"
#include "extract/number_format.hpp"
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
    // Empty strings cost memory too, and a million of them takes a few kilobytes packed.
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

/// What every sheet of a workbook refers to.
struct Workbook {
  std::vector<std::string> shared;    ///< strings
  std::vector<NumberFormat> formats;  ///< by a cell's style (18.8.10, cellXfs)
  bool since_1904 = false;
};

std::vector<NumberFormat> cell_formats(Zip& zip, const std::string& part, Blocks& out) {
  constexpr int id_max = 1'000'000;
  std::map<int, NumberFormat> own;
  std::vector<NumberFormat> formats;
  bool in_cells = false;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    const int id = attributes.number("numFmtId", 0, 0, id_max);
    if (name == "numFmt") {
      if (const char* code = attributes.find("formatCode")) own[id] = format_of_code(code);
    } else if (name == "cellXfs") {
      in_cells = true;
    } else if (name == "xf" && in_cells) {
      const auto found = own.find(id);
      formats.push_back(found == own.end() ? built_in_format(id) : found->second);
    }
  };
  events.end = [&](std::string_view name) {
    if (name == "cellXfs") in_cells = false;
  };
  read_xml(zip, part, events, out);
  return formats;
}

class SheetText {
 public:
  SheetText(const Workbook& book, Blocks& out) : book_(book), out_(out), rows_(out) {}

  void start(std::string_view name, const Attributes& attributes) {
    if (name == "row") {
      rows_.begin_row();
      last_ = 0;
    } else if (name == "c") {
      begin_cell(attributes);
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
  enum class Type { number, shared, boolean, text };

  void begin_cell(const Attributes& attributes) {
    constexpr int style_max = 1'000'000;
    const char* type = attributes.find("t");
    const std::string_view word = type == nullptr ? "n" : type;
    type_ = word == "n"   ? Type::number
            : word == "s" ? Type::shared
            : word == "b" ? Type::boolean
                          : Type::text;
    style_ = static_cast<std::size_t>(attributes.number("s", 0, 0, style_max));
    value_.clear();
    const int column = column_of(attributes.find("r"));
    // Cells that are empty are left out of the file, so a cell states its place; where it does
    // not, it follows the one before.
    column_ = column > 0 ? column : last_ + 1;
  }

  std::string shown() const {
    if (type_ == Type::shared) {
      // The value is the number of a shared string. One that is not there is damage of this cell
      // alone.
      const auto index = std::strtoul(value_.c_str(), nullptr, 10);
      return index < book_.shared.size() ? book_.shared[index] : std::string();
    }
    if (type_ == Type::boolean) return value_ == "1" ? "TRUE" : value_ == "0" ? "FALSE" : value_;
    if (type_ == Type::text) return value_;
    const auto format = style_ < book_.formats.size() ? book_.formats[style_] : NumberFormat();
    return shown_number(value_, format, book_.since_1904);
  }

  void end_cell() {
    constexpr int gap_max = 8;  // empty columns between two cells that are worth a mark
    const int gap = last_ == 0 ? 1 : std::clamp(column_ - last_, 1, gap_max);
    for (int i = 0; i < gap; ++i) rows_.begin_cell();
    last_ = column_;
    if (rows_.in_cell()) rows_.add(shown());
  }

  const Workbook& book_;
  Blocks& out_;
  TableRows rows_;
  std::string value_;
  Type type_ = Type::number;
  bool in_value_ = false;
  std::size_t style_ = 0;
  int column_ = 0, last_ = 0;
};

struct Sheet {
  std::string name, relation;
};

std::vector<Sheet> sheets_of(Zip& zip, const std::string& main, Workbook& book, Blocks& out) {
  std::vector<Sheet> sheets;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    if (name == "workbookPr")
      book.since_1904 = attributes.has("date1904", "1") || attributes.has("date1904", "true");
    if (name != "sheet") return;
    const char* title = attributes.find("name");
    const char* id = attributes.find_prefixed("id");
    if (id != nullptr) sheets.push_back({title == nullptr ? "" : title, id});
  };
  if (!read_xml(zip, main, events, out)) throw Stop(End::damaged, "xlsx: no workbook");
  return sheets;
}

/// Comments, text boxes and pictures of a sheet. Values of charts lie in cells.
void read_beside(Zip& zip, const std::string& sheet, Blocks& out) {
  for (const auto& [_, more] : relations_of(zip, sheet, out)) {
    if (more.type == "comments" || more.type == "drawing") read_drawing(zip, more.target, out);
    if (more.type != "drawing") continue;
    for (const auto& [id, drawn] : relations_of(zip, more.target, out))
      if (drawn.type == "chart") read_drawing(zip, drawn.target, out);
  }
}

}  // namespace

void read_sheets(Zip& zip, const std::string& main, Blocks& out) {
  const auto relations = relations_of(zip, main, out);
  Workbook book;
  for (const auto& [id, relation] : relations) {
    if (relation.type == "sharedStrings") book.shared = shared_strings(zip, relation.target, out);
    if (relation.type == "styles") book.formats = cell_formats(zip, relation.target, out);
  }
  for (const auto& sheet : sheets_of(zip, main, book, out)) {
    const auto found = relations.find(sheet.relation);
    if (found == relations.end()) continue;
    out.page(sheet.name);
    out.put(Frame::heading, 1, sheet.name);
    SheetText text(book, out);
    read_xml_by(text, zip, found->second.target, out);
    read_beside(zip, found->second.target, out);
  }
}

}  // namespace memseal::extract
