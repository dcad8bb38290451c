#include "app/cli/export_check.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::app {

namespace {

/// More than the last line has, and enough of every other one to tell its type.
constexpr std::size_t start_bytes_max = 1'024;
constexpr std::string_view type_start = R"({"type":")";

Error cut() {
  return {Errc::unavailable, "the export was cut before its end: ask again"};
}

/// The type that stands at the start of a line; empty where there is none.
std::string_view type_of(std::string_view line) {
  if (!line.starts_with(type_start)) return {};
  line.remove_prefix(type_start.size());
  return line.substr(0, std::min(line.find('"'), line.size()));
}

}  // namespace

void ExportCheck::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = std::min(bytes.find('\n'), bytes.size());
    start_ += bytes.substr(0, std::min(end, start_bytes_max - start_.size()));
    if (end == bytes.size()) return;
    end_line();
    bytes.remove_prefix(end + 1);
  }
}

void ExportCheck::end_line() {
  ++lines_;
  ++counts_[std::string(type_of(start_))];
  last_ = std::exchange(start_, {});
}

Result<void> ExportCheck::finish() const {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> counted{
      {{"documents", "document"}, {"chunks", "chunk"}, {"conversations", "conversation"},
       {"turns", "turn"}, {"files", "file"}}};
  if (!start_.empty() || type_of(last_) != "end") return cut();
  const auto value = codec::parse_json(last_, Errc::unavailable);
  const auto* end = value ? value->if_object() : nullptr;
  if (end == nullptr) return cut();
  for (const auto& [name, type] : counted) {
    const auto* said = end->if_contains(name);
    const auto found = counts_.find(type);
    const auto seen = found == counts_.end() ? 0 : found->second;
    if (said == nullptr || !said->is_int64() || said->get_int64() != seen)
      return Error{Errc::unavailable, "the export has not as many " + std::string(name) +
                                          " as its last line says: ask again"};
  }
  return {};
}

}  // namespace memseal::app
