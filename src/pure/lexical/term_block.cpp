#include "pure/lexical/term_block.hpp"

#include "base/on_exit.hpp"
#include "pure/codec/big_endian.hpp"

#include <algorithm>

namespace memseal::lexical {

namespace {

constexpr std::uint8_t version_1 = 1;
constexpr std::size_t head_bytes = 4, hash_bytes = 5, posting_bytes = hash_bytes + 1;
constexpr std::size_t id_bytes = 16, chunk_head_bytes = id_bytes + 4;
static_assert(head_bytes + chunk_head_bytes + postings_max * posting_bytes <= block_bytes_max);
static_assert(block_bytes_max % block_step == 0);

void put_u16(Bytes& bytes, std::size_t value) {
  const auto coded = codec::big_endian(static_cast<std::uint16_t>(value));
  bytes.insert(bytes.end(), coded.begin(), coded.end());
}

void put_posting(Bytes& bytes, Posting posting) {
  const auto coded = codec::big_endian(posting);
  bytes.insert(bytes.end(), coded.end() - posting_bytes, coded.end());
}

std::uint16_t u16_at(ByteView bytes, std::size_t at) {
  return codec::read_big_endian<std::uint16_t>(bytes.data() + at);
}

Posting posting_at(const std::uint8_t* from) {
  Posting posting = 0;
  for (std::size_t i = 0; i < posting_bytes; ++i) posting = posting << 8 | from[i];
  return posting;
}

}  // namespace

BlockWriter::BlockWriter() : bytes_(head_bytes) {}

bool BlockWriter::add(const ChunkTerms& chunk) {
  const auto postings = chunk.postings.first(std::min(chunk.postings.size(), postings_max));
  const auto needed = chunk_head_bytes + postings.size() * posting_bytes;
  if (chunks_ > 0 && bytes_.size() + needed > block_bytes_max) return false;
  bytes_.insert(bytes_.end(), chunk.chunk.bytes.begin(), chunk.chunk.bytes.end());
  put_u16(bytes_, std::min<std::uint32_t>(chunk.words, 0xffff));
  put_u16(bytes_, postings.size());
  for (const auto posting : postings) put_posting(bytes_, posting);
  ++chunks_;
  return true;
}

Bytes BlockWriter::take() {
  bytes_[0] = version_1;
  const auto count = codec::big_endian(chunks_);
  std::copy(count.begin(), count.end(), bytes_.begin() + 2);
  bytes_.resize((bytes_.size() + block_step - 1) / block_step * block_step);
  auto block = std::move(bytes_);
  bytes_.assign(head_bytes, 0);
  chunks_ = 0;
  return block;
}

bool read_block(ByteView block, const std::function<void(const ChunkTerms&)>& take) {
  if (block.size() < head_bytes || block.size() > block_bytes_max || block[0] != version_1 ||
      block[1] != 0)
    return false;
  std::size_t at = head_bytes;
  std::vector<Posting> postings;
  postings.reserve(postings_max);  // all at once, because what it outgrew would not be wiped
  const OnExit clean([&] { wipe(postings.data(), postings_max * sizeof(Posting)); });
  for (std::size_t left = u16_at(block, 2); left > 0; --left) {
    if (block.size() - at < chunk_head_bytes) return false;
    ChunkTerms chunk;
    std::copy_n(block.data() + at, id_bytes, chunk.chunk.bytes.begin());
    chunk.words = u16_at(block, at + id_bytes);
    const std::size_t count = u16_at(block, at + id_bytes + 2);
    at += chunk_head_bytes;
    if (count > postings_max || block.size() - at < count * posting_bytes) return false;
    postings.clear();
    for (std::size_t i = 0; i < count; ++i, at += posting_bytes)
      postings.push_back(posting_at(block.data() + at));
    chunk.postings = postings;
    take(chunk);
  }
  return std::all_of(block.begin() + static_cast<std::ptrdiff_t>(at), block.end(),
                     [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace memseal::lexical
