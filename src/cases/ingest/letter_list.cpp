#include "cases/ingest/letter_list.hpp"

#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/internal/record_headers.hpp"
#include "pure/codec/hex.hpp"
#include "pure/wire/event.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace memseal::ingest {

namespace {

namespace header = letter_header;

constexpr std::string_view suffix = ".dlq";
constexpr std::string_view incomplete = "incomplete";

std::string text_of(const ports::Record& record, std::string_view name) {
  return std::string(value_of(record, name).value_or(""));
}

std::optional<UserHash> hash_of(std::string_view hex) {
  const auto bytes = codec::decode_hex(hex);
  UserHash hash;
  if (!bytes || bytes->size() != hash.bytes.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return hash;
}

// More than the largest event has in parts of the least size. Without a bound a forged letter would
// fill memory.
constexpr std::size_t listed_parts_max = 128;

Letter letter_of(const ports::Record& record) {
  Letter letter{.topic = record.topic,
                .partition = record.partition,
                .offsets = {record.offset},
                .written_ms = record.timestamp_ms,
                .bytes = record.value.size(),
                .user = hash_of(record.key),
                .code = text_of(record, header::error_code),
                .message = text_of(record, header::error_message),
                .field = text_of(record, header::error_field),
                .stage = text_of(record, header::error_stage),
                .attempts = text_of(record, header::error_attempts)};
  if (const auto id = Uuid::parse(text_of(record, header::event_id))) letter.event_id = *id;
  // Not from the header, because a forged one could send content to another topic.
  letter.source_topic = record.topic.substr(
      0, record.topic.ends_with(suffix) ? record.topic.size() - suffix.size() : 0);
  letter.source_partition = text_of(record, header::partition);
  letter.source_offset = text_of(record, header::offset);
  letter.source_time_ms =
      number_of<std::int64_t>(text_of(record, header::timestamp)).value_or(0);
  letter.is_for_tenant = text_of(record, header::sealed_for) == "tenant";
  letter.value_omitted = text_of(record, header::value_omitted);
  return letter;
}

std::optional<LetterState> state_named(std::string_view name) {
  for (const auto state : {LetterState::open, LetterState::replayed, LetterState::dropped})
    if (letter_state_name(state) == name) return state;
  return std::nullopt;
}

}  // namespace

std::string_view letter_state_name(LetterState state) noexcept {
  switch (state) {
    case LetterState::open: return "open";
    case LetterState::replayed: return "replayed";
    case LetterState::dropped: return "dropped";
    case LetterState::succeeded: return "succeeded";
  }
  return "";
}

std::string Letter::name() const {
  return topic + "/" + std::to_string(partition) + "/" + std::to_string(offsets.front());
}

void LetterMarks::add(const ports::Record& record) {
  const auto mark = value_of(record, header::mark);
  if (!mark) return;
  const auto state = state_named(*mark);
  const auto partition = number_of<std::int32_t>(text_of(record, header::mark_partition));
  const auto offset = number_of<std::int64_t>(text_of(record, header::mark_offset));
  if (!state || !partition || !offset) return;
  marks_.push_back({*offset, *partition, *state});
  is_sorted_ = false;
}

LetterState LetterMarks::state_of(const Letter& letter) {
  const auto is_before = [](const Mark& a, const Mark& b) {
    return std::tie(a.partition, a.offset) < std::tie(b.partition, b.offset);
  };
  // Stable, so that of several marks of one letter the last one stays last.
  if (!is_sorted_) std::stable_sort(marks_.begin(), marks_.end(), is_before);
  is_sorted_ = true;
  const Mark wanted{letter.offsets.front(), letter.partition};
  const auto behind = std::upper_bound(marks_.begin(), marks_.end(), wanted, is_before);
  if (behind == marks_.begin() || is_before(*std::prev(behind), wanted)) return LetterState::open;
  return std::prev(behind)->state;
}

LetterList::Source LetterList::source_of(const Letter& letter) {
  return {letter.source_topic, letter.source_partition, letter.source_offset, letter.event_id};
}

void LetterList::add(const ports::Record& record) {
  if (value_of(record, header::mark)) {
    // A first pass has read all marks where letters are handed on before the topic ends.
    if (!knows_marks_) marks_.add(record);
    return;
  }
  // Somebody else writes to this topic. What memseal did not write is counted and left alone.
  if (!value_of(record, header::error_code)) {
    ++strangers_;
    return;
  }
  const auto part = value_of(record, header::part);
  const auto id = value_of(record, header::letter_id);
  if (part && id) return add_part(record, *id, *part);
  whole_.push_back({letter_of(record), letters_added_++});
}

void LetterList::add_part(const ports::Record& record, std::string_view id, std::string_view part) {
  const auto slash = std::min(part.find('/'), part.size());
  const auto number = number_of<std::size_t>(part.substr(0, slash));
  const auto count = number_of<std::size_t>(part.substr(std::min(slash + 1, part.size())));
  // Headers can be forged by whoever writes to the topic; what makes no sense is no letter.
  if (!number || !count || *count > listed_parts_max) return;
  const auto found = parts_.find(id);
  if (found == parts_.end()) {
    // Without its first part a letter does not open; the rest of it then only shows that it was.
    Held held{letter_of(record), letters_added_++};
    if (*number == 1 && *count == 1) {
      parts_.emplace(id, Parts{{}, *number, *count, true});
      whole_.push_back(std::move(held));
      return;
    }
    held.letter.value_omitted = incomplete;
    incomplete_.push_back(std::move(held));
    parts_.emplace(id, Parts{std::prev(incomplete_.end()), *number, *count});
    return;
  }
  auto& parts = found->second;
  if (parts.is_whole || *number != parts.seen + 1 || *count != parts.count) return;  // a repetition
  auto& letter = parts.held->letter;
  ++parts.seen;
  letter.offsets.push_back(record.offset);
  letter.bytes += record.value.size();
  parts.is_whole = parts.seen == parts.count && letter.offsets.size() == parts.count;
  if (!parts.is_whole) return;
  letter.value_omitted.clear();
  whole_.push_back(std::move(*parts.held));
  incomplete_.erase(parts.held);
}

// A shorter letter goes in one record, whatever the broker takes.
bool LetterList::may_have_parts(const Letter& letter) {
  return letter.bytes > letter_part_bytes_least || letter.offsets.size() > 1 ||
         !letter.value_omitted.empty();
}

std::vector<Letter> LetterList::in_order(std::vector<Held> letters) {
  std::sort(letters.begin(), letters.end(),
            [](const Held& a, const Held& b) { return a.number < b.number; });
  std::vector<Letter> ordered;
  for (auto& held : letters) {
    held.letter.state = marks_.state_of(held.letter);
    ordered.push_back(std::move(held.letter));
  }
  return ordered;
}

std::vector<Letter> LetterList::take() {
  for (const auto& held : whole_) taken_.insert(source_of(held.letter));
  auto rest = std::exchange(whole_, {});
  for (auto& held : incomplete_)
    if (!taken_.contains(source_of(held.letter))) rest.push_back(std::move(held));
  incomplete_.clear();
  parts_.clear();
  taken_.clear();
  return in_order(std::move(rest));
}

std::vector<Letter> LetterList::take_whole() {
  for (const auto& held : whole_)
    // A writer that was cut off begins the letter again. The first try is then no letter of its
    // own, and this set tells it; letters of one record need no place in it.
    if (may_have_parts(held.letter)) taken_.insert(source_of(held.letter));
  return in_order(std::exchange(whole_, {}));
}

bool LetterFilter::matches(const Letter& letter) const {
  if (!closed_too && letter.state != LetterState::open) return false;
  if (!code.empty() && letter.code != code) return false;
  if (user && letter.user != user) return false;
  if (!id.empty() && id != letter.name() &&
      !(letter.event_id && letter.event_id->to_string() == id))
    return false;
  return letter.written_ms >= since_ms && (until_ms == 0 || letter.written_ms < until_ms);
}

ports::OutRecord mark_of(const Letter& letter, LetterState state) {
  ports::OutRecord mark{.channel = ports::Channel::dead_letter,
                        .key = {},
                        .value = {},
                        .headers = {},
                        .source_topic = letter.source_topic};
  // The letter's own key, so that the mark comes to its partition.
  if (letter.user) mark.key = letter.user->to_hex();
  else if (letter.event_id) mark.key = letter.event_id->to_string();
  mark.headers.emplace_back(header::mark, letter_state_name(state));
  mark.headers.emplace_back(header::mark_partition, std::to_string(letter.partition));
  mark.headers.emplace_back(header::mark_offset, std::to_string(letter.offsets.front()));
  return mark;
}

ports::OutRecord replay_of(const Letter& letter, ports::Record original, bool keeps_place) {
  ports::OutRecord record{.channel = ports::Channel::upload,
                          .key = std::move(original.key),
                          .value = std::move(original.value),
                          .headers = std::move(original.headers),
                          .timestamp_ms = letter.source_time_ms};
  // An event that was replayed before, and refused again, still says where it was new.
  const auto says = [&](std::string_view name) {
    return std::any_of(record.headers.begin(), record.headers.end(),
                       [&](const auto& one) { return one.first == name; });
  };
  const bool knows_place =
      keeps_place && says(header::topic) && says(header::partition) && says(header::offset);
  std::erase_if(record.headers, [&](const auto& one) {
    return one.first == header::timestamp ||
           (!knows_place && one.first.starts_with(wire::replay_header_prefix));
  });
  if (letter.source_time_ms > 0)
    record.headers.emplace_back(header::timestamp, std::to_string(letter.source_time_ms));
  if (!knows_place || !says(wire::refused_at_header))
    record.headers.emplace_back(wire::refused_at_header, std::to_string(letter.written_ms));
  if (knows_place) return record;
  record.headers.emplace_back(header::topic, letter.source_topic);
  record.headers.emplace_back(header::partition, letter.source_partition);
  record.headers.emplace_back(header::offset, letter.source_offset);
  return record;
}

ports::OutRecord without_replay_headers(ports::OutRecord record) {
  std::erase_if(record.headers, [](const auto& one) {
    return one.first.starts_with(wire::replay_header_prefix) &&
           one.first != wire::refused_at_header;  // The gate needs it, and it is short.
  });
  return record;
}

std::string first_topic_of(const ports::OutRecord& record) {
  for (const auto& [name, value] : record.headers)
    if (name == header::topic) return value;
  return {};
}

}  // namespace memseal::ingest
