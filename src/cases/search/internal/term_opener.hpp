#pragma once
#include "cases/search/metrics.hpp"
#include "ports/matrix_store.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/lexical/bm25.hpp"
#include "pure/lexical/term_block.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace memseal::search {

/// Keys of one tenant by their generation. Null: the tenant has none such.
using KeyMap = std::map<std::uint32_t, ports::TenantKeyPtr>;

/// Opens one tenant's blocks of terms. A block that does not open is left out and counted, and the
/// first one is logged: its chunks are then found by their vectors alone.
/// Lifetime: all that is given outlives it. Thread: one at a time.
class TermOpener {
 public:
  TermOpener(const crypto::Tenant& owner, const KeyMap& keys, SearchMetrics& metrics)
      : owner_(owner), keys_(keys), metrics_(metrics) {}

  using Take = std::function<void(const lexical::ChunkTerms&)>;
  void open(const ports::TermBlockRow& row, const Take& take);
  /// A generation that a block names and KeyMap does not hold. What was opened is then incomplete.
  std::optional<std::uint32_t> wanted() const noexcept { return wanted_; }

  /// The words of a question under all keys.
  std::vector<lexical::WordHashes> hashes_of(
      const std::vector<std::vector<std::string>>& words) const;

 private:
  void refuse(const char* cause);

  const crypto::Tenant& owner_;
  const KeyMap& keys_;
  SearchMetrics& metrics_;
  std::optional<std::uint32_t> wanted_;
  bool has_told_ = false;
};

}  // namespace memseal::search
