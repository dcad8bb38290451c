#pragma once
#include "cases/search/metrics.hpp"
#include "cases/search/settings.hpp"
#include "ports/chunk_search.hpp"
#include "ports/matrix_store.hpp"
#include "ports/tenant_keys.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace memseal::search {

namespace asio = boost::asio;

class MatrixCache;

struct MatrixOptions {
  /// Of all copies together; 0: there are none.
  std::size_t bytes = static_cast<std::size_t>(Settings{}.matrix_bytes);
  /// Of a tenant whose copy is worth its memory.
  std::int64_t chunks_min = Settings{}.matrix_chunks_min;
  std::size_t loads_max = 2;                  ///< tenants that are read at one time
  std::chrono::milliseconds load_max{3'000};  ///< after which a question does without its copy
  /// A tenant is read when a second question comes within this time, so that many tenants which ask
  /// once each do not cost a load each.
  std::chrono::milliseconds asked_again_within{600'000};
  std::chrono::milliseconds kept_at_least{10'000};  ///< after a use, also where room is wanted
  std::chrono::milliseconds idle_max{900'000};      ///< after which a copy is dropped
  std::chrono::milliseconds small_for{5'000};       ///< how long a small tenant is taken for small
  std::chrono::milliseconds unfit_for{60'000};      ///< the same for one whose copy cannot be made
  bool words = false;  ///< compare the words of questions too
  std::int64_t words_chunks_max = 2'000;  ///< of a tenant whose terms are read for one question
  /// What vectors weigh beside words, 0 … 1, for turns of chats and for documents.
  float dense_weight_chat = Settings{}.chat_weight();
  float dense_weight_document = Settings{}.document_weight();
};

/// Chooses the plan of each search by the size of the tenant. Small tenants, and those without a
/// copy, are compared by `exact`. The others are compared in memory: their vectors, one copy a
/// tenant, scanned exactly. Both give the same rows, distances and order.
///
/// A copy is used only in one snapshot with its database: the snapshot tells the version of the
/// tenant's chunks, the copy is brought to that version if it has another one, and the candidates
/// are fetched and compared again by the database in the same snapshot. So nothing that is deleted
/// or expired is returned, nothing that is stored is missed, and a row of another tenant stays
/// invisible even if a copy held it.
///
/// hybrid() compares words in the copy too; without a copy it reads the terms of tenants of up to
/// words_chunks_max chunks for each question, and of larger ones compares vectors alone.
///
/// Thread: any executor. Lifetime: all that is given outlives it, and `metrics` also outlives the
/// threads of `store`.
class MatrixSearch final : public ports::ChunkSearch {
 public:
  /// `keys` opens the terms. REQUIRES: it is there where MatrixOptions::words is.
  MatrixSearch(ports::ChunkSearch& exact, ports::MatrixStore& store, SearchMetrics& metrics,
               MatrixOptions options = {}, ports::TenantKeys* keys = nullptr);
  ~MatrixSearch() override;

  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext context, crypto::Tenant owner, ports::QueryVector query,
      std::size_t limit, ports::SearchFilter filter) override;
  /// One pass over the vectors for all questions.
  asio::awaitable<std::vector<std::vector<crypto::SealedCandidate>>> nearest_of_each(
      runtime::RequestContext context, crypto::Tenant owner,
      std::vector<ports::QueryVector> queries, std::size_t limit,
      ports::SearchFilter filter) override;
  asio::awaitable<std::optional<ports::HybridFound>> hybrid(runtime::RequestContext context,
                                                            crypto::Tenant owner,
                                                            ports::HybridQuestion question,
                                                            std::size_t limit,
                                                            ports::SearchFilter filter) override;
  asio::awaitable<std::vector<ports::Neighbour>> neighbours(runtime::RequestContext context,
                                                            crypto::Tenant owner,
                                                            std::vector<Uuid> chunks,
                                                            std::size_t each_side) override;

  /// Drops a tenant's copy and wipes it when its last reader has ended. For erasures, which are
  /// otherwise noticed at the next question or when the copy has been idle.
  void forget(const crypto::Tenant& owner) noexcept;
  /// The same of all tenants, for a process that cannot know which were erased.
  void forget_all() noexcept;

 private:
  using Found = std::vector<std::vector<crypto::SealedCandidate>>;
  asio::awaitable<std::optional<Found>> by_matrix(runtime::RequestContext context,
                                                  crypto::Tenant owner,
                                                  const std::vector<ports::QueryVector>& queries,
                                                  std::size_t limit,
                                                  const ports::SearchFilter& filter);
  asio::awaitable<std::map<std::uint32_t, ports::TenantKeyPtr>> keys_of(
      runtime::RequestContext context, crypto::Tenant owner);
  /// Whether there is a key to be looked up.
  bool note_key(const crypto::Tenant& owner, std::optional<std::uint32_t> wanted);
  /// False: the work failed, as it may; what it was for is to be done in another way.
  asio::awaitable<bool> ran_in_snapshot(runtime::RequestContext context,
                                        runtime::RequestContext limited, crypto::Tenant owner,
                                        std::function<void(ports::MatrixRows&)> work);

  ports::ChunkSearch& exact_;
  ports::MatrixStore& store_;
  SearchMetrics& metrics_;
  ports::TenantKeys* const keys_;  ///< or null
  const std::shared_ptr<MatrixCache> cache_;
};

}  // namespace memseal::search
