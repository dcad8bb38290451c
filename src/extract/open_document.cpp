// ODT, ODS, ODP (OASIS OpenDocument 1.3).
#include "extract/formats.hpp"
#include "extract/table_rows.hpp"
#include "extract/xml.hpp"

#include <functional>
#include <set>
#include <vector>

namespace memseal::extract {

namespace {

enum class ContentKind { text, slides, sheets, object };

class OpenDocumentText {
 public:
  using OnObject = std::function<void(std::string_view reference)>;

  OpenDocumentText(ContentKind kind, OnObject on_object, Blocks& out)
      : kind_(kind), on_object_(std::move(on_object)), out_(out), rows_(out) {
    if (kind == ContentKind::text) out.page();
  }

  void start(std::string_view name, const Attributes& attributes) {
    // What was deleted, and who noted something when.
    if (skipped_ > 0 || name == "tracked-changes" || name == "creator" || name == "date") {
      ++skipped_;
      return;
    }
    if (name == "h" || name == "p") {
      begin_paragraph(name == "h" ? attributes.number("outline-level", 1, 1, 9) : 0);
    } else if (name == "page" && kind_ == ContentKind::slides) {
      begin_page(attributes, false);
    } else if (name == "table" && kind_ == ContentKind::sheets) {
      begin_page(attributes, true);
    } else if (name == "soft-page-break" && kind_ == ContentKind::text) {
      out_.page();
    } else if (is_description(name)) {
      begin_paragraph(0);
      is_described_ = true;
    } else if (name == "object") {
      const char* reference = attributes.find("href");
      if (reference != nullptr && on_object_) on_object_(reference);
    } else if (name == "table-row") {
      rows_.begin_row();
    } else if (name == "table-cell" || name == "covered-table-cell") {
      constexpr int repeats_max = 8;  // a row to the right edge repeats its last cell 16,000 times
      repeats_ = attributes.number("number-columns-repeated", 1, 1, repeats_max);
      rows_.begin_cell();
    } else if (name == "frame") {
      ++frames_;
    } else if (!paragraphs_.empty()) {
      if (is_description_within(name)) add("\n");
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
    if (is_described_ && (name == "desc" || name == "title") && !paragraphs_.empty()) {
      is_described_ = false;
      end_paragraph();
    } else if (!paragraphs_.empty() && is_description_within(name)) {
      add("\n");
    }
    if (name == "frame" && frames_ > 0) --frames_;
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

  /// The same within a paragraph, where a title may be a field as well.
  bool is_description_within(std::string_view name) const {
    return frames_ > 0 && (name == "desc" || name == "title");
  }

  /// What a picture shows, in words. The title of a chart has paragraphs of its own.
  bool is_description(std::string_view name) const {
    return paragraphs_.empty() && kind_ != ContentKind::object &&
           (name == "desc" || name == "title");
  }

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

  const ContentKind kind_;
  const OnObject on_object_;
  Blocks& out_;
  TableRows rows_;
  std::vector<Paragraph> paragraphs_;
  int skipped_ = 0, repeats_ = 1, frames_ = 0;
  bool is_described_ = false;
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
  const auto kind = media_type.find("presentation") != media_type.npos  ? ContentKind::slides
                    : media_type.find("spreadsheet") != media_type.npos ? ContentKind::sheets
                                                                        : ContentKind::text;
  std::set<std::string> seen;
  // A chart is a document of its own in the archive, with its values as a table.
  const auto read_object = [&](std::string_view reference) {
    if (reference.starts_with("./")) reference.remove_prefix(2);
    const auto part = std::string(reference) + "/content.xml";
    if (!seen.insert(part).second) return;
    OpenDocumentText object(ContentKind::object, {}, out);
    read_xml_by(object, zip, part, out);
  };
  // Values of a sheet's charts lie in its cells.
  OpenDocumentText::OnObject on_object;
  if (kind != ContentKind::sheets) on_object = read_object;
  OpenDocumentText text(kind, on_object, out);
  read_xml_by(text, zip, "content.xml", out);
}

}  // namespace memseal::extract
