// Mail (RFC 5322, 2045 to 2047) and mailboxes. Own code: a kept parser builds the whole tree first,
// and takes gigabytes for a header of a few megabytes.
#include "extract/charset.hpp"
#include "extract/formats.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

namespace memseal::extract {

namespace {

constexpr int depth_max = 20, parts_max = 1'000;

std::string lower_case(std::string_view text) {
  std::string all(text);
  for (auto& c : all) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return all;
}

std::string decode_base64(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = digits.find(c);
    // Lenient, unlike codec::decode_base64(): a mail that lost a byte on its way still has the rest
    // of its text.
    if (value == digits.npos) continue;  // line ends, padding, garbage
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count);
  }
  return bytes;
}

/// `is_header`: an underscore is a space.
std::string decode_quoted(std::string_view text, bool is_header) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto next = [&](std::size_t n) { return i + n < text.size() ? text[i + n] : '\0'; };
    if (text[i] == '=' && hex_digit(next(1)) >= 0 && hex_digit(next(2)) >= 0) {
      bytes += static_cast<char>(hex_digit(next(1)) << 4 | hex_digit(next(2)));
      i += 2;
    } else if (text[i] == '=' && (next(1) == '\n' || next(1) == '\r')) {
      i += next(1) == '\r' && next(2) == '\n' ? 2 : 1;
    } else {
      bytes += is_header && text[i] == '_' ? ' ' : text[i];
    }
  }
  return bytes;
}

/// One "=?charset?B or Q?text?=" at the front; its size, or 0.
std::size_t decode_word(std::string_view text, std::string& to) {
  if (!text.starts_with("=?")) return 0;
  const auto charset = text.find('?', 2);
  if (charset == text.npos || charset + 2 >= text.size() || text[charset + 2] != '?') return 0;
  const auto end = text.find("?=", charset + 3);
  if (end == text.npos) return 0;
  const auto name = text.substr(2, charset - 2);
  const auto coded = text.substr(charset + 3, end - charset - 3);
  const bool is_base64 = (text[charset + 1] | 0x20) == 'b';
  to += to_utf8(is_base64 ? decode_base64(coded) : decode_quoted(coded, true),
                // RFC 2231 lets a language follow the charset: utf-8*en.
                name.substr(0, name.find('*')));
  return end + 2;
}

std::string decode_header(std::string_view value) {
  std::string text;
  std::size_t word_end = text.npos;  // of a word that nothing but white space follows so far
  while (!value.empty()) {
    std::string word;
    if (const auto size = decode_word(value, word); size > 0) {
      if (word_end != text.npos) text.resize(word_end);  // white space between two words is dropped
      text += word;
      word_end = text.size();
      value.remove_prefix(size);
    } else {
      if (value.front() != ' ') word_end = text.npos;
      text += value.front();
      value.remove_prefix(1);
    }
  }
  return to_utf8(text);
}

/// The fields of a header by lower-case name; the first of a name counts.
class Header {
 public:
  /// Returns what follows the header.
  std::string_view read(std::string_view text) {
    constexpr std::size_t fields_max = 1'000, value_max = 65'536;
    std::string* open = nullptr;
    while (!text.empty()) {
      auto line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) break;
      const auto value = [](std::string_view of) {
        of.remove_prefix(std::min(of.find_first_not_of(" \t"), of.size()));
        return of.substr(0, value_max);
      };
      // A folded line goes on with the field before it.
      if (line.front() == ' ' || line.front() == '\t') {
        if (open != nullptr && open->size() < value_max) (*open += ' ') += value(line);
        continue;
      }
      const auto colon = line.find(':');
      open = nullptr;
      if (colon == line.npos || fields_.size() >= fields_max) continue;
      const auto [field, is_new] =
          fields_.emplace(lower_case(line.substr(0, colon)), value(line.substr(colon + 1)));
      if (is_new) open = &field->second;
    }
    return text;
  }

  bool has(const std::string& name) const { return fields_.contains(name); }
  std::string get(const std::string& name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? std::string() : found->second;
  }

 private:
  std::map<std::string, std::string> fields_;
};

/// `name=value` or `name="value"` of a field.
std::string parameter(const std::string& field, const std::string& name) {
  const auto small = lower_case(field);
  const auto key = name + "=";
  for (auto at = small.find(key); at != small.npos; at = small.find(key, at + 1)) {
    const char before = at == 0 ? ' ' : small[at - 1];
    if (before != ' ' && before != ';' && before != '\t') continue;
    const auto from = at + key.size();
    if (from < field.size() && field[from] == '"')
      return field.substr(from + 1, field.find('"', from + 1) - from - 1);
    return field.substr(from, field.find_first_of("; \t", from) - from);
  }
  return {};
}

