#include "app/cli/canary_folder.hpp"

#include "app/cli/fetched_file.hpp"
#include "app/config/text_file.hpp"
#include "app/service/guard_json.hpp"
#include "base/ids.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/crypto/hash.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/object.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace memseal::app {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr const char *state_name = "state.json", *journal_name = "journal.jsonl",
                     *looks_name = "looks.jsonl";
constexpr std::size_t state_bytes_max = std::size_t{4} << 20,
                      journal_bytes_max = std::size_t{64} << 20;

Error unusable(const fs::path& path, const std::string& why) {
  return {Errc::bad_config, path.string() + " " + why, "--out"};
}

std::string sha256_text(std::string_view text) {
  const auto digest =
      crypto::sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return to_hex(digest.data(), digest.size());
}

json::value share_value(const policy::Share& share) {
  return json::object{{"bad", share.bad}, {"all", share.all}};
}

json::value counts_value(const std::optional<policy::CanaryCounts>& counts) {
  if (!counts) return nullptr;
  return json::object{{"streams", share_value(counts->streams)},
                      {"requests", share_value(counts->requests)},
                      {"ttfv", share_value(counts->ttfv)},
                      {"first_results", json::array(counts->first_results.begin(),
                                                    counts->first_results.end())}};
}

}  // namespace

Result<std::unique_ptr<CanaryFolder>> CanaryFolder::locked(const fs::path& path,
                                                           const std::string& journal) {
  Fd lock(::open((path / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return unusable(path, std::generic_category().message(errno));
  std::unique_ptr<CanaryFolder> folder(new CanaryFolder(path, std::move(lock)));
  if (::flock(folder->lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return unusable(path, "is in use by another controller");
  // A line without an end was being written when its controller was lost: it never counted.
  const auto whole = journal.substr(0, journal.rfind('\n') + 1);
  if (whole.size() < journal.size())
    if (::truncate((path / journal_name).c_str(), static_cast<off_t>(whole.size())) != 0)
      return unusable(path, std::generic_category().message(errno));
  folder->entries_ = static_cast<double>(std::count(whole.begin(), whole.end(), '\n'));
  if (!whole.empty()) {
    const auto text = std::string_view(whole).substr(0, whole.size() - 1);
    folder->last_ = sha256_text(text.substr(text.rfind('\n') + 1));
  }
  return folder;
}

Result<std::unique_ptr<CanaryFolder>> CanaryFolder::create(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) return unusable(path, "cannot be made: " + failure.message());
  if (fs::exists(path / state_name, failure) || fs::exists(path / journal_name, failure))
    return unusable(path, "has a rollout already: name another folder, or --resume that one");
  return locked(path, "");
}

Result<std::unique_ptr<CanaryFolder>> CanaryFolder::open(const fs::path& path) {
  const auto journal = read_text_file(path / journal_name, journal_bytes_max);
  if (!journal) return unusable(path, "has no journal of a rollout: " + journal.error().message);
  return locked(path, *journal);
}

Result<canary::State> CanaryFolder::read_state(const fs::path& path) {
  const auto text = read_text_file(path / state_name, state_bytes_max);
  if (!text) return unusable(path, "has no state of a rollout: " + text.error().message);
  auto state = canary::parse_state(*text);
  if (!state) return unusable(path / state_name, state.error().message);
  return state;
}

void CanaryFolder::append(const char* name, const std::string& line, bool synced) {
  const auto text = line + "\n";
  const Fd file(::open((path_ / name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const bool written = file && write_all(file.get(), text.data(), text.size());
  const bool kept = written && (!synced || ::fsync(file.get()) == 0);
  const int cause = errno;
  if (!kept)
    throw Refused(unusable(path_ / name,
                           "cannot be written: " + std::generic_category().message(cause)));
}

void CanaryFolder::note(std::string_view event, const std::vector<canary::Fact>& facts) {
  const auto now_ms = runtime::unix_ms();
  json::object entry{{"entry", entries_ += 1},
                     {"at", codec::format_rfc3339(now_ms)},
                     {"unix_s", static_cast<double>(now_ms) / 1e3},
                     {"event", event}};
  for (const auto& [name, value] : facts)
    std::visit([&, key = name](const auto& one) { entry[key] = one; }, value);
  entry["previous_sha256"] = last_;
  const auto line = codec::compact_json(entry);
  append(journal_name, line, true);
  last_ = sha256_text(line);
  if (on_note) on_note(event, facts);
}

void CanaryFolder::write(const std::string& name, const std::string& text) {
  auto file = FetchedFile::open((path_ / name).string()).value();
  file.write(text);
  file.keep().value();
}

void CanaryFolder::save(const canary::State& state) {
  write(state_name, canary::print_state(state) + "\n");
}

void CanaryFolder::look(const policy::CanaryLook& look, policy::CanaryStep step,
                        const policy::CanaryRollout& rollout) {
  json::object evidence;
  for (const auto& [name, value] : rollout.evidence()) evidence[name] = value;
  append(looks_name,
         codec::compact_json(json::object{{"at_s", look.at_s},
                                          {"percent", rollout.percent()},
                                          {"step", policy::canary_step_name(step)},
                                          {"canary", counts_value(look.canary)},
                                          {"stable", counts_value(look.stable)},
                                          {"rls_errors", look.rls_errors},
                                          {"aad_mismatches", look.aad_mismatches},
                                          {"isolation_findings", look.findings},
                                          {"restarted", look.restarted},
                                          {"resident_bytes", look.resident_bytes},
                                          {"proxied", look.proxied},
                                          {"evidence", std::move(evidence)},
                                          {"guardrails", guardrails_array(rollout.guardrails())}}),
         false);
  if (on_look) on_look(look, rollout);
}

void CanaryFolder::page(const std::string& name, const std::string& text) {
  write(name + ".prom", text);
}

}  // namespace memseal::app
