// ODT, ODS, ODP (OASIS OpenDocument 1.3).
#include "extract/formats.hpp"
#include "extract/table_rows.hpp"
#include "extract/xml.hpp"

#include <vector>

namespace memseal::extract {

namespace {

class OpenDocumentText {
 public:
  OpenDocumentText(bool is_slides, bool is_sheets, Blocks& out)
      : is_slides_(is_slides), is_sheets_(is_sheets), out_(out), rows_(out) {
    if (!is_slides && !is_sheets) out.page();
  }

  void start(std::string_view name, const Attributes& attributes) {
    // What was deleted, and who noted something when.
    if (skipped_ > 0 || name == "tracked-changes" || name == "creator" || name == "date") {
      ++skipped_;
      return;
    }
    if (name == "h" || name == "p") {
      begin_paragraph(name == "h" ? attributes.number("outline-level", 1, 1, 9) : 0);
    } else if (name == "page" && is_slides_) {
      begin_page(attributes, false);
    } else if (name == "table" && is_sheets_) {
      begin_page(attributes, true);
    } else if (name == "soft-page-break" && !is_slides_ && !is_sheets_) {
      out_.page();
    } else if (name == "table-row") {
      rows_.begin_row();
    } else if (name == "table-cell" || name == "covered-table-cell") {
      constexpr int repeats_max = 8;  // a row to the right edge repeats its last cell 16,000 times
      repeats_ = attributes.number("number-columns-repeated", 1, 1, repeats_max);
      rows_.begin_cell();
    } else if (!paragraphs_.empty()) {
      if (name == "tab") add("\t");
      if (name == "line-break") add("\n");
      if (name == "s") add(std::string(size_t(attributes.number("c", 1, 1, 80)), ' '));
    }
  }

  void end(std::string_view name) {
    if (skipped_ > 0) {
      --skipped_;
      return;
    }
    if ((name == "h" || name == "p") && !paragraphs_.empty()) end_paragraph();
    if (name == "table-cell") {
      rows_.repeat_cell(repeats_);
      repeats_ = 1;
    }
    if (name == "table-row") rows_.end_row();
  }

  void text(std::string_view text) {
    if (skipped_ == 0 && !paragraphs_.empty()) add(text);
  }

 private:
  struct Paragraph {
    std::string text;
    unsigned level = 0;
  };

  void add(std::string_view text) { append_to_paragraph(paragraphs_.back().text, text, out_); }

  void begin_page(const Attributes& attributes, bool has_heading) {
    const char* name = attributes.find("name");
    out_.page(name == nullptr ? "" : name);
    if (has_heading && name != nullptr) out_.put(Frame::heading, 1, name);
  }

  void begin_paragraph(int level) {
    constexpr std::size_t nested_max = 64;
    if (paragraphs_.size() >= nested_max) throw Stop(End::damaged, "paragraphs in paragraphs");
    paragraphs_.push_back({"", static_cast<unsigned>(level)});
  }

  void end_paragraph() {
    const auto paragraph = std::move(paragraphs_.back());
    paragraphs_.pop_back();
    if (!paragraphs_.empty()) {
      add(" ");
      add(paragraph.text);
    } else if (rows_.in_cell()) {
      rows_.add(paragraph.text);
    } else {
      out_.put(paragraph.level > 0 ? Frame::heading : Frame::paragraph, paragraph.level,
               paragraph.text);
    }
  }

  const bool is_slides_, is_sheets_;
  Blocks& out_;
  TableRows rows_;
  std::vector<Paragraph> paragraphs_;
  int skipped_ = 0, repeats_ = 1;
};

/// Whether the manifest names a cipher: the names of the parts stay in the clear.
bool is_encrypted(Zip& zip, Blocks& out) {
  bool found = false;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes&) {
    found = found || name == "encryption-data";
  };
  read_xml(zip, "META-INF/manifest.xml", events, out);
  return found;
}

}  // namespace

void read_open_document(Zip& zip, std::string_view media_type, Blocks& out) {
  if (is_encrypted(zip, out)) throw Stop(End::encrypted, "odf: encrypted");
  OpenDocumentText text(media_type.find("presentation") != media_type.npos,
                        media_type.find("spreadsheet") != media_type.npos, out);
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& a) { text.start(name, a); };
  events.end = [&](std::string_view name) { text.end(name); };
  events.text = [&](std::string_view piece) { text.text(piece); };
  read_xml(zip, "content.xml", events, out);
}

}  // namespace memseal::extract
