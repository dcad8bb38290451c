#include "extract/xml.hpp"

#include <expat.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <type_traits>

namespace memseal::extract {

namespace {

std::string_view local(const char* name) {
  // Names are compared without their prefix, which each writer may choose. No two elements that are
  // read here differ by their namespace alone.
  const char* colon = std::strrchr(name, ':');
  return colon == nullptr ? name : colon + 1;
}

struct FreeParser {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};

/// One run of expat. Exceptions of handlers wait until expat, a C library, has returned.
class Run {
 public:
  explicit Run(const XmlEvents& events) : events_(events), parser_(XML_ParserCreate(nullptr)) {
    if (!parser_) throw std::bad_alloc();
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), on_start, on_end);
    XML_SetCharacterDataHandler(parser_.get(), on_text);
    XML_SetStartDoctypeDeclHandler(parser_.get(), on_doctype);
  }

  bool parse(std::string_view piece, bool is_last) {
    const auto size = static_cast<int>(piece.size());
    const bool fine = XML_Parse(parser_.get(), piece.data(), size, is_last) == XML_STATUS_OK;
    if (thrown_) std::rethrow_exception(thrown_);
    return fine;
  }

  const char* fault() const { return XML_ErrorString(XML_GetErrorCode(parser_.get())); }

 private:
  template <class Work>
  void guarded(Work work) {
    if (thrown_) return;
    try {
      work();
    } catch (...) {
      // An exception must not unwind through the frames of a C library.
      thrown_ = std::current_exception();
      XML_StopParser(parser_.get(), XML_FALSE);
    }
  }

  static void on_start(void* self, const char* name, const char** attributes) {
    auto& run = *static_cast<Run*>(self);
    run.guarded([&] {
      if (++run.depth_ > xml_depth_max) throw Stop(End::damaged, "xml: too deep");
      if (run.events_.start) run.events_.start(local(name), Attributes(attributes));
    });
  }
  static void on_end(void* self, const char* name) {
    auto& run = *static_cast<Run*>(self);
    run.guarded([&] {
      --run.depth_;
      if (run.events_.end) run.events_.end(local(name));
    });
  }
  static void on_text(void* self, const char* text, int size) {
    auto& run = *static_cast<Run*>(self);
    run.guarded([&] {
      if (run.events_.text) run.events_.text({text, static_cast<std::size_t>(size)});
    });
  }
  static void on_doctype(void* self, const char*, const char*, const char*, int has_internal) {
    auto& run = *static_cast<Run*>(self);
    // A document type with declarations of its own can define entities that expand without bound
    // ("billion laughs") or name files. No office format needs one.
    if (has_internal != 0) XML_StopParser(run.parser_.get(), XML_FALSE);
  }

  const XmlEvents& events_;
  std::unique_ptr<std::remove_pointer_t<XML_Parser>, FreeParser> parser_;
  std::exception_ptr thrown_;
  int depth_ = 0;
};

/// `target` as seen from the folder `folder`, which ends with '/' or is empty.
std::string resolved(std::string folder, std::string_view target) {
  if (target.starts_with('/')) return std::string(target.substr(1));
  while (target.starts_with("../")) {
    target.remove_prefix(3);
    const auto slash = folder.size() > 1 ? folder.rfind('/', folder.size() - 2) : folder.npos;
    folder.resize(slash == folder.npos ? 0 : slash + 1);
  }
  folder += target;
  return folder;
}

}  // namespace

const char* Attributes::find(std::string_view name) const {
  for (auto pair = pairs_; *pair != nullptr; pair += 2)
    if (local(*pair) == name) return pair[1];
  return nullptr;
}

const char* Attributes::find_prefixed(std::string_view name) const {
  for (auto pair = pairs_; *pair != nullptr; pair += 2)
    if (std::strchr(*pair, ':') != nullptr && local(*pair) == name) return pair[1];
  return nullptr;
}

bool Attributes::has(std::string_view name, std::string_view value) const {
  const char* found = find(name);
  return found != nullptr && value == found;
}

int Attributes::number(std::string_view name, int otherwise, int low, int high) const {
  const char* found = find(name);
  if (found == nullptr) return otherwise;
  const long value = std::strtol(found, nullptr, 10);
  return value < low ? low : value > high ? high : static_cast<int>(value);
}

bool read_xml(Zip& zip, const std::string& part, const XmlEvents& events, Blocks& out) {
  if (!zip.has(part)) return false;
  Run run(events);
  bool fine = true;
  zip.read(part, [&](std::string_view piece) {
    // A stored part comes in one piece of any size.
    for (; fine && !piece.empty(); piece.remove_prefix(std::min<std::size_t>(piece.size(), 65'536)))
      fine = run.parse(piece.substr(0, 65'536), false);
    return fine;
  });
  if (fine) fine = run.parse({}, true);
  if (!fine) out.warn(std::string("xml: ") + run.fault());
  return true;
}

std::map<std::string, Relation> relations_of(Zip& zip, const std::string& part, Blocks& out) {
  const auto slash = part.rfind('/');
  const auto folder = slash == part.npos ? std::string() : part.substr(0, slash + 1);
  std::map<std::string, Relation> relations;
  XmlEvents events;
  events.start = [&](std::string_view name, const Attributes& attributes) {
    // An external target is an address somewhere else. Nothing is fetched.
    if (name != "Relationship" || attributes.has("TargetMode", "External")) return;
    const char* id = attributes.find("Id");
    const char* type = attributes.find("Type");
    const char* target = attributes.find("Target");
    if (id == nullptr || type == nullptr || target == nullptr) return;
    const char* word = std::strrchr(type, '/');
    relations[id] = {word == nullptr ? type : word + 1, resolved(folder, target)};
  };
  read_xml(zip, folder + "_rels/" + part.substr(folder.size()) + ".rels", events, out);
  return relations;
}

}  // namespace memseal::extract
