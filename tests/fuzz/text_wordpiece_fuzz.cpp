// The tokenizer against any bytes: tokens lie in order inside the text, ids are known ones, the
// fast way for short ASCII words agrees with the general one, and special tokens never come out.
#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/codec/utf8_decode.hpp"
#include "pure/text/wordpiece.hpp"

#include <algorithm>
#include <string>

namespace {

using namespace memseal::text;
namespace codec = memseal::codec;

constexpr std::int32_t unknown_id = 1;  // [UNK], the second line

const WordPiece& words() {
  static const WordPiece made = WordPiece::from_vocabulary(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nab\nabc\n##a\n##b\n##bca\n##c\nun\n##aff\n##able\n[\n]\n"
      "sep\n.\n,\n一\nσ\n##α\n##σ\n;\nthirteenbytes\n##1\n2\nᄀ\n##ᅡ\ne\n##e\nthe\n").value();
  return made;
}

void check_tokens(std::string_view text, const std::vector<Token>& tokens) {
  std::uint32_t last_begin = 0;
  for (const Token& token : tokens) {
    MEMSEAL_ASSERT(token.id == unknown_id || token.id > words().sep_id());
    MEMSEAL_ASSERT(token.id < static_cast<std::int32_t>(words().vocabulary_size()));
    MEMSEAL_ASSERT(token.begin < token.end && token.end <= text.size());
    MEMSEAL_ASSERT(token.begin >= last_begin);
    last_begin = token.begin;
  }
}

// The same text with U+FFFD before every character: it changes no token, but leads each word
// through the general reader.
std::string the_slow_way(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto [point, size] = codec::decode_code_point(text, at);
    out += "\xEF\xBF\xBD";
    if (point != codec::replacement_character) out += text.substr(at, size);
    at += size;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Token> fast, slow;
  words().encode(text, fast);
  check_tokens(text, fast);
  const std::string other = the_slow_way(text);
  MEMSEAL_ASSERT(codec::is_utf8(other) && codec::count_code_points(other) >= other.size() / 4);
  words().encode(other, slow);
  MEMSEAL_ASSERT(std::equal(fast.begin(), fast.end(), slow.begin(), slow.end(),
                            [](const Token& a, const Token& b) { return a.id == b.id; }));

  const std::size_t tokens_max = 3 + (size == 0 ? 0 : data[0] % 64);
  const auto single = words().encode_single(text, tokens_max);
  MEMSEAL_ASSERT(single.size() == std::min(fast.size() + 2, tokens_max));
  MEMSEAL_ASSERT(single.front() == words().cls_id() && single.back() == words().sep_id());
  const auto pair = words().encode_pair(text.substr(0, size / 3), text.substr(size / 3),
                                        tokens_max);
  MEMSEAL_ASSERT(pair.ids.size() <= tokens_max && pair.segment_b >= 2);
  MEMSEAL_ASSERT(pair.ids[pair.segment_b - 1] == words().sep_id());

  if (size % 16 != 0) return 0;  // the rest is slow
  // The bytes as a vocabulary: refused, or usable.
  if (const auto made = WordPiece::from_vocabulary("[PAD]\n[UNK]\n[CLS]\n[SEP]\n" +
                                                   std::string(text))) {
    slow.clear();
    made->encode(text, slow);
  } else {
    MEMSEAL_ASSERT(!codec::is_utf8(text));
  }
  return 0;
}
