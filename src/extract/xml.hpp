#pragma once
// Parts of archives that are XML, read as events.
#include "extract/zip.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace memseal::extract {

/// Attributes of one element, as expat has them. Names count without their prefix.
class Attributes {
 public:
  explicit Attributes(const char** pairs) : pairs_(pairs) {}
  /// Null where there is none.
  const char* find(std::string_view name) const;
  /// The one of that name that has a prefix, as r:id beside id; null where there is none.
  const char* find_prefixed(std::string_view name) const;
  bool has(std::string_view name, std::string_view value) const;
  /// A whole number, brought into [low, high]; `otherwise` where there is no attribute.
  int number(std::string_view name, int otherwise, int low, int high) const;

 private:
  const char** pairs_;
};

/// What to do at each event. A name comes without its prefix. Handlers may throw.
struct XmlEvents {
  std::function<void(std::string_view name, const Attributes&)> start = {};
  std::function<void(std::string_view name)> end = {};
  std::function<void(std::string_view)> text = {};
};

inline constexpr int xml_depth_max = 400;

/// Parses one part; a document type with declarations of its own is refused, so no entity expands.
/// False where there is no such part. A fault becomes a warning of `out`; what came before it
/// counts.
bool read_xml(Zip& zip, const std::string& part, const XmlEvents& events, Blocks& out);

/// The same, where `handler` has start(), end() and text().
template <class Handler>
bool read_xml_by(Handler& handler, Zip& zip, const std::string& part, Blocks& out) {
  return read_xml(
      zip, part,
      {.start = [&](std::string_view name, const Attributes& a) { handler.start(name, a); },
       .end = [&](std::string_view name) { handler.end(name); },
       .text = [&](std::string_view piece) { handler.text(piece); }},
      out);
}

/// A relationship of a part (OPC): what the target is, and where.
struct Relation {
  std::string type;    ///< the last word of its URI: "styles", "officeDocument"
  std::string target;  ///< the part
};

/// By id. Targets outside of the archive are left out.
std::map<std::string, Relation> relations_of(Zip& zip, const std::string& part, Blocks& out);

}  // namespace memseal::extract
