// HTML by tokens: linear in the input, no recursion, the memory of one block.
// Names of elements and references: HTML Living Standard, sections 4, 13.2.5 and 13.5.
#include "extract/charset.hpp"
#include "extract/formats.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

namespace memseal::extract {

namespace {

using Names = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view name, Names names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_block(std::string_view name) {
  return is_one_of(name, {"p",       "div",    "li",      "ul",     "ol",      "section",
                          "article", "main",   "dt",      "dd",     "dl",      "blockquote",
                          "table",   "figure", "caption", "header", "body",    "figcaption",
                          "address", "hr",     "form",    "center", "details", "summary",
                          "option",  "thead",  "tbody",   "tfoot",  "legend",  "fieldset"});
}

/// Their content is no HTML and ends at their own end tag.
bool is_raw(std::string_view name) {
  return is_one_of(
      name, {"script", "style", "textarea", "title", "noembed", "xmp", "iframe", "noframes"});
}

bool is_left_out(std::string_view name) {
  return is_one_of(name, {"nav", "aside", "footer", "template", "svg", "select", "button", "object",
                          "head", "math"});
}

struct Reference {
  std::string_view name;
  std::uint32_t code_point;
};

// Table: the references that texts use; others stay as they are.
constexpr std::array references{
    Reference{"amp", '&'},      Reference{"lt", '<'},       Reference{"gt", '>'},
    Reference{"quot", '"'},     Reference{"apos", '\''},    Reference{"nbsp", ' '},
    Reference{"copy", 0xa9},    Reference{"reg", 0xae},     Reference{"trade", 0x2122},
    Reference{"mdash", 0x2014}, Reference{"ndash", 0x2013}, Reference{"hellip", 0x2026},
    Reference{"lsquo", 0x2018}, Reference{"rsquo", 0x2019}, Reference{"ldquo", 0x201c},
    Reference{"rdquo", 0x201d}, Reference{"bull", 0x2022},  Reference{"middot", 0xb7},
    Reference{"laquo", 0xab},   Reference{"raquo", 0xbb},   Reference{"euro", 0x20ac},
    Reference{"pound", 0xa3},   Reference{"yen", 0xa5},     Reference{"sect", 0xa7},
    Reference{"deg", 0xb0},     Reference{"times", 0xd7},   Reference{"plusmn", 0xb1},
    Reference{"eacute", 0xe9},  Reference{"egrave", 0xe8},  Reference{"ecirc", 0xea},
    Reference{"agrave", 0xe0},  Reference{"aacute", 0xe1},  Reference{"acirc", 0xe2},
    Reference{"ccedil", 0xe7},  Reference{"ntilde", 0xf1},  Reference{"iacute", 0xed},
    Reference{"oacute", 0xf3},  Reference{"ocirc", 0xf4},   Reference{"uacute", 0xfa},
    Reference{"aring", 0xe5},   Reference{"aelig", 0xe6},   Reference{"oslash", 0xf8},
    Reference{"auml", 0xe4},    Reference{"ouml", 0xf6},    Reference{"uuml", 0xfc},
    Reference{"Auml", 0xc4},    Reference{"Ouml", 0xd6},    Reference{"Uuml", 0xdc},
    Reference{"szlig", 0xdf},   Reference{"shy", 0xad},     Reference{"ensp", ' '},
    Reference{"emsp", ' '},     Reference{"thinsp", ' '},   Reference{"zwnj", 0x200c},
    Reference{"zwj", 0x200d},   Reference{"larr", 0x2190},  Reference{"rarr", 0x2192}};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  for (std::size_t i = 0; i < lower_case.size(); ++i)
    if (lower(text[i]) != lower_case[i]) return false;
  return true;
}

/// What a document says of its own charset; empty: nothing.
std::string told_charset(std::string_view bytes) {
  constexpr std::size_t looked_at_max = 65'536;
  std::string head(bytes.substr(0, looked_at_max));
  for (auto& c : head) c = lower(c);
  auto at = head.find("charset=");
  if (at == head.npos) return {};
  at = head.find_first_not_of("\"' ", at + 8);
  if (at == head.npos) return {};
  return head.substr(
      at, std::min<std::size_t>(
              40, head.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_", at) - at));
}

struct Tag {
  std::string name;
  std::string_view attributes;
  bool is_end = false;
  std::size_t after = 0;  ///< where the text goes on
};

class HtmlText {
 public:
  HtmlText(std::string_view text, Blocks& out) : text_(text), out_(out) {}

  void read() {
    while (at_ < text_.size()) {
      if (text_[at_] != '<') {
        const auto end = std::min(text_.find('<', at_), text_.size());
        add(text_.substr(at_, end - at_));
        at_ = end;
      } else if (text_.substr(at_, 4) == "<!--") {
        skip_past("-->", at_ + 4);
      } else {
        read_markup();
      }
    }
    in_row_ = false;
    flush();
  }

 private:
  void skip_past(std::string_view mark, std::size_t from) {
    const auto end = text_.find(mark, from);
    at_ = end == text_.npos ? text_.size() : end + mark.size();
  }

  void read_markup() {
    // By the standard only a letter begins a tag: "a < b" is text.
    const bool is_end = at_ + 1 < text_.size() && text_[at_ + 1] == '/';
    const auto name = at_ + (is_end ? 2 : 1);
    if (name < text_.size() && is_letter(text_[name])) return handle(tag_at(name, is_end));
    if (is_end || (name < text_.size() && (text_[name] == '!' || text_[name] == '?')))
      return skip_past(">", name);
    add("<");
    ++at_;
  }

  Tag tag_at(std::size_t name, bool is_end) {
    constexpr std::size_t name_bytes_max = 32;
    Tag tag;
    tag.is_end = is_end;
    auto at = name;
    for (; at < text_.size() && !is_space(text_[at]) && text_[at] != '>' && text_[at] != '/'; ++at)
      if (tag.name.size() < name_bytes_max) tag.name += lower(text_[at]);
    const auto from = at;
    char quote = 0;
    for (; at < text_.size() && (quote != 0 || text_[at] != '>'); ++at) {
      const char c = text_[at];
      if (quote != 0)
        quote = c == quote ? '\0' : quote;
      // A quote elsewhere is part of a name or of a value without quotes, and a tag with a stray
      // one would swallow the page.
      else if ((c == '"' || c == '\'') && text_[at - 1] == '=')
        quote = c;
    }
    tag.attributes = text_.substr(from, at - from);
    tag.after = std::min(at + 1, text_.size());
    return tag;
  }

  void handle(const Tag& tag) {
    at_ = tag.after;
    const std::string_view name = tag.name;
    if (!tag.is_end && is_raw(name)) return read_raw(name);
    if (is_left_out(name)) return leave_out(tag);
    if (name == "body" && !tag.is_end) {  // a head that was not closed
      left_out_ -= open_["head"];
      open_["head"] = 0;
    }
    if (name == "br") {
      if (left_out_ == 0) block_ += '\n';
    } else if (name == "td" || name == "th") {
      if (!tag.is_end && in_row_ && cells_++ > 0 && left_out_ == 0) block_ += '\t';
    } else if (name == "tr" || (tag.is_end && name == "table")) {
      turn_row(tag.is_end);
    } else if (name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6') {
      if (in_row_ && !tag.is_end) return;
      flush();
      heading_ = tag.is_end ? 0 : static_cast<unsigned>(name[1] - '0');
    } else if (name == "pre") {
      flush();
      is_pre_ = !tag.is_end;
    } else if (is_block(name)) {
      flush();
    }
  }

  void read_raw(std::string_view name) {
    auto end = at_;
    for (;; end += 2) {
      end = text_.find("</", end);
      if (end == text_.npos) {
        end = text_.size();
        break;
      }
      if (starts_with_ignoring_case(text_.substr(end + 2), name)) break;
    }
    const auto content = text_.substr(at_, end - at_);
    at_ = end;
    // What people read of them. The others are code, or the title, which goes into the metadata.
    if (name == "textarea" || name == "xmp") add(content);
    if (name != "title" || open_["svg"] > 0) return;
    auto block = std::exchange(block_, {});
    const auto left_out = std::exchange(left_out_, 0);
    add(first_characters(content, 1'000));
    // add() decodes references into block_, so the block in progress makes room for it.
    if (!block_.empty()) out_.put(Frame::metadata, 0, "title\t" + block_);
    block_ = std::move(block);
    left_out_ = left_out;
  }

  void leave_out(const Tag& tag) {
    flush();
    auto& open = open_[tag.name];
    if (tag.is_end && open > 0) {
      block_.clear();
      --open;
      --left_out_;
    // Counted by name: an end tag that closes nothing must not bring back what another element left
    // out.
    } else if (!tag.is_end && !tag.attributes.ends_with('/')) {
      ++open;
      ++left_out_;
    }
  }

  void turn_row(bool is_end) {
    if (in_row_)
      flush_as(Frame::row, 0);
    else if (!is_end)
      flush();
    in_row_ = !is_end;
    cells_ = 0;
  }

  void flush() {
    if (in_row_) {
      if (!block_.empty() && !is_space(block_.back())) block_ += ' ';
      return;
    }
    flush_as(heading_ > 0 ? Frame::heading : Frame::paragraph, heading_);
  }

  void flush_as(Frame type, unsigned level) {
    if (left_out_ == 0) out_.put(type, level, block_);
    block_.clear();
  }

  void add(std::string_view text) {
    if (left_out_ > 0) return;
    for (std::size_t at = 0; at < text.size();) {
      if (text[at] == '&') {
        at = add_reference(text, at);
      } else if (!is_pre_ && is_space(text[at])) {
        if (!block_.empty() && !is_space(block_.back())) block_ += ' ';
        ++at;
      } else {
        block_ += text[at++];
      }
      // Between characters, because the next byte begins one.
      if (block_.size() > payload_bytes_max / 2 && at < text.size() &&
          (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80)
        flush_as(Frame::paragraph, 0);
    }
  }

  /// Appends the character that a reference names, and returns where the text goes on.
  std::size_t add_reference(std::string_view text, std::size_t at) {
    auto end = at + 1;
    std::uint32_t code_point = 0;
    if (end < text.size() && text[end] == '#') {
      const bool is_hex = end + 1 < text.size() && lower(text[end + 1]) == 'x';
      end += is_hex ? 2 : 1;
      constexpr std::size_t digits_max = 8;
      for (std::size_t i = 0; i < digits_max && end < text.size(); ++i, ++end) {
        const char c = lower(text[end]);
        const bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(is_hex && c >= 'a' && c <= 'f')) break;
        code_point = code_point * (is_hex ? 16 : 10) +
                     static_cast<std::uint32_t>(is_digit ? c - '0' : c - 'a' + 10);
      }
    } else {
      constexpr std::size_t name_bytes_max = 8;
      while (end < text.size() && end - at <= name_bytes_max && is_letter(text[end])) ++end;
      const auto name = text.substr(at + 1, end - at - 1);
      for (const auto& known : references)
        if (known.name == name) code_point = known.code_point;
    }
    if (code_point == 0) {
      block_ += '&';
      return at + 1;
    }
    constexpr std::uint32_t soft_hyphen = 0xad;
    if (code_point <= ' ')
      block_ += ' ';
    else if (code_point != soft_hyphen)
      append_code_point(block_, code_point);
    return end < text.size() && text[end] == ';' ? end + 1 : end;
  }

  const std::string_view text_;
  Blocks& out_;
  std::size_t at_ = 0;
  std::string block_;
  std::map<std::string, int> open_;  ///< of what is left out
  int left_out_ = 0, cells_ = 0;
  unsigned heading_ = 0;
  bool in_row_ = false, is_pre_ = false;
};

}  // namespace

bool is_html(std::string_view bytes) {
  constexpr std::size_t looked_at_max = 1'024;
  auto head = bytes.substr(0, looked_at_max);
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  for (;;) {
    head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\f"), head.size()));
    const auto end = head.starts_with("<!--") ? head.find("-->")
                     : head.starts_with("<?") ? head.find('>')
                                              : head.npos;
    if (end == head.npos) break;
    head.remove_prefix(end + 1);
    if (head.starts_with("->")) head.remove_prefix(2);
  }
  // Other XML may begin with <header> or <headword>.
  const auto begins_with_tag = [&](std::string_view tag) {
    constexpr std::string_view ends = " \t\r\n\f/>";
    return starts_with_ignoring_case(head, tag) &&
           (head.size() == tag.size() || ends.find(head[tag.size()]) != ends.npos);
  };
  return begins_with_tag("<!doctype html") || begins_with_tag("<html") ||
         begins_with_tag("<head") || begins_with_tag("<body");
}

void read_html(std::string_view bytes, Blocks& out) {
  const auto text = to_utf8(bytes, is_utf8(bytes) ? std::string() : told_charset(bytes));
  HtmlText(text, out).read();
}

}  // namespace memseal::extract
