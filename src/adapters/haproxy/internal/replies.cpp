#include "adapters/haproxy/internal/replies.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace memseal::haproxy {

namespace {

std::string_view next_part(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  const auto part = rest.substr(0, at);
  rest.remove_prefix(at == rest.npos ? rest.size() : at + 1);
  return part;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) parts.push_back(next_part(text, at));
  return parts;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stopped != text.data() + text.size()) return {};
  return number;
}

Error unfit(std::string what) {
  return {Errc::bad_config,
          "HAProxy is not set up for a canary: " + std::move(what) +
              "; memseal's example haproxy.cfg shows how (docs/canary.md)",
          "--proxy"};
}

/// Columns of `show stat` by their names in its first line.
class Table {
 public:
  explicit Table(std::string_view answer) {
    while (!answer.empty() && !answer.starts_with("# ")) next_part(answer, '\n');
    if (answer.empty()) return;
    answer.remove_prefix(2);
    names_ = split(next_part(answer, '\n'), ',');
    rows_ = answer;
  }
  bool find_row(std::string_view backend) {
    while (!rows_.empty()) {
      row_ = split(next_part(rows_, '\n'), ',');
      if (value("pxname") == backend && value("svname") == "BACKEND") return true;
    }
    return false;
  }
  std::optional<std::uint64_t> count(std::string_view name) const {
    const auto text = value(name);
    if (text && text->empty()) return 0;  // a column that does not concern the row
    return text ? number_in<std::uint64_t>(*text) : std::nullopt;
  }

 private:
  std::optional<std::string_view> value(std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    const auto column = static_cast<std::size_t>(found - names_.begin());
    if (found == names_.end() || column >= row_.size()) return {};
    return row_[column];
  }

  std::vector<std::string_view> names_, row_;
  std::string_view rows_;
};

std::optional<ports::Slot> slot_of(const std::string& name) {
  if (name == "a") return ports::Slot::a;
  if (name == "b") return ports::Slot::b;
  return {};
}

}  // namespace

std::vector<std::string> read_map_files(std::string_view answer) {
  std::vector<std::string> files;
  while (!answer.empty()) {
    const auto line = next_part(answer, '\n');
    const auto begin = line.find(" ("), end = line.find(')');
    if (line.empty() || line.front() == '#' || begin == line.npos || end == line.npos) continue;
    if (end > begin + 2) files.emplace_back(line.substr(begin + 2, end - begin - 2));
  }
  return files;
}

MapEntries read_map_entries(std::string_view answer) {
  MapEntries entries;
  while (!answer.empty()) {
    const auto words = split(next_part(answer, '\n'), ' ');
    // `show map FILE` gives the address of the entry, its key and its value; other lines are
    // messages.
    if (words.size() == 3 && words[0].starts_with("0x"))
      entries[std::string(words[1])] = words[2];
  }
  return entries;
}

Result<ports::TrafficState> read_traffic_state(const MapEntries& entries) {
  const auto text = [&](std::string_view key) {
    const auto found = entries.find(key);
    return found == entries.end() ? std::string() : found->second;
  };
  for (const char* key : {"limit", "lease", "stable", "canary", "salt"})
    if (!entries.contains(key)) return unfit(std::string("no map has the key ") + key);
  ports::TrafficState state;
  const auto stable = slot_of(text("stable")), canary = slot_of(text("canary"));
  if (!stable || !canary) return unfit("stable and canary must be a or b in slots.map");
  state.stable = *stable;
  state.canary = *canary;
  const auto users = number_in<int>(text("limit"));
  const auto lease = number_in<std::int64_t>(text("lease"));
  if (!users || *users < 0 || *users > ports::TrafficState::every_user || !lease)
    return unfit("limit must be 0 to 10000 and lease a Unix time in dial.map");
  state.users = *users;
  state.lease_until_s = *lease;
  state.rollout = text("salt");
  return state;
}

Result<ports::TrafficCounts> read_backend_counts(std::string_view answer,
                                                 std::string_view backend) {
  Table table(answer);
  if (!table.find_row(backend)) return unfit("there is no backend " + std::string(backend));
  const auto requests = table.count("stot"), errors = table.count("hrsp_5xx"),
             cut = table.count("srv_abrt"), active = table.count("scur");
  if (!requests || !errors || !cut || !active)
    return unfit("`show stat` lacks a count of " + std::string(backend));
  return ports::TrafficCounts{*requests, *errors, *cut, *active};
}

bool is_rollout_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace memseal::haproxy
