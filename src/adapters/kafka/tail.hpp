#pragma once
#include "adapters/kafka/client.hpp"
#include "base/result.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace memseal::kafka {

/// Reads what is appended to a topic from open() on, in all its partitions, outside any group.
/// Thread: a command; its calls block.
class Tail {
 public:
  /// Returns when the end of each partition is known: no record that is appended later is missed.
  /// Errors: unavailable (no broker answered in time), not_found (there is no such topic),
  /// bad_config (a property is refused, or the broker denies access).
  static Result<std::unique_ptr<Tail>> open(const ClientOptions& client, const std::string& topic,
                                            std::chrono::milliseconds timeout);
  ~Tail();

  /// The value of the next record; empty when none came within `timeout`.
  std::optional<std::string> next(std::chrono::milliseconds timeout);

 private:
  struct Impl;
  explicit Tail(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::kafka
