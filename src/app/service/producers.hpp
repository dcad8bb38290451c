#pragma once
// Who may write events, from the settings: the policy, the registry's file, the service's own key.
#include "app/config/config.hpp"
#include "cases/auditing/auditor.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/producers/gate.hpp"
#include "runtime/metrics.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace memseal::app {

/// The first of kafka.brokers that is not on loopback; empty: all are.
std::string remote_broker(const Config& config);

/// Refuses kafka.producers=open where a listener or a broker can be reached from elsewhere.
/// Error: bad_config.
Result<void> check_open_producers(const Config& config);

/// What the service signs its own events by.
producers::Signer own_signer(const crypto::Keyring& keyring);

/// What judges producers; null where kafka.producers is not "signed". Knows only the service
/// itself until a registry is put in.
std::unique_ptr<producers::Gate> make_gate(const Config& config, const crypto::Keyring& keyring);

/// Reads a registry. Nobody but its owner may write the file, because whoever writes the file can
/// write for every user; and nobody else may read it where it holds secrets.
/// Error: bad_config; the message names the file and the fix.
Result<producers::Registry> read_producers(const std::filesystem::path& file);

/// Replaces the file, or makes it with mode 0600. All or nothing. A file that is replaced keeps its
/// owner and mode. Error: bad_config, also where the owner cannot be kept.
Result<void> write_producers(const std::filesystem::path& file,
                             const producers::Registry& registry);

/// Tells the audit log what the gate decided since the last call: a record for each producer and
/// decision, with a count. Not one for each event, because a producer may write thousands a second.
void note_admissions(const producers::Gate& gate, auditing::Auditor& auditor);

/// Keeps a gate's registry like the file. A file that cannot be used changes nothing but a metric
/// and the log.
/// Thread: one.
class ProducersFile {
 public:
  /// Reads the file, which must be sound at the start. Throws Failure.
  ProducersFile(std::filesystem::path file, producers::Gate& gate, runtime::Metrics& metrics);

  /// Reads the file again if it seems changed, or `always`.
  void refresh(bool always);

 private:
  void load(producers::Registry registry);

  const std::filesystem::path file_;
  producers::Gate& gate_;
  runtime::Gauge& refused_;
  std::string stamp_;  // of what was read last
};

}  // namespace memseal::app
