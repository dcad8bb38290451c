// What a file is, by its first bytes, and texts.
#include "extract/charset.hpp"
#include "extract/formats.hpp"
#include "extract/pdf.hpp"

#include <algorithm>
#include <new>

namespace memseal::extract {

namespace {

constexpr std::string_view ole_mark = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// The name of a stream, in UTF-16LE, of an OLE file that holds an encrypted OOXML (MS-OFFCRYPTO).
constexpr std::string_view encrypted_package{"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e", 31};

bool is_pdf(std::string_view bytes) {
  constexpr std::size_t looked_at_max = 1'024;  // the header may follow other bytes
  return bytes.substr(0, looked_at_max).find("%PDF-") != bytes.npos;
}

/// Whether the first bytes are of no text, in whatever charset.
bool is_binary(std::string_view bytes) {
  constexpr std::size_t looked_at_max = 4'096;
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) return false;
  const auto head = bytes.substr(0, looked_at_max);
  const auto controls = std::count_if(head.begin(), head.end(), [](unsigned char c) {
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b;
  });
  return head.find('\0') != head.npos || static_cast<std::size_t>(controls) * 50 > head.size();
}

void read_any(std::string_view bytes, const Pdfium* pdfium, Blocks& out) {
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06"))
    return read_archive(bytes, out);
  if (bytes.starts_with("{\\rtf")) return read_rtf(bytes, out);
  if (bytes.starts_with(ole_mark)) {
    if (bytes.find(encrypted_package) != bytes.npos) throw Stop(End::encrypted, "ole: encrypted");
    throw Stop(End::unsupported, "ole");
  }
  if (is_pdf(bytes)) {
    if (pdfium == nullptr) throw Stop(End::needs_pdfium, "pdf");
    return read_pdf(*pdfium, bytes, out);
  }
  if (is_html(bytes)) {
    out.page();
    return read_html(bytes, out);
  }
  if (is_mail(bytes)) return read_mail(bytes, out);
  if (is_binary(bytes)) throw Stop(End::unsupported, "binary");
  read_text(bytes, out);
}

}  // namespace

void read_text(std::string_view bytes, Blocks& out) { out.verbatim(to_utf8(bytes)); }

End extract(std::string_view bytes, const Pdfium* pdfium, Blocks& out) noexcept {
  try {
    read_any(bytes, pdfium, out);
    return !out.has_text() && out.has_warnings() ? End::damaged : End::whole;
  } catch (const Stop& stop) {
    return stop.end();
  } catch (const std::bad_alloc&) {
    return End::too_large;
  } catch (const std::exception&) {
    return End::damaged;
  }
}

}  // namespace memseal::extract
