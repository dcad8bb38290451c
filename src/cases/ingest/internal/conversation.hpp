#pragma once
// Chats: each turn is stored by itself and embedded with what was said before it.
#include "pure/crypto/tenant.hpp"
#include "pure/text/chunker.hpp"
#include "pure/wire/turn.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace memseal::ingest {

/// A turn as a later one is embedded with it.
struct SaidBefore {
  std::string role;  ///< empty: not known
  std::int64_t at_ms = 0;  ///< 0: not known
  std::string text;
};

/// One turn of an event, cut into pieces that are stored.
struct ChatTurn {
  Uuid key;        ///< the same for the same turn, see wire::turn_names()
  std::string id;  ///< as clients see it
  SaidBefore said;
  bool by_words = false;  ///< see wire::is_known_by_words()
};

/// What belongs to one piece of a turn besides its text::Chunk.
struct TurnPiece {
  std::size_t turn = 0;       ///< index into Conversation::turns
  std::int32_t index = 0;     ///< 0, 1, 2… within the turn
  std::string embedded_text;  ///< the window that ends in the piece; Chunk::tokens are of it
  std::string meta_json;      ///< sealed beside the piece
};

/// The turns of one event that have text.
struct Conversation {
  wire::ChatEvent event;  ///< without its messages
  std::vector<ChatTurn> turns;
};

/// The turns of `event`, which keeps all but its messages.
Conversation conversation_of(const crypto::IdDeriver& ids, const crypto::Tenant& owner,
                             wire::ChatEvent event);

/// Marks the turns that are stored under another name, because their event begins elsewhere than
/// the one that brought them: those before a stored turn that is known by them, and the first of
/// several if it is the last one of the conversation. `latest`: the last turns that are stored or
/// in work.
void mark_stored(const Conversation& conversation, const std::vector<SaidBefore>& latest,
                 std::vector<bool>& stored);

/// What is stored of a conversation's turns.
struct StoredTurns {
  std::vector<bool> stored = {};        ///< by turn of the event; empty: none
  std::vector<SaidBefore> latest = {};  ///< before the event, oldest first
};

/// Turns before one that it is embedded with.
inline constexpr std::size_t window_before = 2;

/// The pieces of a conversation that are to be stored.
struct CutTurns {
  std::vector<text::Chunk> chunks;  ///< text and offsets of the turn; tokens of the window.
                                    ///< Chunk::index is the place in the event.
  std::vector<TurnPiece> pieces;    ///< one a chunk
};

/// Cuts the turns that are not stored yet. The pieces of a turn hold all its characters, white
/// space too, so that the turn can be put together again. The first piece of a turn is embedded as
/// `[date] speaker: text` with up to window_before such lines before it, as many as the model reads
/// beside the piece; of a longer turn before it the end is taken.
/// Linear in the length of the turns. `make_way`: see text::chunk(). Thread: any.
CutTurns cut_turns(const text::WordPiece& words, const text::ChunkRules& rules,
                   const Conversation& conversation, const StoredTurns& known,
                   const std::function<void()>& make_way = [] {});

/// The last turns of the event, and before them the `earlier` ones: what the next event follows.
std::vector<SaidBefore> latest_of(const Conversation& conversation,
                                  const std::vector<SaidBefore>& earlier);

/// Part of the ids of a turn's pieces.
std::int64_t revision_of(const Uuid& id);

}  // namespace memseal::ingest
