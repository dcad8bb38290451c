#pragma once
#include "cases/search/internal/term_columns.hpp"
#include "cases/search/internal/term_opener.hpp"

#include <string>
#include <vector>

namespace memseal::search {

/// The terms of some chunks, found by the chunks' ids.
class BatchTerms {
 public:
  /// Reads the terms of these documents, of all where there are none named, in the place of what it
  /// held. False: a key is missing, see TermOpener::wanted().
  bool read(ports::MatrixRows& rows, const std::vector<std::string>& doc_ids, TermOpener& opener);
  /// Puts the terms of a chunk into the row. False: it has none, and the row says so.
  bool put(const Uuid& chunk, TermColumns& columns, std::size_t row) const;

  std::size_t size() const noexcept { return chunks_.size(); }
  const Uuid& id(std::size_t at) const noexcept { return chunks_[at].id; }
  void offer(std::size_t at, lexical::Bm25& scoring) const {
    const auto& chunk = chunks_[at];
    scoring.offer(static_cast<std::uint32_t>(at), chunk.words, hashes(chunk), rests(chunk));
  }

 private:
  struct Entry {
    Uuid id;
    std::size_t begin, end;
    std::uint32_t words;
  };
  std::span<const std::uint32_t> hashes(const Entry& chunk) const noexcept {
    return {hashes_.data() + chunk.begin, chunk.end - chunk.begin};
  }
  std::span<const std::uint16_t> rests(const Entry& chunk) const noexcept {
    return {rests_.data() + chunk.begin, chunk.end - chunk.begin};
  }

  std::vector<Entry> chunks_;  ///< in the order of their ids
  matrix::WipedVector<std::uint32_t> hashes_;
  matrix::WipedVector<std::uint16_t> rests_;
};

}  // namespace memseal::search
