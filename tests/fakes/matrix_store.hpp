#pragma once
// Tenants' chunks in memory, as a database would show them: by snapshots, each tenant its own.
#include "pure/codec/half.hpp"
#include "fakes/tenant_keys.hpp"
#include "ports/matrix_store.hpp"
#include "pure/crypto/term_hasher.hpp"
#include "pure/lexical/term_block.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace memseal::fakes {

namespace asio = boost::asio;

struct MemoryChunk {
  Uuid id;
  std::string doc_id;
  Origin origin = Origin::upload;
  std::int64_t created_us = 0, expires_us = ports::MatrixRow::never_us;
  std::vector<std::string> tags = {};
  std::vector<float> vector = {};  ///< of halves: see halved()
  /// How often it has each term; nothing: its terms are not stored.
  std::optional<std::map<std::string, std::uint32_t>> words{std::in_place};
  std::uint32_t words_key = 1;  ///< generation of the key that seals its terms
  Bytes block = {};             ///< its terms, sealed by MatrixDatabase::put()
};

/// As the database stores it.
inline std::vector<float> halved(std::vector<float> vector) {
  for (auto& value : vector) value = codec::half_value(codec::half_bits(value));
  return vector;
}

/// What one tenant has. Does not change.
struct TenantChunks {
  std::int64_t version = 0;
  std::map<std::string, std::int64_t> stamps;  ///< of documents
  std::vector<MemoryChunk> chunks;
  bool erased = false;
  std::int64_t uncounted = 0;  ///< chunks that the tenant's row does not count
};

/// The tables, and the plan of the database over them.
/// Thread: any.
class MatrixDatabase final : public ports::ChunkSearch, public ports::MatrixStore {
 public:
  using Snapshot = std::shared_ptr<const TenantChunks>;

