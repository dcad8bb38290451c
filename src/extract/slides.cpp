// PPTX (ECMA-376, PresentationML): a slide is a page, its title a heading, its notes follow it.
#include "extract/formats.hpp"
#include "extract/table_rows.hpp"
#include "extract/xml.hpp"

#include <set>
#include <vector>

namespace memseal::extract {

namespace {

class DrawingText {
 public:
  explicit DrawingText(Blocks& out) : out_(out), rows_(out) {}

  void start(std::string_view name, const Attributes& attributes) {
    if (skipped_ > 0 || name == "Fallback") {
      ++skipped_;
    } else if (name == "sp") {
      place_ = Place::body;
    } else if (name == "ph") {
      const auto is = [&](std::string_view type) { return attributes.has("type", type); };
      place_ = is("title") || is("ctrTitle")           ? Place::title
               : is("sldNum") || is("dt") || is("ftr") ? Place::margin
                                                       : Place::body;
    } else if (name == "t") {
      in_text_ = true;
    } else if (name == "cNvPr") {
      if (const char* description = attributes.find("descr")) out_.text(description);
    } else if (name == "br") {
      paragraph_ += '\n';
    } else if (name == "tr") {
      rows_.begin_row();
    } else if (name == "tc") {
      rows_.begin_cell();
      in_cell_ = true;
    }
  }

  void end(std::string_view name) {
    if (skipped_ > 0) {
      --skipped_;
    } else if (name == "t") {
      in_text_ = false;
    } else if (name == "p") {
      end_paragraph();
    } else if (name == "tc") {
      in_cell_ = false;
    } else if (name == "tr") {
      rows_.end_row();
    }
  }

  void text(std::string_view text) {
    if (in_text_ && skipped_ == 0) append_to_paragraph(paragraph_, text, out_);
  }

 private:
  enum class Place { body, title, margin };

  void end_paragraph() {
    if (in_cell_ && rows_.in_cell())
      rows_.add(paragraph_);
    else if (place_ == Place::title)
      out_.put(Frame::heading, 1, paragraph_);
    else if (place_ == Place::body)
      out_.text(paragraph_);
    paragraph_.clear();
  }

  Blocks& out_;
  TableRows rows_;
  std::string paragraph_;
  Place place_ = Place::body;
  int skipped_ = 0;
  bool in_text_ = false, in_cell_ = false;
};

}  // namespace

void read_drawing(Zip& zip, const std::string& part, Blocks& out) {
  DrawingText text(out);
  read_xml_by(text, zip, part, out);
}

void read_slides(Zip& zip, const std::string& main, Blocks& out) {
  const auto relations = relations_of(zip, main, out);
  std::vector<std::string> order;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    if (name != "sldId") return;
    if (const char* id = attributes.find_prefixed("id")) order.emplace_back(id);
  };
  if (!read_xml(zip, main, events, out)) throw Stop(End::damaged, "pptx: no presentation");
  std::set<std::string> charts;  // a chart is read once, however often slides refer to it
  for (const auto& id : order) {
    const auto slide = relations.find(id);
    if (slide == relations.end()) continue;
    out.page();
    read_drawing(zip, slide->second.target, out);
    for (const auto& [_, more] : relations_of(zip, slide->second.target, out))
      if (more.type == "chart" && charts.insert(more.target).second)
        read_chart(zip, more.target, out);
      else if (more.type == "notesSlide" || more.type == "comments" || more.type == "diagramData")
        read_drawing(zip, more.target, out);
  }
}

}  // namespace memseal::extract
