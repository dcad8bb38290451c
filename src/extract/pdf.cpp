#include "extract/pdf.hpp"

#include "extract/charset.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

namespace memseal::extract {

using Handle = void*;

/// The functions of PDFium's public C interface that are used (fpdfview.h, fpdf_text.h,
/// fpdf_annot.h).
struct PdfiumCalls {
  void (*init_library)() = nullptr;
  Handle (*load_document)(const void*, std::size_t, const char* password) = nullptr;
  unsigned long (*last_error)() = nullptr;
  int (*page_count)(Handle) = nullptr;
  unsigned long (*page_label)(Handle, int, void* utf16, unsigned long bytes) = nullptr;
  unsigned long (*meta_text)(Handle, const char* tag, void* utf16, unsigned long bytes) = nullptr;
  Handle (*load_page)(Handle, int) = nullptr;
  void (*close_page)(Handle) = nullptr;
  Handle (*load_text)(Handle page) = nullptr;
  void (*close_text)(Handle) = nullptr;
  int (*char_count)(Handle) = nullptr;
  unsigned (*unicode)(Handle, int) = nullptr;
  double (*font_size)(Handle, int) = nullptr;
  int (*char_box)(Handle, int, double* left, double* right, double* bottom, double* top) = nullptr;
  int (*annot_count)(Handle page) = nullptr;
  Handle (*annot)(Handle page, int) = nullptr;
  void (*close_annot)(Handle) = nullptr;
  int (*annot_subtype)(Handle) = nullptr;
  unsigned long (*annot_string)(Handle, const char* key, void* utf16,
                                unsigned long bytes) = nullptr;
};

namespace {

bool is_right_to_left(std::uint32_t c) {
  return (c >= 0x590 && c < 0x900) || (c >= 0xfb1d && c < 0xfe00) || (c >= 0xfe70 && c < 0xff00) ||
         (c >= 0x10800 && c < 0x11000);
}

/// Letters and digits that run from left to right, also within a line that runs the other way.
bool is_left_to_right(std::uint32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= 0xc0 && c < 0x590) || (c >= 0x660 && c <= 0x669) || (c >= 0x6f0 && c <= 0x6f9);
}

std::uint32_t mirrored(std::uint32_t c) {
  static constexpr std::array<std::uint32_t, 10> pairs{'(', ')', '[', ']',  '{',
                                                       '}', '<', '>', 0xab, 0xbb};
  const auto at = std::find(pairs.begin(), pairs.end(), c);
  return at == pairs.end() ? c : pairs[static_cast<std::size_t>(at - pairs.begin()) ^ 1];
}

struct Character {
  std::uint32_t code_point = 0;
  int index = 0;    ///< in the page
  double left = 0;  ///< set in lines that run from right to left
};

struct Line {
  std::vector<Character> characters;
  double size = 0;    ///< of its largest letter, in points
  double bottom = 0;  ///< of its last letter
  std::size_t right_to_left = 0;

