#pragma once
// Sends the events of one call and says what became of them.
#include "app/cli/commands.hpp"
#include "app/cli/outgoing.hpp"
#include "app/cli/publish_long_text.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::app {

/// CloudEvents `source` of the events that the command line publishes.
inline constexpr std::string_view cli_event_source = "/memseal/cli";

/// The source of the events that `options` publish: that of a registered producer is /NAME.
std::string source_of(const PublishOptions& options);

/// What ingest would refuse in this event; no error where it would take it. The message begins with
/// the label.
Result<void> check_event(const Outgoing& event);

/// The wait without news of the events, where --timeout is not given and no text is long.
inline constexpr std::chrono::seconds publish_silence_max{60};

/// Publishes `events` and, unless --no-wait is given, waits until ingest has settled each. One that
/// has a long text is waited for in any case, because the file of the text is removed then.
/// Returns exit_ok, exit_failed (an event was refused), exit_not_ready (no broker, no service for a
/// long text, or no word from ingest within --timeout), exit_denied or exit_usage.
/// REQUIRES: `long_texts` is open where an event has a long text; else it may be null.
int send_events(const GlobalOptions& global, const Config& config, const PublishOptions& options,
                std::vector<Outgoing> events, LongTexts* long_texts);

}  // namespace memseal::app
