#include "cases/lifecycle/reseal.hpp"

#include "pure/crypto/document_name.hpp"
#include "runtime/condition.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace memseal::lifecycle {

namespace {

using crypto::Field;
using crypto::SealBinding;
using crypto::Sealer;

constexpr std::size_t batch_rows = 200;
constexpr int tries_max = 5, rounds_max = 10;

/// One walk over the rows of a tenant.
class Walk {
 public:
  Walk(const ResealDeps& deps, const crypto::Tenant& owner, ports::TenantKeyPtr key)
      : deps_(deps), owner_(owner), key_(std::move(key)) {}

  /// Adds to the report. False: nothing was moved.
  asio::awaitable<bool> run(ResealReport& report) {
    unopened_ = 0;
    std::int64_t texts = 0, names = 0;
    Uuid after_id;
    for (bool more = true; more;) {
      const auto rows =
          co_await deps_.rows.texts(deps_.step(), owner_, key_->id, after_id, batch_rows);
      more = rows.size() == batch_rows;
      if (rows.empty()) break;
      after_id = rows.back().id;
      // By id and not by page: rows that were moved no longer match, so an offset would skip
      // others.
      texts += co_await move(rows);
      tell(report, texts);
    }
    std::string after_doc;
    for (bool more = true; more;) {
      const auto rows =
          co_await deps_.rows.names(deps_.step(), owner_, key_->id, after_doc, batch_rows);
      more = rows.size() == batch_rows;
      if (rows.empty()) break;
      after_doc = rows.back().doc_id;
      names += co_await move(rows);
    }
    report.texts += texts;
    report.names += names;
    report.unopened = unopened_;
    co_return texts + names > 0;
  }

  /// How many rows another key than the current one seals.
  asio::awaitable<std::int64_t> count_left() {
    std::int64_t left = 0;
    Uuid after_id;
    for (bool more = true; more;) {
      const auto rows =
          co_await deps_.rows.texts(deps_.step(), owner_, key_->id, after_id, batch_rows);
      more = rows.size() == batch_rows;
      if (!rows.empty()) after_id = rows.back().id;
      left += static_cast<std::int64_t>(rows.size());
    }
    std::string after_doc;
    for (bool more = true; more;) {
      const auto rows =
          co_await deps_.rows.names(deps_.step(), owner_, key_->id, after_doc, batch_rows);
      more = rows.size() == batch_rows;
      if (!rows.empty()) after_doc = rows.back().doc_id;
      left += static_cast<std::int64_t>(rows.size());
    }
    co_return left;
  }

 private:
  void tell(const ResealReport& report, std::int64_t texts) const {
    if (deps_.progress) deps_.progress(report.texts + texts);
  }

  template <class Row>
  asio::awaitable<std::int64_t> move(const std::vector<Row>& rows) {
    std::vector<ports::Resealed<Row>> changes;
    for (const auto& row : rows) {
      auto after = co_await sealed_again(row);
      if (after)
        changes.push_back({row, std::move(*after)});
      else
        ++unopened_;
    }
    // A row that does not open keeps what it has. It is counted, because a changed blob would hide
    // that it was damaged.
    if (changes.empty()) co_return 0;
    co_return co_await replace(std::move(changes));
  }

  // A writer and this may wait for each other's rows; PostgreSQL then ends one of the two.
  template <class Change>
  asio::awaitable<std::int64_t> replace(std::vector<Change> changes) {
    for (int tries = 1;; ++tries) {
      try {
        co_return co_await deps_.rows.replace(deps_.step(), owner_, changes);
      } catch (const Outage&) {
        if (tries == tries_max) throw;
      }
      co_await runtime::pause_for(std::chrono::milliseconds(100) * tries);
    }
  }

  /// The key that sealed `cipher`; null: the tenant has none such.
  asio::awaitable<ports::TenantKeyPtr> key_of(const Bytes& cipher) {
    const auto id = Sealer::key_id_of(cipher);
    if (!id) co_return nullptr;
    if (const auto known = known_.find(*id); known != known_.end()) co_return known->second;
    auto key = co_await deps_.keys.opening_key(deps_.step(), owner_, *id);
    known_.emplace(*id, key);
    co_return key;
  }

  std::optional<Bytes> again(const crypto::TenantKey& from, Field field, const SealBinding& place,
                             const Bytes& cipher) const {
    const auto plain = Sealer::open(owner_, from, field, place, cipher);
    if (!plain) return std::nullopt;
    return Sealer::seal(owner_, *key_, field, place, plain->view()).value();
  }

  asio::awaitable<std::optional<ports::SealedTexts>> sealed_again(const ports::SealedTexts& row) {
    const auto from = co_await key_of(row.text);
    if (!from) co_return std::nullopt;
    const SealBinding place{row.id, row.doc_id, static_cast<std::uint32_t>(row.chunk_index)};
    auto text = again(*from, Field::text, place, row.text);
    std::optional<Bytes> meta = Bytes();
    if (!row.meta.empty()) meta = again(*from, Field::meta, place, row.meta);
    if (!text || !meta) co_return std::nullopt;
    co_return ports::SealedTexts{row.id, row.doc_id, row.chunk_index, std::move(*text),
                                 std::move(*meta)};
  }

  asio::awaitable<std::optional<ports::SealedName>> sealed_again(const ports::SealedName& row) {
    const auto from = co_await key_of(row.name);
    if (!from) co_return std::nullopt;
    const SealBinding place{crypto::document_object(deps_.ids, owner_, row.doc_id), row.doc_id, 0};
    auto name = again(*from, Field::document_name, place, row.name);
    if (!name) co_return std::nullopt;
    co_return ports::SealedName{row.doc_id, std::move(*name)};
  }

  const ResealDeps& deps_;
  const crypto::Tenant& owner_;
  const ports::TenantKeyPtr key_;
  std::map<std::uint32_t, ports::TenantKeyPtr> known_;
  std::int64_t unopened_ = 0;
};

}  // namespace

asio::awaitable<ResealReport> reseal_tenant(const ResealDeps& deps, crypto::Tenant owner,
                                            ResealKey key) {
  if (key == ResealKey::fresh) co_await deps.keys.begin_generation(deps.step(), owner);
  auto current = co_await deps.keys.known_sealing_key(deps.step(), owner);
  if (!current) throw_failure({Errc::not_found, "nothing was ever stored of this user"});
  ResealReport report{.key_id = current->id};
  Walk walk(deps, owner, std::move(current));
  // A worker that has not heard of the new key writes rows under the old one behind this walk. So
  // it walks until a round finds nothing; bounded, because such a worker may go on.
  for (int round = 0; round < rounds_max; ++round) {
    const bool moved = co_await walk.run(report);
    if (!moved) break;
  }
  // A worker that has not heard of the new key goes on under the old one.
  report.left = co_await walk.count_left();
  co_return report;
}

}  // namespace memseal::lifecycle
