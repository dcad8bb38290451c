#include "app/service/producers.hpp"

#include "adapters/http_client/client.hpp"
#include "app/config/listen_address.hpp"
#include "app/config/text_file.hpp"
#include "app/service/watched_file.hpp"
#include "base/fd.hpp"
#include "base/on_exit.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/secret_file.hpp"
#include "runtime/log.hpp"
#include "runtime/wall_clock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

Error unusable(const fs::path& file, const std::string& why) {
  return {Errc::bad_config, file.string() + ": " + why, "kafka.producers_file"};
}

bool is_loopback_place(const std::string& place) {
  const auto parsed = ListenAddress::parse(place, "kafka.brokers");
  return http_client::is_loopback(parsed ? parsed->host : place);
}

/// What the system says of the open file; bad_config if others may write it.
Result<struct stat> check_writers(int handle, const fs::path& file) {
  struct stat status {};
  if (::fstat(handle, &status) != 0) return unusable(file, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return unusable(file, "not a plain file");
  if ((status.st_mode & 022) != 0)
    return unusable(file, "others may write it, and so for every user; run chmod go-w on it");
  if (status.st_uid != geteuid() && status.st_uid != 0)
    return unusable(file, "belongs to another user; run chown on it");
  return status;
}

Result<std::string> read_all(int handle, const fs::path& file) {
  std::string text(producers::registry_bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(handle, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unusable(file, std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::string remote_broker(const Config& config) {
  const auto& brokers = config.kafka.brokers;
  for (std::size_t begin = 0; begin < brokers.size();) {
    const auto end = std::min(brokers.find(',', begin), brokers.size());
    auto place = brokers.substr(begin, end - begin);
    if (!is_loopback_place(place)) return place;
    begin = end + 1;
  }
  return "";
}

Result<void> check_open_producers(const Config& config) {
  if (config.kafka.producers != ingest::producers_open) return {};
  const auto refuse = [](const std::string& what) {
    return Error{Errc::bad_config,
                 "kafka.producers may be open only where nobody else reaches the service, and " +
                     what + " is not on loopback: choose signed or broker",
                 "kafka.producers"};
  };
  std::vector<std::pair<std::string, std::string>> listeners{
      {"http.listen", config.http.listen}, {"http.admin_listen", config.http.admin_listen}};
  for (const auto& [key, place] : listeners)
    if (place != http::admin_listen_off && !is_loopback_place(place)) return refuse(key);
  if (!remote_broker(config).empty()) return refuse("kafka.brokers");
  return {};
}

producers::Signer own_signer(const crypto::Keyring& keyring) {
  return {std::string(producers::own_name), keyring.event_key()};
}

std::unique_ptr<producers::Gate> make_gate(const Config& config, const crypto::Keyring& keyring) {
  if (config.kafka.producers != ingest::producers_signed) return nullptr;
  producers::GateRules rules;
  rules.window = std::chrono::seconds(config.kafka.signature_window_s);
  rules.age_max = std::chrono::hours(config.kafka.signature_age_h);
  return std::make_unique<producers::Gate>(keyring.event_key().verifying_key(), rules);
}

Result<producers::Registry> read_producers(const fs::path& file) {
  // O_NONBLOCK: opening a pipe would otherwise wait for a writer. check_writers() refuses the pipe.
  const Fd handle(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!handle)
    return unusable(file, std::string(std::strerror(errno)) +
                              (errno == ENOENT ? "; `memseal producers add` makes it" : ""));
  const auto status = check_writers(handle.get(), file);
  if (!status) return status.error();
  auto text = read_all(handle.get(), file);
  if (!text) return text.error();
  const OnExit clean([&] { wipe(text->data(), text->size()); });
  auto registry = producers::Registry::parse(*text);
  if (!registry) return unusable(file, registry.error().message);
  // Whether others may run it says nothing.
  if (registry->holds_secrets() &&
      crypto::others_may_use(status->st_mode & 0666, status->st_uid, geteuid()))
    return unusable(file, "holds secrets of hmac-sha256, and others may read it; run chmod 600");
  return registry;
}

Result<void> write_producers(const fs::path& file, const producers::Registry& registry) {
  std::error_code failed;
  const auto target = target_of(file);
  const bool exists = fs::exists(target, failed);
  const auto draft = target.parent_path() / ("." + target.filename().string() + "." +
                                             crypto::random_uuid().to_string() + ".new");
  const OnExit remove_draft([&] { fs::remove(draft, failed); });
  auto text = registry.file();
  const OnExit clean([&] { wipe(text.data(), text.size()); });
  if (auto written = write_new_file(draft, text); !written) return written.error();
  if (exists) {
    // Another owner than before could make it unreadable for the service, which would then go on
    // with what it read last: a revoked key would stay good.
    struct stat before {};
    if (::stat(target.c_str(), &before) != 0 ||
        ::chown(draft.c_str(), before.st_uid, before.st_gid) != 0)
      return unusable(file, std::string("cannot keep its owner: ") + std::strerror(errno) +
                                "; run this as the owner or as root");
    const auto status = fs::status(target, failed);
    if (!failed) fs::permissions(draft, status.permissions(), failed);
    // Others may have read the file while it held no secret.
    if (!failed && registry.holds_secrets())
      fs::permissions(draft, fs::perms::group_all | fs::perms::others_all, fs::perm_options::remove,
                      failed);
    if (failed) return unusable(file, failed.message());
  }
  fs::rename(draft, target, failed);
  if (failed) return unusable(file, failed.message());
  return {};
}

void note_admissions(const producers::Gate& gate, auditing::Auditor& auditor) {
  for (const auto& one : gate.take_admissions()) {
    const bool is_accepted = one.verdict == producers::Verdict::accepted;
    audit::Event event;
    event.action = is_accepted ? "producer.accepted"
                               : "producer.refused/" +
                                     std::string(producers::verdict_name(one.verdict));
    event.at_ms = runtime::unix_ms();
    event.outcome = is_accepted ? audit::Outcome::done : audit::Outcome::refused;
    if (!one.producer.empty()) event.actor = "producer:" + one.producer;
    event.count = one.count;
    auditor.note(auditing::Weight::change, std::move(event));
  }
}

ProducersFile::ProducersFile(fs::path file, producers::Gate& gate, runtime::Metrics& metrics)
    : file_(std::move(file)),
      gate_(gate),
      refused_(metrics.gauge("memseal_producers_file_refused",
                             "1 while kafka.producers_file cannot be used, and what it said "
                             "before still counts.")),
      stamp_(file_stamp(file_)) {
  load(read_producers(file_).value());
}

void ProducersFile::load(producers::Registry registry) {
  refused_.Set(0);
  runtime::log(runtime::LogLevel::info, "service.producers_loaded",
               {{"producers", registry.producers().size()}});
  gate_.replace(std::make_shared<const producers::Registry>(std::move(registry)));
}

void ProducersFile::refresh(bool always) {
  auto seen = file_stamp(file_);
  if (!always && seen == stamp_) return;
  // Before the read, because a change during the read must be seen the next time.
  stamp_ = std::move(seen);
  auto registry = read_producers(file_);
  if (registry) return load(std::move(*registry));
  refused_.Set(1);
  runtime::log(runtime::LogLevel::error, "service.producers_refused",
               {{"cause", registry.error().message}});
}

}  // namespace memseal::app
