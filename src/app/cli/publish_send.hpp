#pragma once
// Sends the events of one call and says what became of them.
#include "app/cli/commands.hpp"
#include "ports/event_sink.hpp"

#include <string>
#include <vector>

namespace memseal::app {

/// CloudEvents `source` of the events that the command line publishes.
inline constexpr std::string_view cli_event_source = "/memseal/cli";

/// The source of the events that `options` publish: that of a registered producer is /NAME.
std::string source_of(const PublishOptions& options);

/// One event to send.
struct Outgoing {
  std::string label;  ///< names the document or conversation in messages
  std::string event_id;
  std::string topic;
  ports::OutRecord record;
};

/// What ingest would refuse in this event; no error where it would take it. The message begins with
/// the label.
Result<void> check_event(const Outgoing& event);

/// Publishes `events` and, unless --no-wait is given, waits until ingest has settled each.
/// Returns exit_ok, exit_failed (an event was refused), exit_not_ready (no broker, or no word from
/// ingest within --timeout) or exit_usage.
int send_events(const GlobalOptions& global, const Config& config, const PublishOptions& options,
                const std::vector<Outgoing>& events);

}  // namespace memseal::app
