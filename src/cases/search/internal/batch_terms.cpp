#include "cases/search/internal/batch_terms.hpp"

#include "base/on_exit.hpp"

namespace memseal::search {

bool BatchTerms::read(ports::MatrixRows& rows, const std::vector<std::string>& doc_ids,
                      TermOpener& opener) {
  chunks_.clear();
  hashes_.clear();
  rests_.clear();
  std::vector<std::uint32_t> hashes;
  std::vector<std::uint16_t> rests;
  // All at once, because what they outgrew would not be wiped.
  hashes.reserve(lexical::postings_max);
  rests.reserve(lexical::postings_max);
  const OnExit clean([&] {
    wipe(hashes.data(), hashes.capacity() * sizeof(std::uint32_t));
    wipe(rests.data(), rests.capacity() * sizeof(std::uint16_t));
  });
  const auto take = [&](const lexical::ChunkTerms& chunk) {
    hashes.clear();
    rests.clear();
    for (const auto posting : chunk.postings) {
      hashes.push_back(static_cast<std::uint32_t>(posting >> 16));
      rests.push_back(static_cast<std::uint16_t>(posting));
    }
    const auto begin = hashes_.size();
    hashes_.append(hashes);
    rests_.append(rests);
    chunks_.push_back({chunk.chunk, begin, hashes_.size(), chunk.words});
  };
  rows.read_terms(doc_ids, [&](const ports::TermBlockRow& row) { opener.open(row, take); });
  std::sort(chunks_.begin(), chunks_.end(),
            [](const Entry& a, const Entry& b) { return a.id < b.id; });
  return !opener.wanted();
}

bool BatchTerms::put(const Uuid& chunk, TermColumns& columns, std::size_t row) const {
  const auto found = std::lower_bound(chunks_.begin(), chunks_.end(), chunk,
                                      [](const Entry& one, const Uuid& id) { return one.id < id; });
  if (found == chunks_.end() || found->id != chunk) {
    columns.put_none(row);
    return false;
  }
  columns.put(row, found->words, hashes(*found), rests(*found));
  return true;
}

}  // namespace memseal::search