  /// Changes a tenant's chunks. A document that `change` puts into `stamps` gets a new stamp.
  void change(const crypto::Tenant& owner, const std::function<void(TenantChunks&)>& change) {
    const std::lock_guard lock(mutex_);
    auto next = tenants_.contains(owner) ? TenantChunks(*tenants_[owner]) : TenantChunks();
    change(next);
    ++next.version;
    for (auto& [doc, stamp] : next.stamps)
      if (stamp == 0) stamp = ++transactions_;
    tenants_[owner] = std::make_shared<const TenantChunks>(std::move(next));
  }
  /// Replaces a document by these chunks.
  void put(const crypto::Tenant& owner, const std::string& doc, std::vector<MemoryChunk> chunks) {
    change(owner, [&](TenantChunks& all) {
      std::erase_if(all.chunks, [&](const auto& chunk) { return chunk.doc_id == doc; });
      for (auto& chunk : chunks) {
        chunk.doc_id = doc;
        if (keeps_words && chunk.words) chunk.block = sealed_words(owner, chunk);
        all.chunks.push_back(std::move(chunk));
      }
      all.stamps[doc] = 0;
    });
  }
  void remove(const crypto::Tenant& owner, const std::string& doc) {
    change(owner, [&](TenantChunks& all) {
      std::erase_if(all.chunks, [&](const auto& chunk) { return chunk.doc_id == doc; });
      all.stamps.erase(doc);
    });
  }
  Snapshot snapshot(const crypto::Tenant& owner) const {
    const std::lock_guard lock(mutex_);
    const auto found = tenants_.find(owner);
    return found == tenants_.end() ? nullptr : found->second;
  }

  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext, crypto::Tenant owner, ports::QueryVector query, std::size_t limit,
      ports::SearchFilter filter) override {
    co_return nearest_of(snapshot(owner), query, limit, filter);
  }
  std::vector<crypto::SealedCandidate> nearest_of(const Snapshot& shown,
                                                  const ports::QueryVector& query,
                                                  std::size_t limit,
                                                  const ports::SearchFilter& filter) {
    const auto asked = halved(query.values);
    std::vector<crypto::SealedCandidate> found;
    if (shown)
      for (const auto& chunk : shown->chunks)
        if (passes(chunk, filter)) found.push_back(candidate(chunk, asked));
    return first(std::move(found), limit, filter.after);
  }
  asio::awaitable<std::vector<ports::Neighbour>> neighbours(runtime::RequestContext, crypto::Tenant,
                                                            std::vector<Uuid>,
                                                            std::size_t) override {
    co_return std::vector<ports::Neighbour>();
  }
  asio::awaitable<void> in_snapshot(runtime::RequestContext, crypto::Tenant owner,
                                    std::function<void(ports::MatrixRows&)> work) override {
    Rows rows(*this, owner);
    work(rows);
    co_return;
  }

  std::int64_t now_us = 1'000'000;
  bool keeps_words = false;  ///< put() stores the terms of chunks
  std::atomic<std::size_t> rows_read = 0, blocks_read = 0;
  std::function<void()> on_read = {};  ///< called before rows are read
  /// Whose rows a load reads, where that is another tenant's: a fault of isolation.
  std::map<crypto::Tenant, crypto::Tenant> reads_of = {};

 private:
  class Rows final : public ports::MatrixRows {
   public:
    Rows(MatrixDatabase& database, const crypto::Tenant& owner)
        : database_(database),
          shown_(database.snapshot(owner)),
          read_(shown_) {
      const auto other = database.reads_of.find(owner);
      if (other == database.reads_of.end()) return;
      read_ = database.snapshot(other->second);
    }
    std::optional<ports::TenantState> state() override {
      if (!shown_) return std::nullopt;
      const auto counted = static_cast<std::int64_t>(read_->chunks.size()) - read_->uncounted;
      return ports::TenantState{.version = {shown_->version, 0},
                                .chunks = counted,
                                .erased = shown_->erased,
                                .now_us = database_.now_us};
    }
    std::vector<ports::DocumentStamp> documents() override {
      std::vector<ports::DocumentStamp> all;
      std::map<std::string, std::int64_t> counts;
      for (const auto& chunk : read_->chunks) ++counts[chunk.doc_id];
      for (const auto& [doc, stamp] : read_->stamps) all.push_back({doc, stamp, counts[doc]});
      return all;
    }
    void read(const ports::MatrixBatch& batch,
              const std::function<void(const ports::MatrixRow&)>& take) override {
      if (database_.on_read) database_.on_read();
      const std::set<std::string> docs(batch.doc_ids.begin(), batch.doc_ids.end());
      for (const auto& chunk : read_->chunks) {
        if (!docs.contains(chunk.doc_id) || chunk.id < batch.first || batch.last < chunk.id)
          continue;
        ++database_.rows_read;
        std::vector<std::uint16_t> halves;
        for (const float value : chunk.vector) halves.push_back(codec::half_bits(value));
        take({chunk.id, chunk.doc_id, chunk.origin, chunk.created_us, chunk.expires_us, chunk.tags,
              halves});
      }
    }
    // A block a chunk.
    void read_terms(const std::vector<std::string>& doc_ids,
                    const std::function<void(const ports::TermBlockRow&)>& take) override {
      const std::set<std::string> docs(doc_ids.begin(), doc_ids.end());
      for (const auto& chunk : read_->chunks) {
        if (chunk.block.empty() || (!docs.empty() && !docs.contains(chunk.doc_id))) continue;
        ++database_.blocks_read;
        take({chunk.doc_id, chunk.id, chunk.block});
      }
    }
    std::vector<crypto::SealedCandidate> nearest(const ports::QueryVector& query,
                                                 std::size_t limit,
                                                 const ports::SearchFilter& filter) override {
      return database_.nearest_of(shown_, query, limit, filter);
    }
    std::vector<crypto::SealedCandidate> fetch(const ports::QueryVector& query,
                                               const ports::MatrixChoice& choice) override {
      const std::set<Uuid> ids(choice.ids.begin(), choice.ids.end());
      const auto asked = halved(query.values);
      std::vector<crypto::SealedCandidate> found;
      for (const auto& chunk : shown_->chunks)
        if (ids.contains(chunk.id) && database_.is_alive(chunk))
          found.push_back(candidate(chunk, asked));
      return first(std::move(found), choice.limit, choice.after);
    }

   private:
    MatrixDatabase& database_;
    Snapshot shown_, read_;
  };

  static Bytes sealed_words(const crypto::Tenant& owner, const MemoryChunk& chunk) {
    const auto key = TenantKeys::key_of(owner, chunk.words_key);
    const crypto::TermHasher hasher(*key);
    std::vector<lexical::Posting> postings;
    std::uint32_t count = 0;
    for (const auto& [term, times] : *chunk.words) {
      postings.push_back(lexical::posting_of(hasher.hash(term), times));
      count += times;
    }
    lexical::BlockWriter writer;
    writer.add({chunk.id, count, postings});
    const auto doc = DocId::parse(chunk.doc_id).value();
    return crypto::Sealer::seal_terms(owner, *key, chunk.id, doc, writer.take()).value().cipher();
  }
  static float distance(const std::vector<float>& a, const std::vector<float>& b) {
    double dot = 0, square_a = 0, square_b = 0;
    const float *x = a.data(), *y = b.data();
    for (std::size_t i = 0; i < a.size(); ++i) {
      dot += double{x[i]} * y[i];
      square_a += double{x[i]} * x[i];
      square_b += double{y[i]} * y[i];
    }
    return static_cast<float>(1 - dot / std::sqrt(square_a * square_b));
  }
  static crypto::SealedCandidate candidate(const MemoryChunk& chunk,
                                           const std::vector<float>& asked) {
    crypto::SealedCandidate found;
    found.id = chunk.id;
    found.doc_id = chunk.doc_id;
    found.origin = chunk.origin;
    found.distance = distance(chunk.vector, asked);
    return found;
  }
  static std::vector<crypto::SealedCandidate> first(
      std::vector<crypto::SealedCandidate> found, std::size_t limit,
      const std::optional<ports::SearchPlace>& after) {
    const auto place = [](const auto& one) { return std::pair(one.distance, one.id); };
    if (after)
      std::erase_if(found, [&](const auto& one) {
        return place(one) <= std::pair(after->distance, after->id);
      });
    std::sort(found.begin(), found.end(),
              [&](const auto& a, const auto& b) { return place(a) < place(b); });
    if (found.size() > limit) found.resize(limit);
    return found;
  }
  bool is_alive(const MemoryChunk& chunk) const {
    return !chunk.vector.empty() && chunk.expires_us > now_us;
  }
  // As the statement's conditions stand in chunk_search.cpp.
  bool passes(const MemoryChunk& chunk, const ports::SearchFilter& filter) const {
    const auto in = [](const auto& list, const auto& one) {
      return std::find(list.begin(), list.end(), one) != list.end();
    };
    const auto has = [&](const std::string& tag) { return in(chunk.tags, tag); };
    const auto us = [](std::int64_t unix_ms) { return (unix_ms - 946'684'800'000) * 1'000; };
    return is_alive(chunk) && (filter.origins.empty() || in(filter.origins, chunk.origin)) &&
           std::all_of(filter.tags.begin(), filter.tags.end(), has) &&
           (filter.doc_ids.empty() || in(filter.doc_ids, chunk.doc_id)) &&
           (filter.tags_any.empty() ||
            std::any_of(filter.tags_any.begin(), filter.tags_any.end(), has)) &&
           std::none_of(filter.tags_none.begin(), filter.tags_none.end(), has) &&
           !in(filter.exclude, chunk.doc_id) &&
           (!filter.after_ms || chunk.created_us > us(*filter.after_ms)) &&
           (!filter.before_ms || chunk.created_us < us(*filter.before_ms)) &&
           (filter.ids.empty() || in(filter.ids, chunk.id));
  }

  mutable std::mutex mutex_;
  std::map<crypto::Tenant, Snapshot> tenants_;
  std::int64_t transactions_ = 0;
};

}  // namespace memseal::fakes
