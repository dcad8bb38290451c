#pragma once
// Where in its document a passage stands, as a reader would say it.
#include <cstddef>
#include <string>
#include <vector>

namespace memseal {

/// Where a page, a slide, a sheet or a chapter begins.
struct PageStart {
  std::size_t at = 0;  ///< offset in bytes of the text
  std::string label;   ///< as the document numbers or names it, at most 200 bytes; may be empty
};

/// What decides the places of a document's passages.
struct Outline {
  std::vector<PageStart> pages = {};  ///< in the order of the text
  bool has_headings = false;          ///< lines with `#` are headings, as in Markdown
};

struct Place {
  std::string page;      ///< on which the passage begins: its label, else its number from 1
  std::string page_end;  ///< on which the passage ends; empty: on the same
  std::string heading;   ///< "Keys > Rotation": of the section that holds most of the passage

  bool empty() const { return page.empty() && heading.empty(); }
  friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace memseal
