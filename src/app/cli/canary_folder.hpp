#pragma once
// The evidence of one rollout, as files.
#include "base/fd.hpp"
#include "cases/canary/controller.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace memseal::app {

/// A folder with
///   state.json          what another controller goes on from, written as a whole or not at all
///   journal.jsonl       what was decided; each line has the SHA-256 of the line before it
///   looks.jsonl         what each look saw and how it was judged
///   smoke.json          the checks before the first user
///   verdict.json        how the rollout ended
///   NAME.prom           pages of metrics at the begin and at the end
/// One controller at a time has it. Its functions throw Refused{bad_config} where the disk refuses.
/// Thread: one at a time.
class CanaryFolder final : public canary::Record {
 public:
  /// Makes the folder, for a new rollout. Error: bad_config; the message says what to do.
  static Result<std::unique_ptr<CanaryFolder>> create(const std::filesystem::path& path);
  /// Opens the folder of a rollout that was begun, and continues its journal. Error: bad_config.
  static Result<std::unique_ptr<CanaryFolder>> open(const std::filesystem::path& path);
  /// The state in a folder, whoever has it. Error: bad_config.
  static Result<canary::State> read_state(const std::filesystem::path& path);

  void note(std::string_view event, const std::vector<canary::Fact>& facts) override;
  void save(const canary::State& state) override;
  void look(const policy::CanaryLook& look, policy::CanaryStep step,
            const policy::CanaryRollout& rollout) override;
  void page(const std::string& name, const std::string& text) override;
  /// Writes a whole file.
  void write(const std::string& name, const std::string& text);

  /// Is told each event of note() and each look, for people.
  std::function<void(std::string_view event, const std::vector<canary::Fact>& facts)> on_note;
  std::function<void(const policy::CanaryLook& look, const policy::CanaryRollout& rollout)> on_look;

 private:
  CanaryFolder(std::filesystem::path path, Fd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  static Result<std::unique_ptr<CanaryFolder>> locked(const std::filesystem::path& path,
                                                      const std::string& journal);
  void append(const char* name, const std::string& line, bool synced);

  const std::filesystem::path path_;
  const Fd lock_;
  std::string last_;    // SHA-256 of the journal's last line; empty: it has none
  double entries_ = 0;  // of the journal
};

}  // namespace memseal::app