  bool runs_from_right_to_left() const { return right_to_left * 2 > characters.size(); }
};

/// Puts a line that runs from right to left into reading order, by where its letters stand.
void order_right_to_left(std::vector<Character>& line) {
  std::stable_sort(line.begin(), line.end(),
                   [](const auto& a, const auto& b) { return a.left > b.left; });
  for (std::size_t i = 0; i < line.size();) {
    if (!is_left_to_right(line[i].code_point)) {
      line[i].code_point = mirrored(line[i].code_point);
      ++i;
      continue;
    }
    auto last = i;
    for (auto at = i + 1; at < line.size() && !is_right_to_left(line[at].code_point); ++at)
      if (is_left_to_right(line[at].code_point)) last = at;
    std::reverse(line.begin() + static_cast<std::ptrdiff_t>(i),
                 line.begin() + static_cast<std::ptrdiff_t>(last) + 1);
    i = last + 1;
  }
}

std::string text_of(Line& line) {
  if (line.runs_from_right_to_left()) order_right_to_left(line.characters);
  std::string text;
  for (const auto& character : line.characters)
    if (character.code_point != ' ' || (!text.empty() && text.back() != ' '))
      append_code_point(text, character.code_point);
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

std::string from_utf16(const std::vector<unsigned short>& units, unsigned long bytes) {
  std::string text;
  const auto count = std::min<std::size_t>(bytes / 2, units.size());
  for (std::size_t i = 0; i < count && units[i] != 0; ++i) {
    std::uint32_t unit = units[i];
    if (unit >= 0xd800 && unit < 0xdc00 && i + 1 < count && units[i + 1] >= 0xdc00 &&
        units[i + 1] < 0xe000)
      unit = 0x10000 + ((unit - 0xd800) << 10) + (units[++i] - 0xdc00u);
    append_code_point(text, unit < 0x20 ? ' ' : unit);
  }
  return text;
}

/// How often letters of a size occur: the most usual size is that of plain text.
class Sizes {
 public:
  void count(double points) {
    const auto slot = static_cast<int>(points * 4);
    if (slot > 0 && slot < static_cast<int>(seen_.size())) ++seen_[static_cast<std::size_t>(slot)];
  }
  double usual() const {
    const auto most = std::max_element(seen_.begin(), seen_.end());
    return *most == 0 ? 0 : static_cast<double>(most - seen_.begin()) / 4;
  }

 private:
  std::array<unsigned, 400> seen_{};
};

/// Joins lines to paragraphs, and tells headings by the size of their letters.
class Paragraphs {
 public:
  Paragraphs(double usual, Blocks& out) : usual_(usual), out_(out) {}

  void add(Line& line) {
    const auto text = text_of(line);
    if (text.empty()) return;
    const double gap = bottom_ - line.bottom;
    const bool is_far = gap > 1.75 * std::max(size_, line.size);
    const bool is_other = line.size > size_ * 1.08 || line.size < size_ * 0.92;
    const bool is_above = gap < -1 && std::islower(static_cast<unsigned char>(text[0])) == 0;
    if (text_.empty() || is_far || is_other || is_above) end();
    if (!text_.empty()) text_ += ' ';
    append_to_paragraph(text_, text, out_);
    if (lines_++ == 0) size_ = line.size;
    bottom_ = line.bottom;
  }

  void end() {
    constexpr std::size_t heading_bytes_max = 300;
    const bool is_heading =
        size_ > usual_ * 1.12 && lines_ <= 3 && text_.size() < heading_bytes_max;
    const unsigned level = size_ > usual_ * 1.7 ? 1 : size_ > usual_ * 1.35 ? 2 : 3;
    if (is_heading)
      out_.put(Frame::heading, level, text_);
    else
      out_.text(text_);
    text_.clear();
    lines_ = 0;
  }

 private:
  const double usual_;
  Blocks& out_;
  std::string text_;
  double size_ = 0, bottom_ = 0;
  int lines_ = 0;
};

class PdfText {
 public:
  PdfText(const PdfiumCalls& calls, Handle document, Blocks& out)
      : calls_(calls), document_(document), out_(out) {}

  void read() {
    const auto title = string([&](void* to, unsigned long bytes) {
      return calls_.meta_text(document_, "Title", to, bytes);
    });
    if (!title.empty()) out_.put(Frame::metadata, 0, "title\t" + title);
    const int pages = calls_.page_count(document_);
    for (int number = 0; number < pages; ++number) read_page(number);
  }

 private:
  template <class Ask>
  std::string string(Ask ask) {
    // One buffer for all texts: asking for the length first would make PDFium decode each of them
    // twice.
    if (units_.empty()) units_.resize(32'768);
    units_[0] = 0;
    const unsigned long room = units_.size() * 2;
    const auto bytes = ask(static_cast<void*>(units_.data()), room);
    return bytes <= 2 || bytes > room ? std::string() : from_utf16(units_, bytes);
  }

  void read_page(int number) {
    out_.page(string([&](void* to, unsigned long bytes) {
      return calls_.page_label(document_, number, to, bytes);
    }));
    const auto page = calls_.load_page(document_, number);
    if (page == nullptr) return out_.warn("pdf: a page");
    if (const auto text = calls_.load_text(page)) {
      auto lines = lines_of(text);
      // The usual size of letters tells headings from text. It is known better with every page.
      Paragraphs paragraphs(sizes_.usual(), out_);
      for (auto& line : lines) paragraphs.add(line);
      paragraphs.end();
      calls_.close_text(text);
    }
    read_annotations(page);
    calls_.close_page(page);
  }

  std::vector<Line> lines_of(Handle text) {
    std::vector<Line> lines(1);
    const int count = calls_.char_count(text);
    for (int i = 0; i < count; ++i) {
      auto c = calls_.unicode(text, i);
      if (c == '\n' && !lines.back().characters.empty()) lines.emplace_back();
      // PDFium's mark of a hyphen at the end of a line is 2; the word goes on.
      if (c == '\n' || c == '\r' || c == 0 || c == 2 || c == 0xfffe || c == 0xad) continue;
      if (c >= 0xd800 && c < 0xdc00 && i + 1 < count) {
        const auto low = calls_.unicode(text, i + 1);
        if (low >= 0xdc00 && low < 0xe000) {
          c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
          ++i;
        }
      }
      add(lines.back(), text, i, c < 0x20 || c == 0xa0 ? ' ' : c);
    }
    for (auto& line : lines) place(line, text);
    return lines;
  }

  void add(Line& line, Handle text, int index, std::uint32_t c) {
    line.characters.push_back({c, index});
    if (c == ' ') return;
    const double size = calls_.font_size(text, index);
    line.size = std::max(line.size, size);
    line.right_to_left += is_right_to_left(c) ? 1 : 0;
    sizes_.count(size);
  }

  /// Says where a line stands, and in one from right to left where each of its letters does.
  void place(Line& line, Handle text) {
    double right = 0, top = 0;
    const auto is_letter = [](const Character& character) { return character.code_point != ' '; };
    const auto last = std::find_if(line.characters.rbegin(), line.characters.rend(), is_letter);
    double left = 0;
    if (last != line.characters.rend())
      calls_.char_box(text, last->index, &left, &right, &line.bottom, &top);
    if (!line.runs_from_right_to_left()) return;
    double bottom = 0;
    for (auto& character : line.characters)
      calls_.char_box(text, character.index, &character.left, &right, &bottom, &top);
  }

  void read_annotations(Handle page) {
    constexpr int annotations_max = 2'000, popup = 16;  // FPDF_ANNOT_POPUP repeats its note
    const int count = std::min(calls_.annot_count(page), annotations_max);
    for (int i = 0; i < count; ++i) {
      const auto note = calls_.annot(page, i);
      if (note == nullptr) continue;
      if (calls_.annot_subtype(note) != popup)
        for (const char* key : {"Contents", "V"})
          out_.text(string([&](void* to, unsigned long bytes) {
            return calls_.annot_string(note, key, to, bytes);
          }));
      calls_.close_annot(note);
    }
  }

  const PdfiumCalls& calls_;
  const Handle document_;
  Blocks& out_;
  Sizes sizes_;  ///< of all pages so far
  std::vector<unsigned short> units_;
};

template <class Call>
void find(void* library, const char* name, Call*& call, bool& found) {
  call = reinterpret_cast<Call*>(::dlsym(library, name));
  found = found && call != nullptr;
}

bool find_all(void* library, PdfiumCalls& calls) {
  bool found = true;
  find(library, "FPDF_InitLibrary", calls.init_library, found);
  find(library, "FPDF_LoadMemDocument64", calls.load_document, found);
  find(library, "FPDF_GetLastError", calls.last_error, found);
  find(library, "FPDF_GetPageCount", calls.page_count, found);
  find(library, "FPDF_GetPageLabel", calls.page_label, found);
  find(library, "FPDF_GetMetaText", calls.meta_text, found);
  find(library, "FPDF_LoadPage", calls.load_page, found);
  find(library, "FPDF_ClosePage", calls.close_page, found);
  find(library, "FPDFText_LoadPage", calls.load_text, found);
  find(library, "FPDFText_ClosePage", calls.close_text, found);
  find(library, "FPDFText_CountChars", calls.char_count, found);
  find(library, "FPDFText_GetUnicode", calls.unicode, found);
  find(library, "FPDFText_GetFontSize", calls.font_size, found);
  find(library, "FPDFText_GetCharBox", calls.char_box, found);
  find(library, "FPDFPage_GetAnnotCount", calls.annot_count, found);
  find(library, "FPDFPage_GetAnnot", calls.annot, found);
  find(library, "FPDFPage_CloseAnnot", calls.close_annot, found);
  find(library, "FPDFAnnot_GetSubtype", calls.annot_subtype, found);
  find(library, "FPDFAnnot_GetStringValue", calls.annot_string, found);
  return found;
}

}  // namespace

Pdfium::Pdfium(std::unique_ptr<PdfiumCalls> calls) : calls_(std::move(calls)) {}
Pdfium::~Pdfium() = default;

std::unique_ptr<Pdfium> Pdfium::load(const std::string& path) {
  if (path.empty()) return nullptr;
  // Loaded before the sandbox closes, because opening a file is forbidden then; and by its C
  // interface, so that the program runs without it.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  auto calls = std::make_unique<PdfiumCalls>();
  if (!find_all(library, *calls)) return nullptr;
  calls->init_library();
  return std::unique_ptr<Pdfium>(new Pdfium(std::move(calls)));
}

void read_pdf(const Pdfium& pdfium, std::string_view bytes, Blocks& out) {
  constexpr unsigned long needs_password = 4, unknown_security = 5;  // FPDF_ERR_PASSWORD, _SECURITY
  const auto& calls = pdfium.calls();
  const auto document = calls.load_document(bytes.data(), bytes.size(), nullptr);
  if (document == nullptr) {
    const auto error = calls.last_error();
    throw Stop(error == needs_password || error == unknown_security ? End::encrypted : End::damaged,
               "pdf: does not open");
  }
  // Nothing is closed where Stop passes: the process ends.
  PdfText(calls, document, out).read();
}

}  // namespace memseal::extract