/// The word before the parameters, in lower case.
std::string media_type(const Header& header, const char* otherwise) {
  if (!header.has("content-type")) return otherwise;
  const auto field = header.get("content-type");
  auto type = lower_case(std::string_view(field).substr(0, field.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  return type;
}

std::vector<std::string_view> parts_between(std::string_view body, const std::string& boundary) {
  const auto mark = "--" + boundary;
  std::vector<std::string_view> parts;
  std::size_t begin = body.npos;
  for (std::size_t at = 0; at < body.size();) {
    const auto end = std::min(body.find('\n', at), body.size());
    const auto line = body.substr(at, end - at);
    if (line.starts_with(mark)) {
      if (begin != body.npos && begin <= at) parts.push_back(body.substr(begin, at - begin));
      begin = end + 1;
      // The last boundary. What follows is an epilogue, which mail readers do not show.
      if (line.substr(mark.size()).starts_with("--")) return parts;
      if (parts.size() > parts_max) throw Stop(End::too_large, "mail: too many parts");
    }
    at = end + 1;
  }
  if (begin < body.size()) parts.push_back(body.substr(begin));
  return parts;
}

class Mail {
 public:
  explicit Mail(Blocks& out) : out_(out) {}

  void read(std::string_view message, int depth) {
    Header header;
    const auto body = header.read(message);
    out_.page();
    out_.put(Frame::heading, 1, decode_header(header.get("subject")));
    for (const auto& [name, shown] :
         {std::pair{"from", "From: "}, {"to", "To: "}, {"cc", "Cc: "}, {"date", "Date: "}})
      if (header.has(name)) out_.text(shown + decode_header(header.get(name)));
    read_entity(header, body, "text/plain", depth);
  }

 private:
  void read_part(std::string_view part, const char* type, int depth) {
    Header header;
    const auto body = header.read(part);
    read_entity(header, body, type, depth);
  }

  void read_entity(const Header& header, std::string_view body, const char* otherwise, int depth) {
    if (depth > depth_max || ++parts_ > parts_max)
      throw Stop(End::too_large, "mail: too many or too deep parts");
    const auto type = media_type(header, otherwise);
    const auto field = header.get("content-type");
    if (type.starts_with("multipart/"))
      return read_parts(type, parts_between(body, parameter(field, "boundary")), depth);
    const auto coding = lower_case(header.get("content-transfer-encoding"));
    std::string decoded;
    if (coding.starts_with("base64"))
      body = decoded = decode_base64(body);
    else if (coding.starts_with("quoted"))
      body = decoded = decode_quoted(body, false);
    auto name = parameter(header.get("content-disposition"), "filename");
    if (name.empty()) name = parameter(field, "name");
    if (!name.empty()) out_.text("[" + decode_header(name) + "]");
    read_content(type, parameter(field, "charset"), body, depth);
  }

  void read_content(const std::string& type, const std::string& charset, std::string_view content,
                    int depth) {
    if (type == "message/rfc822") {
      read(content, depth + 1);
    } else if (type == "text/html") {
      read_html(content, out_);
    } else if (content.starts_with("{\\rtf")) {
      read_rtf(content, out_);
    } else if (content.starts_with("PK\x03\x04")) {
      read_attached_archive(content);
    } else if (type.starts_with("text/") && type != "text/calendar") {
      out_.verbatim(to_utf8(content, charset));
    }
  }

  /// A damaged attachment takes nothing from the mail.
  void read_attached_archive(std::string_view content) {
    try {
      read_archive(content, out_);
    } catch (const Stop& stop) {
      if (stop.end() == End::too_large) throw;
      out_.warn(stop.what());
    }
  }

  void read_parts(const std::string& type, const std::vector<std::string_view>& parts, int depth) {
    if (type != "multipart/alternative") {
      // RFC 2046, 5.1.5: the parts of a digest are mails where they say nothing else.
      const char* of_part = type == "multipart/digest" ? "message/rfc822" : "text/plain";
      for (const auto part : parts) read_part(part, of_part, depth + 1);
      return;
    }
    // The same text in several types: plain text where there is any, else the first that is read.
    std::string_view chosen;
    for (const auto part : parts) {
      Header header;
      const auto body = header.read(part);
      const auto is = media_type(header, "text/plain");
      const bool is_blank = body.find_first_not_of(" \t\r\n") == body.npos;
      if (is == "text/plain" && !is_blank) {
        chosen = part;
        break;
      }
      if (chosen.empty() && (is == "text/html" || is.starts_with("multipart/"))) chosen = part;
    }
    if (!chosen.empty()) read_part(chosen, "text/plain", depth + 1);
  }

  Blocks& out_;
  int parts_ = 0;
};

/// How many bytes of a mailbox are of the mail at its front: up to the blank line before the next
/// "From ". Looks at no byte behind it, because a mailbox may have a million mails.
std::size_t mail_bytes(std::string_view mailbox) {
  for (std::size_t at = 0; (at = mailbox.find("\nFrom ", at)) != mailbox.npos; ++at) {
    const auto before = mailbox.substr(0, at);
    for (const std::string_view line_end : {"\n", "\n\r"})
      if (before.ends_with(line_end)) return at - line_end.size();
  }
  return mailbox.size();
}

}  // namespace

bool is_mail(std::string_view bytes) {
  constexpr std::size_t looked_at_max = 65'536;
  auto head = bytes.substr(0, looked_at_max);
  if (head.starts_with("From ")) head.remove_prefix(std::min(head.find('\n') + 1, head.size()));
  const auto first = head.substr(0, head.find('\n'));
  const auto colon = first.find(':');
  if (colon == first.npos || first.substr(0, colon).find_first_of(" \t<{[(\"") != first.npos)
    return false;
  Header header;
  header.read(head);
  const auto has = [&](const char* name) { return header.has(name); };
  // A text may begin with "From:" by chance; these fields come together in mails only.
  return has("from") && (has("date") || has("received")) &&
         (has("message-id") || has("mime-version") || has("received") || has("to"));
}

void read_mail(std::string_view bytes, Blocks& out) {
  if (!bytes.starts_with("From ")) return Mail(out).read(bytes, 0);
  while (!bytes.empty()) {
    bytes.remove_prefix(std::min(bytes.find('\n'), bytes.size() - 1) + 1);
    const auto next = mail_bytes(bytes);
    Mail(out).read(bytes.substr(0, next), 0);
    bytes.remove_prefix(next);
    bytes.remove_prefix(std::min(bytes.find("From "), bytes.size()));
  }
}

}  // namespace memseal::extract
