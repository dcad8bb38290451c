#pragma once
// Makes ZIP archives for tests.
#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::test {

using ZipParts = std::vector<std::pair<std::string, std::string>>;

inline std::string deflated(std::string_view content) {
  z_stream stream{};
  deflateInit2(&stream, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value);
  return text;
}

/// `flags`: the general purpose flag of every entry; bit 0 says that it is encrypted.
inline std::string zip_of(const ZipParts& parts, unsigned flags = 0) {
  std::string file, directory;
  for (const auto& [name, content] : parts) {
    const bool is_stored = name == "mimetype";
    const auto packed = is_stored ? content : deflated(content);
    const auto common = little(20, 2) + little(flags, 2) + little(is_stored ? 0 : 8, 2) +
                        little(0, 8) + little(packed.size(), 4) + little(content.size(), 4) +
                        little(name.size(), 2) + little(0, 2);
    directory += little(0x02014b50, 4) + little(20, 2) + common + little(0, 10) +
                 little(file.size(), 4) + name;
    file += little(0x04034b50, 4) + common + name + packed;
  }
  const auto at = file.size();
  return file + directory + little(0x06054b50, 4) + little(0, 4) + little(parts.size(), 2) +
         little(parts.size(), 2) + little(directory.size(), 4) + little(at, 4) + little(0, 2);
}

/// The relations of an OPC package whose document is `main`.
inline std::pair<std::string, std::string> office_relations(const std::string& main) {
  return {"_rels/.rels",
          "<Relationships><Relationship Id='1' Type='http://x/officeDocument' Target='" + main +
              "'/></Relationships>"};
}

/// A DOCX with this body, whose style "h2" is "heading 2".
inline std::string docx_of(const std::string& body) {
  return zip_of({office_relations("word/document.xml"),
                 {"word/_rels/document.xml.rels",
                  "<Relationships><Relationship Id='1' Type='http://x/styles' "
                  "Target='styles.xml'/></Relationships>"},
                 {"word/styles.xml",
                  "<w:styles xmlns:w='w'><w:style w:styleId='h2'><w:name w:val='heading 2'/>"
                  "</w:style></w:styles>"},
                 {"word/document.xml",
                  "<w:document xmlns:w='w'><w:body>" + body + "</w:body></w:document>"}});
}

}  // namespace memseal::test
