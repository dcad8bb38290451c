#include "adapters/haproxy/traffic.hpp"

#include "adapters/haproxy/internal/replies.hpp"
#include "adapters/haproxy/internal/runtime_socket.hpp"

#include <utility>

namespace memseal::haproxy {

namespace {

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \n"), end = text.find_last_not_of(" \n");
  return begin == text.npos ? "" : text.substr(begin, end - begin + 1);
}

class HaproxyTraffic final : public ports::Traffic {
 public:
  explicit HaproxyTraffic(RuntimeAddress address) : address_(std::move(address)) {}

  ports::TrafficState read() override {
    find_maps();
    return read_traffic_state(
               read_map_entries(ask("show map " + dial_ + ";show map " + slots_)))
        .value();
  }

  void write(const ports::TrafficState& state) override {
    if (!is_rollout_name(state.rollout))
      throw Refused({Errc::bad_config, "a rollout is named by letters, digits and dashes"});
    find_maps();
    const auto users = set(dial_, "limit", std::to_string(state.users));
    const auto lease = set(dial_, "lease", std::to_string(state.lease_until_s));
    // HAProxy obeys one after the other. Users go before what names their slot changes, and come
    // after it; a lease is there before the users that need it.
    const auto names = set(slots_, "canary", ports::slot_name(state.canary)) + ";" +
                       set(slots_, "salt", state.rollout);
    const auto stable = set(slots_, "stable", ports::slot_name(state.stable)) + ";";
    const auto said = ask(state.users == 0 ? stable + users + ";" + lease + ";" + names
                                           : stable + names + ";" + lease + ";" + users);
    if (!trimmed(said).empty())
      throw Refused({Errc::bad_config, "HAProxy refused to move traffic: " +
                                           trimmed(said).substr(0, 200),
                     "--proxy"});
    if (read() != state)
      throw Outage({Errc::unavailable, "HAProxy did not keep the values that were written"});
  }

  ports::TrafficCounts counts(ports::Slot slot) override {
    return read_backend_counts(ask("show stat -1 2 -1"),
                               std::string("slot_") + ports::slot_name(slot))
        .value();
  }

 private:
  std::string ask(const std::string& commands) { return ask_runtime(address_, commands); }

  static std::string set(const std::string& map, const char* key, const std::string& value) {
    return "set map " + map + " " + key + " " + value;
  }

  void find_maps() {
    if (!dial_.empty()) return;
    for (auto& file : read_map_files(ask("show map"))) {
      if (file.ends_with("/dial.map")) dial_ = file;
      if (file.ends_with("/slots.map")) slots_ = file;
    }
    if (!dial_.empty() && !slots_.empty()) return;
    dial_.clear();
    throw Refused({Errc::bad_config,
                   "HAProxy has no maps dial.map and slots.map; memseal's example haproxy.cfg "
                   "shows how they are used (docs/canary.md)",
                   "--proxy"});
  }

  const RuntimeAddress address_;
  std::string dial_, slots_;
};

}  // namespace

Result<std::unique_ptr<ports::Traffic>> open_traffic(const std::string& address) {
  auto parsed = RuntimeAddress::parse(address);
  if (!parsed) return parsed.error();
  return std::make_unique<HaproxyTraffic>(std::move(*parsed));
}

}  // namespace memseal::haproxy
