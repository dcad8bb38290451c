// What an archive is, and EPUB.
#include "extract/formats.hpp"
#include "extract/xml.hpp"

#include <cctype>
#include <cstdlib>
#include <vector>

namespace memseal::extract {

namespace {

/// Of a reference in a package: percent-decoded, without a fragment.
std::string unescaped(const char* reference) {
  std::string path;
  for (const char* at = reference; *at != '\0' && *at != '#'; ++at) {
    const auto is_hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
    if (*at == '%' && is_hex(at[1]) && is_hex(at[2])) {
      path += static_cast<char>(std::strtol(std::string(at + 1, 2).c_str(), nullptr, 16));
      at += 2;
    } else {
      path += *at;
    }
  }
  return path;
}

}  // namespace

void read_epub(Zip& zip, Blocks& out) {
  std::string package;
  XmlEvents container;
  container.start = [&](std::string_view name, const Attributes& attributes) {
    const char* path = attributes.find("full-path");
    if (name == "rootfile" && package.empty() && path != nullptr) package = path;
  };
  read_xml(zip, "META-INF/container.xml", container, out);
  const auto slash = package.rfind('/');
  const auto folder = slash == package.npos ? std::string() : package.substr(0, slash + 1);
  std::map<std::string, std::string> parts;
  std::vector<std::string> order;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    if (name == "item") {
      const char* id = attributes.find("id");
      const char* path = attributes.find("href");
      if (id != nullptr && path != nullptr) parts[id] = folder + unescaped(path);
    } else if (name == "itemref") {
      if (const char* id = attributes.find("idref")) order.emplace_back(id);
    }
  };
  if (!read_xml(zip, package, events, out)) throw Stop(End::damaged, "epub: no package");
  for (const auto& id : order) {
    const auto part = parts.find(id);
    if (part == parts.end() || !zip.has(part->second)) continue;
    out.page(part->second);
    read_html(zip.whole(part->second), out);
  }
}

void read_archive(std::string_view bytes, Blocks& out) {
  constexpr std::size_t media_type_max = 4'096;
  Zip zip(bytes);
  const auto media_type = zip.whole("mimetype", media_type_max);
  if (media_type.find("epub") != media_type.npos ||
      (zip.has("META-INF/container.xml") && !zip.has("content.xml")))
    return read_epub(zip, out);
  if (zip.has("content.xml")) return read_open_document(zip, media_type, out);
  std::string main;
  for (const auto& [id, relation] : relations_of(zip, "", out))
    if (relation.type == "officeDocument") main = relation.target;
  if (main.starts_with("word/")) return read_word(zip, main, out);
  if (main.starts_with("ppt/")) return read_slides(zip, main, out);
  if (main.starts_with("xl/")) return read_sheets(zip, main, out);
  throw Stop(End::unsupported, "zip: no document that is known");
}

}  // namespace memseal::extract
