// `memseal producers`: who may write events, and by which keys.
#include "app/cli/console.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/producer_key.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/text_file.hpp"
#include "app/service/own_memory.hpp"
#include "app/service/producers.hpp"
#include "app/service/watched_file.hpp"
#include "app/service/wiring.hpp"
#include "base/on_exit.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/rfc3339.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdio>
#include <filesystem>

namespace memseal::app {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

using producers::Producer;
using producers::ProducerKey;
using producers::Registry;

int refuse(const Error& error) {
  complain(error);
  return error.code == Errc::not_found ? exit_not_found : exit_usage;
}

std::string now_text() { return codec::format_rfc3339(runtime::unix_ms()); }

/// The file of the registry; an error where neither the option nor the setting names one.
Result<fs::path> file_of(const Config& config, const ProducersOptions& options) {
  const auto& named = options.file.empty() ? config.kafka.producers_file : options.file;
  if (!named.empty()) return fs::path(named);
  return Error{Errc::bad_config, "kafka.producers_file is not set (env " +
                                     env_name("kafka.producers_file") +
                                     "); set it for the service too, or give --file"};
}

/// The registry as it is; an empty one where the file does not exist.
Result<Registry> registry_in(const fs::path& file) {
  std::error_code failed;
  if (!fs::exists(file, failed) && !failed) return Registry{};
  return read_producers(file);
}

/// The registry, read to be changed and written back under one lock.
struct Change {
  static Result<Change> begin(const Config& config, const ProducersOptions& options) {
    auto file = file_of(config, options);
    if (!file) return file.error();
    auto lock = FolderLock::take(*file);
    if (!lock) return lock.error();
    auto registry = registry_in(*file);
    if (!registry) return registry.error();
    return Change{std::move(*file), std::move(*lock), std::move(*registry)};
  }
  Result<void> write() const { return write_producers(file, registry); }

  fs::path file;
  FolderLock lock;
  Registry registry;
};

Result<crypto::VerifyingKey> read_verifying_key(const std::string& file) {
  auto text = read_text_file(file, secret_file_bytes_max);
  if (!text) return text.error();
  const OnExit clean([&] { wipe(text->data(), text->size()); });
  auto key = crypto::VerifyingKey::parse(*text);
  if (!key) return Error{key.error().code, file + ": " + key.error().message};
  return key;
}

json::object object_of(const Producer& producer, const ProducerKey& key) {
  json::object object{{"producer", producer.name},
                      {"key_id", key.id},
                      {"algorithm", crypto::signature_algorithm_name(key.key.algorithm())},
                      {"revoked", !key.revoked.empty()},
                      {"tenants", json::array(producer.tenants.begin(), producer.tenants.end())},
                      {"sources", json::array(producer.sources.begin(), producer.sources.end())},
                      {"topics", json::array(producer.topics.begin(), producer.topics.end())}};
  if (!key.added.empty()) object["added_at"] = key.added;
  if (!key.revoked.empty()) object["revoked_at"] = key.revoked;
  return object;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string text;
  for (const auto& one : texts) text += (text.empty() ? "" : ",") + one;
  return one_line(text, 200);
}

void print(const Producer& producer, const ProducerKey& key) {
  std::printf("%-16s  %s  %-11s  %-10s  %s  %s  %s\n", producer.name.c_str(), key.id.c_str(),
              std::string(crypto::signature_algorithm_name(key.key.algorithm())).c_str(),
              key.revoked.empty() ? "active" : "revoked", joined(producer.tenants).c_str(),
              joined(producer.sources).c_str(), joined(producer.topics).c_str());
}

}  // namespace

int cmd_producers_keygen(const GlobalOptions& global, const ProducersOptions& options) {
  const auto algorithm = crypto::parse_signature_algorithm(options.algorithm);
  if (!algorithm) return refuse({Errc::bad_request, "--algorithm is ed25519 or hmac-sha256"});
  close_own_memory();
  const auto key = crypto::SigningKey::random(*algorithm);
  const auto text = key.file();
  const std::string_view view{reinterpret_cast<const char*>(text.view().data()), text.size()};
  if (auto written = write_new_file(options.key_file, view); !written)
    return refuse(written.error());
  const auto verifying = key.verifying_key();
  const auto id = producers::key_id_of(verifying);
  const bool is_public = *algorithm == crypto::SignatureAlgorithm::ed25519;
  const auto shown =
      is_public ? codec::encode_base64(verifying.bytes(), codec::Base64::url) : std::string();
  if (global.json) {
    json::object object{{"file", options.key_file}, {"key_id", id}};
    if (is_public) object["public_key"] = shown;
    print_json(object);
  } else {
    std::printf("%s\n", id.c_str());
  }
  hint("wrote " + options.key_file + " (mode 0600), key id " + id +
       "; `memseal producers add NAME --key-file " + options.key_file + " --tenant …` admits it");
  return exit_ok;
}

namespace {

int add_producer(const GlobalOptions& global, const ProducersOptions& options,
                 const Config& config) {
  auto change = Change::begin(config, options);
  if (!change) return refuse(change.error());
  const auto key = read_verifying_key(options.key_file);
  if (!key) return refuse(key.error());
  Producer producer{.name = options.name,
                    .tenants = options.tenants,
                    .sources = options.sources,
                    .topics = options.topics,
                    .keys = {}};
  if (producer.sources.empty()) producer.sources.push_back("/" + options.name);
  if (producer.topics.empty()) producer.topics = event_topics(config);
  const ProducerKey added{producers::key_id_of(*key), *key, now_text()};
  producer.keys.push_back(added);
  if (auto fitting = change->registry.add(producer); !fitting) return refuse(fitting.error());
  if (auto written = change->write(); !written) return refuse(written.error());
  if (global.json)
    print_json(object_of(producer, added));
  else
    print(producer, added);
  return exit_ok;
}

int revoke_producer(const GlobalOptions& global, const ProducersOptions& options,
                    const Config& config) {
  auto change = Change::begin(config, options);
  if (!change) return refuse(change.error());
  const auto revoked = change->registry.revoke(options.name, options.key_id, now_text());
  if (!revoked) return refuse(revoked.error());
  if (auto written = change->write(); !written) return refuse(written.error());
  if (global.json)
    print_json(json::object{{"producer", options.name}, {"revoked", *revoked}});
  else
    std::printf("revoked %s of %s\n", count_of(*revoked, "key").c_str(), options.name.c_str());
  return exit_ok;
}

}  // namespace

int cmd_producers_add(const GlobalOptions& global, const ProducersOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  return audited_if_possible(*config, "operator.producers_add/" + options.name, std::nullopt,
                             [&] { return add_producer(global, options, *config); });
}

int cmd_producers_list(const GlobalOptions& global, const ProducersOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto file = file_of(*config, options);
  if (!file) return refuse(file.error());
  const auto registry = registry_in(*file);
  if (!registry) return refuse(registry.error());
  for (const auto& producer : registry->producers())
    for (const auto& key : producer.keys) {
      if (global.json)
        print_json(object_of(producer, key));
      else
        print(producer, key);
    }
  if (registry->producers().empty()) hint("no producer is registered in " + file->string());
  return exit_ok;
}

int cmd_producers_revoke(const GlobalOptions& global, const ProducersOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  return audited_if_possible(*config, "operator.producers_revoke/" + options.name, std::nullopt,
                             [&] { return revoke_producer(global, options, *config); });
}

}  // namespace memseal::app
