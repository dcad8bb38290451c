#include "cases/ingest/internal/conversation.hpp"

#include "base/limits.hpp"
#include "pure/codec/rfc3339.hpp"

#include <algorithm>
#include <utility>

namespace memseal::ingest {

namespace {

// Of the tokens that the model reads, those that date and speaker take.
constexpr std::size_t head_tokens_max = 24;
constexpr std::size_t piece_tokens_max = limits::chunk_tokens_max - head_tokens_max;
// Of a turn before another one. More than the model reads beside a piece, for words without a
// token of their own, which may be of any length.
constexpr std::size_t before_bytes_max = 1'024;
// Fewer tokens of an earlier turn say nothing.
constexpr std::size_t before_tokens_min = 6;

/// A text and the tokens of it.
struct Tokenized {
  std::string text;
  std::vector<std::int32_t> tokens;

  /// REQUIRES: a word ends at the end of this text, because tokens of a word depend on all of it.
  void append(const Tokenized& more) {
    text += more.text;
    tokens.insert(tokens.end(), more.tokens.begin(), more.tokens.end());
  }
};

/// `[2026-03-04] user: `, as far as date and speaker are known.
Tokenized head_of(const text::WordPiece& words, const SaidBefore& said) {
  Tokenized head;
  constexpr std::size_t date_size = 10;
  if (said.at_ms > 0 && said.at_ms <= codec::rfc3339_ms_max)
    head.text = '[' + codec::format_rfc3339(said.at_ms).substr(0, date_size) + "] ";
  if (!said.role.empty()) head.text += said.role + ": ";
  std::vector<text::Token> tokens;
  words.encode(head.text, tokens);
  if (tokens.size() > head_tokens_max) return {};
  for (const auto& token : tokens) head.tokens.push_back(token.id);
  return head;
}

bool begins_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

/// The end of a text, from the begin of a word if there is one.
std::string_view end_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  auto end = text.substr(text.size() - bytes_max);
  const auto space = end.find_first_of(" \n\t");
  if (space != end.npos) return end.substr(space + 1);
  while (!end.empty() && !begins_code_point(end.front())) end.remove_prefix(1);
  return end;
}

/// One line of a window: a turn with date and speaker, of which the end is taken if the whole has
/// more than `tokens_max` tokens. Empty where there is no room.
Tokenized line_of(const text::WordPiece& words, const SaidBefore& said, std::size_t tokens_max) {
  auto line = head_of(words, said);
  if (line.tokens.size() + before_tokens_min > tokens_max) return {};
  const text::ChunkRules rules{.tokens = tokens_max - line.tokens.size(), .overlap = 0};
  const auto pieces = text::chunk(words, end_of(said.text, before_bytes_max), rules);
  if (pieces.empty()) return {};
  line.append({pieces.back().text + '\n', pieces.back().tokens});
  return line;
}

/// The turn before `turns[at]`, `back` turns before: 1, 2…; null where none is known.
const SaidBefore* before(const Conversation& conversation, const std::vector<SaidBefore>& latest,
                         std::size_t at, std::size_t back) {
  if (back <= at) return &conversation.turns[at - back].said;
  const auto beyond = back - at;
  return beyond <= latest.size() ? &latest[latest.size() - beyond] : nullptr;
}

/// The lines before a turn, within `tokens_max` tokens; the nearest turn has the first claim.
Tokenized window_of(const text::WordPiece& words, const Conversation& conversation,
                    const std::vector<SaidBefore>& latest, std::size_t at,
                    std::size_t tokens_max) {
  Tokenized window;
  for (std::size_t back = 1; back <= window_before; ++back) {
    const auto* said = before(conversation, latest, at, back);
    if (said == nullptr) break;
    auto line = line_of(words, *said, tokens_max - window.tokens.size());
    if (line.text.empty()) break;
    line.append(window);
    window = std::move(line);
  }
  return window;
}

/// Finds the bytes at which code points begin. Goes on from the last one, so that all pieces of a
/// text together cost one pass; a piece that begins before it, by an overlap, costs another.
class ByteFinder {
 public:
  explicit ByteFinder(std::string_view text) : text_(text) {}

  std::size_t byte_of(std::int32_t point) {
    if (point < point_) byte_ = 0, point_ = 0;
    while (point_ < point && byte_ < text_.size()) {
      do ++byte_;
      while (byte_ < text_.size() && !begins_code_point(text_[byte_]));
      ++point_;
    }
    return byte_;
  }

