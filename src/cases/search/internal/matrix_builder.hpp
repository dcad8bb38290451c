#pragma once
#include "cases/search/internal/batch_terms.hpp"
#include "cases/search/internal/tenant_matrix.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace memseal::search {

/// Makes a tenant's matrix from a snapshot, and from an older matrix where there is one: then only
/// the documents that changed are read again.
class MatrixBuilder {
 public:
  /// `old` may be null. `chunks` is how many rows are expected.
  MatrixBuilder(const crypto::Tenant& owner, std::shared_ptr<const TenantMatrix> old,
                std::int64_t chunks);

  /// Reads what is missing, vectors of `dimension` numbers. `admits` is asked once, before rows are
  /// read, whether so many bytes of them find room. False: nothing was read, because they do not.
  /// `opener` opens the terms; null: none are read. Where it lacks a key, nothing more is read, and
  /// what was made is of no use.
  bool read(ports::MatrixRows& rows, std::size_t dimension,
            const std::function<bool(std::size_t bytes)>& admits, TermOpener* opener = nullptr);
  /// Chunks that were read without terms although terms were wanted.
  std::size_t without_terms() const noexcept { return without_terms_; }
  /// REQUIRES: read() has been called.
  std::shared_ptr<const TenantMatrix> finish(const ports::TenantState& state);

  /// Bytes that a tenant of so many chunks takes, about. For reservations.
  static std::size_t bytes_of(std::int64_t chunks, std::size_t dimension, bool with_terms);

 private:
  bool has_many_dead() const;
  std::vector<ports::DocumentStamp> outdated(std::vector<ports::DocumentStamp> now);
  void forget(const std::string& doc_id);
  void take(const ports::MatrixRow& row, const BatchTerms* terms);
  void open_block();
  void copy_row(const MatrixBlock& from, std::size_t row, std::uint32_t document);
  void close_block();
  void compact();
  std::uint32_t tag_number(const std::string& tag);

  const std::shared_ptr<const TenantMatrix> old_;
  std::shared_ptr<TenantMatrix> made_;
  std::shared_ptr<MatrixBlock> open_;  ///< the block that rows go into; null: none yet
  std::size_t expected_;               ///< rows still to come
  std::size_t without_terms_ = 0;
};

}  // namespace memseal::search
