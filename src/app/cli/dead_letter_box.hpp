#pragma once
// The topics of dead letters as the command line reads them, with what opens the letters.
#include "app/cli/commands.hpp"
#include "app/service/producers.hpp"
#include "app/service/wiring.hpp"
#include "cases/ingest/letter_list.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace memseal::app {

namespace asio = boost::asio;

/// Runs `work` on a loop of its own to its end. Rethrows what it throws.
void run_to_end(asio::awaitable<void> work);

/// Thread: one. Methods that are no coroutines block.
class DeadLetterBox {
 public:
  /// Throws Failure when the keyring cannot be read.
  explicit DeadLetterBox(const Config& config);
  ~DeadLetterBox();

  /// The letters that the options mean, in the order in which their events were published. Asks the
  /// ledger which events have succeeded since, where postgres.dsn is set.
  /// Throws Failure: a filter is malformed (bad_request), Kafka or the database is unavailable.
  std::vector<ingest::Letter> read(const DlqOptions& options);
  /// Calls `visit` for each letter that read() would return, in the order in which the letters were
  /// written, until it returns false. Memory: some hundred letters, those that lack a part, and 16
  /// bytes for each mark of a topic. Reads each topic twice, because a letter's marks stand behind
  /// the letter.
  void for_each(const DlqOptions& options,
                const std::function<bool(const ingest::Letter&)>& visit);
  /// What the last read() or for_each() went past. Letters that the filter left out count too.
  std::size_t letters_read() const noexcept { return letters_read_; }

  /// Reads the sealed values, and calls `visit` for each letter in its order with its value. The
  /// letters of a call are in memory together where they have less than 32 MiB.
  using Visit = std::function<void(const std::vector<ingest::Letter>&,
                                   const std::vector<std::string>&)>;
  void for_each_batch(const std::vector<ingest::Letter>& letters, const Visit& visit);

  /// The original record, opened twice where memseal had sealed it on its way through Kafka.
  /// Errors: open_failed, key_missing, tenant_erased, bad_config (no postgres.dsn).
  asio::awaitable<Result<ports::Record>> open(const ingest::Letter& letter,
                                              const std::string& sealed);

  /// Seals an event of the HTTP API again before it is published to `topic`, where the setting
  /// wants that. Leaves others alone. Errors: tenant_erased, bad_config (no postgres.dsn): it must
  /// then not be published. Throws Failure.
  asio::awaitable<Result<void>> seal_own(const std::string& topic, ports::OutRecord& record);

  /// For each partition of the dead letters of `source_topic`: the offset of the first record that
  /// a letter that is still open needs.
  kafka::PartitionOffsets closed_before(const std::string& source_topic);

  /// app::audited(), with the keys of this box; an `action` that is empty is not recorded.
  int audited(const std::string& action, const std::function<int()>& work);
  const Config& config() const noexcept { return config_; }
  /// What signs the events that are published again.
  producers::Signer signer() const { return own_signer(keyring_); }
  /// Verifies what signer() signs.
  crypto::VerifyingKey verifying_key() const { return keyring_.event_key().verifying_key(); }

 private:
  struct Ledger;

  std::vector<std::string> topics(const DlqOptions& options) const;
  ingest::LetterFilter filter_of(const DlqOptions& options) const;
  std::vector<ingest::Letter> read_all(const std::string& source_topic,
                                       kafka::PartitionOffsets* ends = nullptr);
  ingest::LetterMarks read_marks(const std::string& source_topic);
  bool visit_chosen(std::vector<ingest::Letter> letters, const ingest::LetterFilter& filter,
                    const std::function<bool(const ingest::Letter&)>& visit);
  asio::awaitable<Result<ports::Record>> open_whole(const ingest::Letter& letter,
                                                    const std::string& sealed);
  asio::awaitable<Result<ports::Record>> open_letter(const ingest::Letter& letter,
                                                     const std::string& sealed);
  asio::awaitable<void> ask_ledger(std::vector<ingest::Letter>& letters);

  const Config& config_;
  const crypto::Keyring keyring_;
  const crypto::TenantKeyer tenants_;
  const crypto::IdDeriver ids_;
  const std::unique_ptr<Ledger> ledger_;  ///< null: no database is set
  std::size_t letters_read_ = 0;
};

}  // namespace memseal::app
