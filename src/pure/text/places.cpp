#include "pure/text/places.hpp"

#include "pure/codec/ascii.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace memseal::text {

namespace {

constexpr std::size_t heading_levels = 6, indent_max = 3, fence_min = 3;

/// A heading and what follows it, until the next heading of any level.
struct Section {
  std::size_t at = 0;
  std::size_t level = 0;  ///< 1 to 6; 0: what stands before the first heading
  std::string_view title;
  std::size_t above = 0;  ///< index of the section that holds it; its own: none
};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Without the `#` that may close a heading.
std::string_view title_of(std::string_view rest) {
  const auto title = codec::trimmed(rest);
  const auto last = title.find_last_not_of('#');
  if (last == title.npos) return {};
  if (last + 1 == title.size() || !is_blank(title[last])) return title;
  return codec::trimmed(title.substr(0, last));
}

/// Reads a text line by line.
class Headings {
 public:
  explicit Headings(std::string_view document) : document_(document) {}

  std::vector<Section> read() {
    for (std::size_t at = 0; at < document_.size();) {
      const auto end = std::min(document_.find('\n', at), document_.size());
      read_line(at, document_.substr(at, end - at));
      at = end + 1;
    }
    return std::move(sections_);
  }

 private:
  void read_line(std::size_t at, std::string_view line) {
    while (line.ends_with('\r')) line.remove_suffix(1);
    const auto indent = std::min(line.find_first_not_of(' '), line.size());
    if (indent > indent_max || indent == line.size()) return;
    line.remove_prefix(indent);
    const char first = line.front();
    const auto run = std::min(line.find_first_not_of(first), line.size());
    if (fence_ != 0) {
      const bool is_bare = codec::trimmed(line.substr(run)).empty();
      if (first == fence_ && run >= fence_length_ && is_bare) fence_ = 0;
      return;
    }
    if ((first == '`' || first == '~') && run >= fence_min) {
      // A backtick behind backticks makes them code within a line.
      if (first == '`' && line.find('`', run) != line.npos) return;
      fence_ = first;
      fence_length_ = run;
      return;
    }
    const auto rest = line.substr(run);
    if (first != '#' || run > heading_levels) return;
    if (rest.empty() || is_blank(rest.front())) add(at, run, title_of(rest));
  }

  void add(std::size_t at, std::size_t level, std::string_view title) {
    const auto number = sections_.size();
    auto above = number;
    for (auto outer = level; outer-- > 1;) {
      if (!open_[outer]) continue;
      above = *open_[outer];
      break;
    }
    for (auto inner = level; inner <= heading_levels; ++inner) open_[inner].reset();
    open_[level] = number;
    sections_.push_back({at, level, title, above});
  }

  const std::string_view document_;
  std::vector<Section> sections_;
  std::optional<std::size_t> open_[heading_levels + 1];  // of each level, the section that goes on
  char fence_ = 0;  // of the code that goes on; 0: none
  std::size_t fence_length_ = 0;
};

std::string cut_title(std::string_view title) {
  if (title.size() <= place_heading_bytes_max) return std::string(title);
  constexpr std::string_view cut = "…";
  auto end = place_heading_bytes_max - cut.size();
  while (end > 0 && (static_cast<unsigned char>(title[end]) & 0xC0) == 0x80) --end;
  return std::string(title.substr(0, end)) += cut;
}

std::string path_of(const std::vector<Section>& sections, std::size_t number) {
  std::string path = cut_title(sections[number].title);
  while (sections[number].above != number) {
    number = sections[number].above;
    if (sections[number].title.empty()) continue;
    path.insert(0, cut_title(sections[number].title) + (path.empty() ? "" : " > "));
  }
  return path;
}

/// Finds the section of each passage. Passages come in the order of their starts.
class SectionFinder {
 public:
  explicit SectionFinder(std::vector<Section> sections) : sections_(std::move(sections)) {}

  /// "": the passage stands before every heading, or most of it does.
  std::string heading(std::size_t begin, std::size_t end) {
    while (next_ < sections_.size() && sections_[next_].at <= begin) ++next_;
    // Of equally long parts the first counts.
    auto best = next_;  // one more than the section's index; 0: none
    std::size_t longest = 0;
    for (auto part = next_, from = begin; from < end; ++part) {
      const auto to = part < sections_.size() ? std::min(sections_[part].at, end) : end;
      if (to - from > longest) {
        longest = to - from;
        best = part;
      }
      from = to;
    }
    return best == 0 ? std::string() : path_of(sections_, best - 1);
  }

 private:
  const std::vector<Section> sections_;
  std::size_t next_ = 0;  // the first section that begins behind the passage's start
};

std::string label_of(const std::vector<PageStart>& pages, std::size_t number) {
  return pages[number].label.empty() ? std::to_string(number + 1) : pages[number].label;
}

/// Finds the page of each place. Places before the first page have none.
class PageFinder {
 public:
  explicit PageFinder(const std::vector<PageStart>& pages) : pages_(pages) {
    says_nothing_ = pages.empty() || (pages.size() == 1 && pages[0].label.empty());
  }

  void place(std::size_t begin, std::size_t last, Place& place) const {
    if (says_nothing_) return;
    const auto first = page_at(begin), final = page_at(last);
    if (!first) return;
    place.page = label_of(pages_, *first);
    auto page_end = label_of(pages_, *final);
    if (page_end != place.page) place.page_end = std::move(page_end);
  }

 private:
  std::optional<std::size_t> page_at(std::size_t at) const {
    const auto behind = std::upper_bound(
        pages_.begin(), pages_.end(), at,
        [](std::size_t place, const PageStart& page) { return place < page.at; });
    if (behind == pages_.begin()) return std::nullopt;
    return static_cast<std::size_t>(behind - pages_.begin()) - 1;
  }

  const std::vector<PageStart>& pages_;
  bool says_nothing_;
};

}  // namespace

std::vector<Place> places_of(std::string_view document, const Outline& outline,
                             std::span<const Chunk> chunks) {
  auto sections = outline.has_headings ? Headings(document).read() : std::vector<Section>();
  if (sections.empty() && outline.pages.empty()) return {};
  SectionFinder headings(std::move(sections));
  const PageFinder pages(outline.pages);
  std::vector<Place> places;
  places.reserve(chunks.size());
  for (const auto& chunk : chunks) {
    auto& place = places.emplace_back();
    const auto end = chunk.byte_start + chunk.text.size();
    pages.place(chunk.byte_start, end - 1, place);
    place.heading = headings.heading(chunk.byte_start, end);
  }
  return places;
}

}  // namespace memseal::text
