#pragma once
#include "cases/search/internal/matrix_block.hpp"
#include "cases/search/internal/word_match.hpp"
#include "ports/matrix_store.hpp"
#include "pure/crypto/tenant.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace memseal::search {

/// Texts and the numbers that stand for them, wiped at the end.
template <class Value>
class NameTable {
 public:
  NameTable() = default;
  NameTable(const NameTable&) = default;
  NameTable& operator=(const NameTable&) = delete;
  ~NameTable() { clear(); }

  void clear() {
    while (!values.empty()) drop(values.begin());
  }
  void drop(typename std::map<std::string, Value, std::less<>>::iterator at) {
    auto node = values.extract(at);
    wipe(node.key().data(), node.key().size());
  }

  std::map<std::string, Value, std::less<>> values;
};

/// What a matrix knows of a document.
struct MatrixDocument {
  std::uint32_t number = 0;
  std::int64_t written_by = 0;
  std::size_t rows = 0, rows_without_vector = 0;
};

/// The candidates of one question.
struct Choice {
  std::vector<Uuid> ids;
  std::size_t certain = 0;  ///< so many of them the database must return
  bool too_many = false;    ///< so many are equally near that the database compares better
};

/// The vectors of one tenant as one snapshot showed them, and what filters look at. A value that
/// never changes: a newer state is a new matrix, which shares the blocks that stayed.
/// Thread: any.
class TenantMatrix {
 public:
  const crypto::Tenant& owner() const noexcept { return owner_; }
  const ports::MatrixVersion& version() const noexcept { return version_; }
  /// False: the rows were not what the tenant's row promises, or have vectors that have no length.
  /// The database then compares.
  bool fits() const noexcept { return fits_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t bytes() const noexcept { return bytes_; }

  /// Those chunks that ChunkSearch::nearest() could return for each question, in one pass over the
  /// vectors: the nearest `limit` by distances in binary32, and all that are as near within the
  /// error of any summation in binary32. So the database finds among them what it would find among
  /// all, in the same order. `now_us`: what expires before is left out.
  /// REQUIRES: fits(), limit >= 1. Nothing where a question has another dimension or no length.
  std::optional<std::vector<Choice>> choose(const std::vector<ports::QueryVector>& questions,
                                            std::size_t limit, const ports::SearchFilter& filter,
                                            std::int64_t now_us) const;

  /// The chunks that pass `filter`, but for its place, and have a word of `question`. In no order.
  /// How rare a word is, all chunks of the tenant tell that have terms. REQUIRES: fits().
  std::vector<WordMatch> by_words(const std::vector<lexical::WordHashes>& question,
                                  const ports::SearchFilter& filter, std::int64_t now_us) const;

 private:
  friend class MatrixBuilder;
  friend class RowFilter;
  explicit TenantMatrix(const crypto::Tenant& owner) : owner_(owner) {}

  crypto::Tenant owner_;
  ports::MatrixVersion version_;
  bool fits_ = true;
  std::size_t dimension_ = 0, stride_ = 0;
  std::size_t rows_ = 0, dead_rows_ = 0, bytes_ = 0;
  bool expires_ = false;  ///< a row may expire
  std::vector<std::shared_ptr<const MatrixBlock>> blocks_;
  /// Whether the document of this number is still that of its rows. A document that changed got a
  /// new number, and its old rows are dead.
  std::vector<std::uint8_t> alive_;
  NameTable<MatrixDocument> documents_;
  NameTable<std::uint32_t> tags_;
};

}  // namespace memseal::search