 private:
  std::string_view text_;
  std::size_t byte_ = 0;
  std::int32_t point_ = 0;
};

/// Gives the white space that the chunker left out to the pieces beside it.
void take_white_space(std::vector<text::Chunk>& pieces, std::string_view text) {
  if (pieces.empty()) return;
  const auto points = static_cast<std::int32_t>(
      std::count_if(text.begin(), text.end(), begins_code_point));
  ByteFinder finder(text);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto& piece = pieces[i];
    const auto begin = i == 0 ? 0 : piece.char_start;
    const auto next = i + 1 < pieces.size() ? pieces[i + 1].char_start : points;
    const auto end = std::max(piece.char_end, next);
    if (begin == piece.char_start && end == piece.char_end) continue;
    const auto first = finder.byte_of(begin), last = finder.byte_of(end);
    if (last - first > limits::seal_bytes_max) continue;
    piece.char_start = begin;
    piece.char_end = end;
    piece.text = text.substr(first, last - first);
  }
}

std::vector<text::Chunk> pieces_of(const text::WordPiece& words, const text::ChunkRules& rules,
                                   const std::string& text,
                                   const std::function<void()>& make_way) {
  const text::ChunkRules own{.tokens = std::min(rules.tokens, piece_tokens_max),
                             .overlap = rules.overlap};
  auto pieces = text::chunk(words, text, own, make_way);
  take_white_space(pieces, text);
  return pieces;
}

}  // namespace

std::int64_t revision_of(const Uuid& id) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | id.bytes[i];
  return static_cast<std::int64_t>(value >> 1);
}

Conversation conversation_of(const crypto::IdDeriver& ids, const crypto::Tenant& owner,
                             wire::ChatEvent event) {
  const auto names = turn_names(event);
  const auto times = turn_times(event);
  auto messages = std::move(event.messages);
  event.messages.clear();
  Conversation conversation{std::move(event), {}};
  std::vector<Uuid> keys;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (names[i].empty()) continue;
    const auto key = ids.event_id(owner, wire::turn_key_of, names[i]);
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;  // One id, given twice.
    keys.push_back(key);
    const bool by_words = wire::is_known_by_words(messages[i]);
    auto id = messages[i].id.empty() ? key.to_string() : std::move(messages[i].id);
    conversation.turns.push_back(
        {key, std::move(id),
         {std::move(messages[i].role), times[i], std::move(messages[i].content)},
         by_words});
  }
  return conversation;
}

void mark_stored(const Conversation& conversation, const std::vector<SaidBefore>& latest,
                 std::vector<bool>& stored) {
  const auto& turns = conversation.turns;
  if (stored.size() != turns.size() || turns.size() < 2) return;
  const auto& first = turns.front();
  if (first.by_words && !latest.empty() && latest.back().role == first.said.role &&
      latest.back().text == first.said.text)
    stored[0] = true;
  // In this order, so that each turn is judged by what the look found of the next one.
  for (std::size_t i = 0; i + 1 < turns.size(); ++i)
    if (turns[i].by_words && turns[i + 1].by_words && stored[i + 1]) stored[i] = true;
}

CutTurns cut_turns(const text::WordPiece& words, const text::ChunkRules& rules,
                   const Conversation& conversation, const StoredTurns& known,
                   const std::function<void()>& make_way) {
  CutTurns cut;
  std::int32_t place = 0;
  for (std::size_t at = 0; at < conversation.turns.size(); ++at) {
    const auto& turn = conversation.turns[at];
    auto pieces = pieces_of(words, rules, turn.said.text, make_way);
    const auto first = std::exchange(place, place + static_cast<std::int32_t>(pieces.size()));
    if (at < known.stored.size() && known.stored[at]) continue;
    const auto head = head_of(words, turn.said);
    for (auto& piece : pieces) {
      const auto index = piece.index;
      const auto room = limits::chunk_tokens_max - head.tokens.size() - piece.tokens.size();
      const auto window = index == 0 ? window_of(words, conversation, known.latest, at, room)
                                     : Tokenized{};
      auto embedded = window;
      embedded.append(head);
      embedded.append({piece.text, std::move(piece.tokens)});
      piece.index = first + index;
      piece.tokens = std::move(embedded.tokens);
      cut.pieces.push_back({at, index, std::move(embedded.text),
                            meta_of_turn(conversation.event,
                                         {turn.id, turn.said.role, window.text})});
      cut.chunks.push_back(std::move(piece));
    }
  }
  return cut;
}

std::vector<SaidBefore> latest_of(const Conversation& conversation,
                                  const std::vector<SaidBefore>& earlier) {
  std::vector<SaidBefore> latest;
  for (std::size_t back = 1; back <= window_before; ++back)
    if (const auto* said = before(conversation, earlier, conversation.turns.size(), back))
      latest.insert(latest.begin(), *said);
  return latest;
}

}  // namespace memseal::ingest
