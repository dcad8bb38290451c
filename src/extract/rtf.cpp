// RTF 1.9.1. No tree and no recursion: groups are a stack of bounded depth.
#include "extract/charset.hpp"
#include "extract/formats.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <vector>

namespace memseal::extract {

namespace {

constexpr std::size_t groups_max = 500, fonts_max = 5'000, styles_max = 5'000;

/// The code page of \fcharsetN; 0: the document's own.
int code_page_of_charset(int charset) {
  static constexpr std::array<std::pair<int, int>, 13> pages{{{77, 10000},
                                                              {128, 932},
                                                              {129, 949},
                                                              {134, 936},
                                                              {136, 950},
                                                              {161, 1253},
                                                              {162, 1254},
                                                              {177, 1255},
                                                              {178, 1256},
                                                              {186, 1257},
                                                              {204, 1251},
                                                              {222, 874},
                                                              {238, 1250}}};
  for (const auto& [known, page] : pages)
    if (known == charset) return page;
  return 0;
}

/// ICU's name.
std::string name_of_code_page(int page) {
  switch (page) {
    case 932:
      return "ibm-943_P15A-2003";
    case 936:
      return "gb18030";
    case 950:
      return "Big5";
    case 10000:
      return "macintosh";
    case 65001:
      return "UTF-8";
    default:
      return "windows-" + std::to_string(page);
  }
}

/// Groups with these words hold no text of the document.
bool is_destination(std::string_view word) {
  static constexpr std::array<std::string_view, 17> words{
      "colortbl",  "info",         "pict",      "object",
      "themedata", "datastore",    "listtable", "listoverridetable",
      "rsidtbl",   "generator",    "fldinst",   "nonshppict",
      "xmlnstbl",  "latentstyles", "filetbl",   "revtbl",
      "mmathPr"};
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string_view character_of(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> known{
      {{"emdash", "\u2014"},
       {"endash", "\u2013"},
       {"lquote", "\u2018"},
       {"rquote", "\u2019"},
       {"ldblquote", "\u201c"},
       {"rdblquote", "\u201d"},
       {"bullet", "\u2022"},
       {"line", "\n"},
       {"tab", "\t"}}};
  for (const auto& [name, text] : known)
    if (name == word) return text;
  return {};
}

class RtfText {
 public:
  RtfText(std::string_view text, Blocks& out) : text_(text), out_(out) { groups_.emplace_back(); }

  void read() {
    out_.page();
    while (at_ < text_.size()) read_one();
    decode();
    in_table_ = false;
    end_paragraph();
  }

 private:
  enum class Place { text, fonts, styles, style };
  struct Group {
    bool is_skipped = false;
    int fallback_bytes = 1;  ///< \ucN: bytes after \u for readers that do not know it
    int font = -1;
    Place place = Place::text;
  };
  struct Word {
    std::string_view name;
    bool has_value = false;
    int value = 0;
  };

  void read_one() {
    const char c = text_[at_++];
    if (c == '{') {
      decode();
      if (groups_.size() >= groups_max) throw Stop(End::damaged, "rtf: too deep");
      // A group begins with the state of the one around it, and its end restores that: so a stack
      // of copies is the whole rule.
      groups_.push_back(groups_.back());
    } else if (c == '}') {
      end_group();
    } else if (c == '\\') {
      if (at_ < text_.size()) read_control();
    } else if (c != '\r' && c != '\n') {
      add_byte(c);
    }
  }

  void add_byte(char byte) {
    // After \u come bytes for readers that do not know it. They repeat the character.
    if (fallback_left_ > 0)
      --fallback_left_;
    else
      bytes_ += byte;
  }

  void end_group() {
    decode();
    const bool ends_style = groups_.back().place == Place::style && groups_.size() > 1 &&
                            groups_[groups_.size() - 2].place == Place::styles;
    if (ends_style) end_style();
    if (groups_.size() > 1) groups_.pop_back();
  }

  void end_style() {
    std::transform(style_name_.begin(), style_name_.end(), style_name_.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (style_ >= 0 && style_name_.starts_with("heading ") && style_name_.size() > 8 &&
        style_name_[8] >= '1' && style_name_[8] <= '9' && headings_.size() < styles_max)
      headings_[style_] = static_cast<unsigned>(style_name_[8] - '0');
    style_name_.clear();
    style_ = -1;
  }

  void read_control() {
    const char c = text_[at_];
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) return handle(word());
    ++at_;
    if (c == '\'') {
      const int high = at_ < text_.size() ? hex_digit(text_[at_]) : -1;
      const int low = at_ + 1 < text_.size() ? hex_digit(text_[at_ + 1]) : -1;
      at_ = std::min(at_ + 2, text_.size());
      if (high >= 0 && low >= 0) add_byte(static_cast<char>(high << 4 | low));
      return;
    }
    if (c == '\\' || c == '{' || c == '}') return add_byte(c);
    decode();
    // \* begins a destination that readers which do not know it leave out, and none of those is
    // known here.
    if (c == '*') groups_.back().is_skipped = true;
    if (groups_.back().is_skipped) return;
    if (c == '~') add("\u00a0");
    if (c == '_') add("-");
    if (c == '\n' || c == '\r') end_paragraph();
  }

  Word word() {
    constexpr std::size_t name_max = 32, digits_max = 9;
    const auto begin = at_;
    while (at_ < text_.size() && at_ - begin < name_max &&
           std::isalpha(static_cast<unsigned char>(text_[at_])) != 0)
      ++at_;
    Word word{text_.substr(begin, at_ - begin)};
    auto end = at_;
    const bool is_negative = end < text_.size() && text_[end] == '-';
    if (is_negative) ++end;
    const auto digits = end;
    for (; end < text_.size() && end - digits < digits_max && hex_digit(text_[end]) >= 0 &&
           hex_digit(text_[end]) < 10;
         ++end)
      word.value = word.value * 10 + hex_digit(text_[end]);
    if (end > digits) {
      word.has_value = true;
      at_ = end;
      if (is_negative) word.value = -word.value;
    }
    if (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return word;
  }

  void handle(const Word& word) {
    decode();
    auto& group = groups_.back();
    const auto name = word.name;
    if (name == "u") {
      handle_unicode(static_cast<std::uint32_t>(word.value) & 0xffff);
    } else if (name == "bin") {
      // Raw bytes of an image, in which braces and backslashes mean nothing.
      if (word.value > 0) at_ = std::min(at_ + static_cast<std::size_t>(word.value), text_.size());
    } else if (name == "uc") {
      // A large number would swallow the rest of the document.
      group.fallback_bytes = word.has_value ? std::clamp(word.value, 0, 8) : 1;
    } else if (name == "ansicpg") {
      code_page_ = word.value;
    } else if (name == "mac") {
      code_page_ = 10'000;
    } else if (name == "fonttbl" || name == "stylesheet") {
      group.is_skipped = true;
      group.place = name == "fonttbl" ? Place::fonts : Place::styles;
    } else if (name == "f") {
      // In the table of fonts \f names the font that is described, elsewhere the font that is used.
      (group.place == Place::fonts ? listed_font_ : group.font) = word.value;
    } else if (name == "fcharset") {
      if (listed_font_ >= 0 && fonts_.size() < fonts_max)
        fonts_[listed_font_] = code_page_of_charset(word.value);
    } else if (name == "s") {
      handle_style(group, word.value);
    } else if (is_destination(name)) {
      group.is_skipped = true;
    } else if (!group.is_skipped) {
      handle_layout(word);
    }
  }

  void handle_unicode(std::uint32_t unit) {
    fallback_left_ = groups_.back().fallback_bytes;
    if (unit >= 0xd800 && unit < 0xdc00) {
      high_surrogate_ = unit;
      return;
    }
    if (unit >= 0xdc00 && unit < 0xe000 && high_surrogate_ != 0)
      unit = 0x10000 + ((high_surrogate_ - 0xd800) << 10) + (unit - 0xdc00);
    high_surrogate_ = 0;
    std::string character;
    append_code_point(character, unit);
    add(character);
  }

  void handle_style(Group& group, int style) {
    if (group.place == Place::styles || group.place == Place::style) {
      style_ = style;
      group.place = Place::style;
    } else {
      // The style sheet stands before the text, so the styles of headings are known here.
      const auto level = headings_.find(style);
      heading_ = level == headings_.end() ? 0 : level->second;
    }
  }

  void handle_layout(const Word& word) {
    const auto name = word.name;
    if (name == "par" || name == "sect") {
      end_paragraph();
    } else if (name == "pard") {
      heading_ = 0;
      in_table_ = false;
    } else if (name == "intbl") {
      in_table_ = true;
    } else if (name == "outlinelevel") {
      if (word.value >= 0 && word.value < 9) heading_ = static_cast<unsigned>(word.value) + 1;
    } else if (name == "cell") {
      append_to_paragraph(row_, paragraph_ + "\t", out_);
      paragraph_.clear();
    } else if (name == "row") {
      out_.put(Frame::row, 0, row_);
      row_.clear();
      in_table_ = false;
    } else if (name == "page" || name == "softpage") {
      // A page may break within a row, whose cells are still to come.
      if (!in_table_) end_paragraph();
      out_.page();
    } else {
      add(character_of(name));
    }
  }

  void decode() {
    if (bytes_.empty()) return;
    const auto font = fonts_.find(groups_.back().font);
    const int page = font != fonts_.end() && font->second != 0 ? font->second : code_page_;
    // ASCII is the same in all of them, and most runs are; to open a converter takes longer.
    const bool is_ascii = std::all_of(bytes_.begin(), bytes_.end(),
                                      [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    add(is_ascii ? bytes_ : to_utf8(bytes_, name_of_code_page(page)));
    bytes_.clear();
  }

  void add(std::string_view text) {
    constexpr std::size_t name_max = 1'000;
    if (groups_.back().place == Place::style) {
      if (style_name_.size() < name_max) style_name_ += text;
    } else if (!groups_.back().is_skipped) {
      append_to_paragraph(paragraph_, text, out_);
    }
  }

  void end_paragraph() {
    decode();
    if (in_table_) return add(" ");
    out_.put(heading_ > 0 ? Frame::heading : Frame::paragraph, heading_, paragraph_);
    paragraph_.clear();
  }

  const std::string_view text_;
  Blocks& out_;
  std::size_t at_ = 0;
  std::vector<Group> groups_;
  std::map<int, int> fonts_;          ///< their code pages
  std::map<int, unsigned> headings_;  ///< levels of styles
  std::string bytes_, paragraph_, row_, style_name_;
  int code_page_ = 1252, listed_font_ = -1, style_ = -1, fallback_left_ = 0;
  unsigned heading_ = 0;
  std::uint32_t high_surrogate_ = 0;
  bool in_table_ = false;
};

}  // namespace

void read_rtf(std::string_view bytes, Blocks& out) { RtfText(bytes, out).read(); }

}  // namespace memseal::extract
