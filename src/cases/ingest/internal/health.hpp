#pragma once
#include "cases/ingest/internal/prepare.hpp"
#include "cases/ingest/worker.hpp"

#include <optional>
#include <vector>

namespace memseal::ingest {

/// Asks a dependency for fixed work of the same kind as a stage's, to tell an outage from an event
/// that fails: a fixed text is embedded, and fixed rows are written in a transaction that is rolled
/// back. Other stages have nothing to ask, because they only compute or always wait.
class HealthCheck {
 public:
  HealthCheck(const WorkerDeps& deps, std::shared_ptr<const Options> options)
      : deps_(deps), options_(std::move(options)) {}

  /// Why the dependency of `stage` does not work; nothing when it does. Never throws.
  /// NOTE: cancelled, it answers that the dependency does not work.
  asio::awaitable<std::optional<Error>> failure_of(Stage stage);

 private:
  asio::awaitable<void> ask(Stage stage);
  asio::awaitable<void> embed_fixed_text();
  asio::awaitable<void> write_fixed_rows();
  const std::vector<ports::EventWrite>& fixed_rows();
  runtime::RequestContext context() const;

  const WorkerDeps& deps_;
  std::shared_ptr<const Options> options_;
  std::vector<ports::EventWrite> rows_;  ///< made at the first need
};

/// Whether a vector has `dimension` numbers, and a direction as it is stored: a cosine distance to
/// one without is no number, so that its chunk would be found for no question or for each.
bool is_sound(const ports::Embedding& vector, std::size_t dimension) noexcept;
bool sound_vectors(const std::vector<ports::Embedding>& vectors, std::size_t dimension) noexcept;

}  // namespace memseal::ingest
