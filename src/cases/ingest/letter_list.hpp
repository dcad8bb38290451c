#pragma once
// The dead letters of a topic as an operator sees them, from the headers alone.
#include "base/ids.hpp"
#include "ports/event_sink.hpp"
#include "ports/event_source.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace memseal::ingest {

enum class LetterState : std::uint8_t {
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
  bool in_ledger = false;             ///< the ledger was asked and has the event

  /// "<topic>/<partition>/<offset>" of its first record.
  std::string name() const;
};

/// What operators did about the letters of one topic: the marks beside them. Takes 16 bytes a mark.
class LetterMarks {
 public:
  /// Records of a partition in their order; those that are no marks change nothing.
  void add(const ports::Record& record);
  /// LetterState::open where no mark names the letter. The last mark counts.
  LetterState state_of(const Letter& letter);

 private:
  struct Mark {
    std::int64_t offset = 0;
    std::int32_t partition = 0;
    LetterState state = LetterState::open;
  };

  std::vector<Mark> marks_;
  bool is_sorted_ = true;
};

/// Makes letters of the records of one topic of dead letters.
/// Memory: what was added and not taken. Of letters that came in parts or are long enough to, the
/// ids and places stay.
/// Time: a call of take_whole() looks only at what it returns.
class LetterList {
 public:
  LetterList() = default;
  /// `marks` of the whole topic, so that letters can be taken before their marks are read.
  explicit LetterList(LetterMarks marks) : marks_(std::move(marks)), knows_marks_(true) {}

  /// Records of a partition in their order.
  void add(const ports::Record& record);
  /// The letters that were not taken, in the order of their records. Leaves out what a letter in
  /// parts left behind because its writer began again.
  std::vector<Letter> take();
  /// Those of which no part is missing. REQUIRES: the marks were given to the constructor.
  std::vector<Letter> take_whole();
  std::size_t size() const noexcept { return incomplete_.size() + whole_.size(); }
  /// How many letters take_whole() would return.
  std::size_t whole() const noexcept { return whole_.size(); }
  /// Records that are neither letter nor mark.
  std::size_t strangers() const noexcept { return strangers_; }

 private:
  /// The record that a letter is about. With the event, because offsets begin at 0
  /// where a topic was deleted and created again.
  using Source = std::tuple<std::string, std::string, std::string, std::optional<Uuid>>;
  struct Held {
    Letter letter;
    std::size_t number;  ///< counts letters in the order of their first records
  };
  struct Parts {
    std::list<Held>::iterator held;  ///< valid while `is_whole` is false
    std::size_t seen = 0, count = 0;
    bool is_whole = false;
  };

  static Source source_of(const Letter& letter);
  static bool may_have_parts(const Letter& letter);
  void add_part(const ports::Record& record, std::string_view id, std::string_view part);
  std::vector<Letter> in_order(std::vector<Held> letters);

  std::list<Held> incomplete_;
  std::vector<Held> whole_;
  std::map<std::string, Parts, std::less<>> parts_;
  std::set<Source> taken_;  ///< of whole letters, where another try may have left parts behind
  std::size_t letters_added_ = 0;
  LetterMarks marks_;
  bool knows_marks_ = false;
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
/// were, the time is the original one, and headers say when and where it was new.
/// `keeps_place`: the original is a replay itself, and the service signed where the event was new.
/// Else its headers memseal-original-* are anybody's, and are left out.
ports::OutRecord replay_of(const Letter& letter, ports::Record original, bool keeps_place);
/// The same without those headers, for a broker that takes no longer record. REQUIRES: the ledger
/// knows the event (Letter::in_ledger), and so where it was new.
ports::OutRecord without_replay_headers(ports::OutRecord replay);

/// The topic on which a replayed event was new; empty where the record does not say.
std::string first_topic_of(const ports::OutRecord& replay);

}  // namespace memseal::ingest
