#pragma once
// The dead letters of a topic as an operator sees them, from the headers alone.
#include "base/ids.hpp"
#include "ports/event_sink.hpp"
#include "ports/event_source.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::ingest {

enum class LetterState {
  open,       ///< nobody has done anything about it
  replayed,   ///< its event was published again
  dropped,    ///< an operator gave it up
  succeeded,  ///< its event has taken effect since, says the ledger
};

std::string_view letter_state_name(LetterState state) noexcept;

/// One dead letter. Texts come from headers, which whoever may write to the topic can forge.
struct Letter {
  std::string topic;                  ///< of the dead letters
  std::int32_t partition = 0;
  std::vector<std::int64_t> offsets;  ///< of its parts, in their order; mostly one
  std::int64_t written_ms = 0;
  std::size_t bytes = 0;              ///< of the sealed value
  std::optional<Uuid> event_id;
  std::optional<UserHash> user;       ///< empty: unknown or unproven
  std::string code, message, field, stage, attempts;
  std::string source_topic;           ///< where it goes when it is replayed
  std::string source_partition, source_offset;
  std::int64_t source_time_ms = 0;
  bool is_for_tenant = false;         ///< sealed under the user's key, else under the keyring's
  std::string value_omitted;          ///< why there is no value; "incomplete": a part is not there
  LetterState state = LetterState::open;

  /// "<topic>/<partition>/<offset>" of its first record.
  std::string name() const;
};

/// Makes letters of the records of one topic of dead letters.
class LetterList {
 public:
  /// Records of a partition in their order.
  void add(const ports::Record& record);
  /// The letters in the order of their records. Leaves out what a letter in parts left behind
  /// because its writer began anew.
  std::vector<Letter> take();
  /// Records that are neither letter nor mark.
  std::size_t strangers() const noexcept { return strangers_; }

 private:
  using Place = std::pair<std::int32_t, std::int64_t>;
  struct Parts {
    std::size_t letter = 0;  ///< index
    std::size_t seen = 0, count = 0;
  };

  void add_part(const ports::Record& record, std::string_view id, std::string_view part);

  std::vector<Letter> letters_;
  std::map<std::string, Parts, std::less<>> parts_;
  std::map<Place, LetterState> marks_;
  std::size_t strangers_ = 0;
};

/// Which letters an operator means; empty members mean all.
struct LetterFilter {
  std::string code;
  std::optional<UserHash> user;
  std::string id;  ///< of the event, or a letter's name
  std::int64_t since_ms = 0, until_ms = 0;
  bool closed_too = false;  ///< also what is not open

  bool matches(const Letter& letter) const;
};

/// A record beside the letters that says what was done about one. Whoever lists them reads it; it
/// lives as long as the letter, because it has the same topic.
ports::OutRecord mark_of(const Letter& letter, LetterState state);

/// The original event of a letter, to be published again: key, value and headers are as they
/// were, the time is the original one, and a header says that it is not new.
ports::OutRecord replay_of(const Letter& letter, ports::Record original);

}  // namespace memseal::ingest
