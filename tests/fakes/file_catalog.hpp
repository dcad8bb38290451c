#pragma once
#include "ports/file_catalog.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace memseal::fakes {

namespace asio = boost::asio;

/// Files of all tenants, in memory.
class FileCatalog final : public ports::FileCatalog {
 public:
  using Row = ports::FileRow;

  asio::awaitable<ports::AddedFile> add(runtime::RequestContext, crypto::Tenant owner, Row row,
                                        ports::FileUse quota) override {
    if (failures > 0) {
      --failures;
      throw Outage({Errc::unavailable, "the database is unavailable"});
    }
    if (erased) throw Refused({Errc::tenant_erased, "this user's data is erased"});
    if (before_add) before_add();
    auto& rows = of[owner];
    const auto used = sum(rows);
    for (const auto& each : rows)
      if (each.name_mac == row.name_mac && each.content == row.content)
        co_return ports::AddedFile{ports::FileAdded::twin, each, used};
    if (const auto* other = at(owner, row.id))
      co_return ports::AddedFile{ports::FileAdded::id_taken, *other, used};
    if (used.files >= quota.files || row.bytes > quota.bytes - used.bytes)
      co_return ports::AddedFile{ports::FileAdded::over_quota, std::move(row), used};
    row.created_at_us = ++clock_us;
    rows.push_back(row);
    co_return ports::AddedFile{ports::FileAdded::added, std::move(row), used};
  }
  asio::awaitable<bool> replace_object(runtime::RequestContext, crypto::Tenant owner, Uuid id,
                                       Uuid from, Uuid to) override {
    auto* row = at(owner, id);
    if (row == nullptr || row->object != from) co_return false;
    row->object = to;
    co_return true;
  }
  asio::awaitable<ports::FileRoom> room(runtime::RequestContext, crypto::Tenant owner,
                                        Uuid name_mac) override {
    ports::FileRoom found{sum(of[owner]), {}};
    for (const auto& row : of[owner])
      if (row.name_mac == name_mac)
        found.namesake_bytes = std::max(row.bytes, found.namesake_bytes.value_or(0));
    co_return found;
  }
  asio::awaitable<std::optional<Row>> find(runtime::RequestContext, crypto::Tenant owner,
                                           Uuid id) override {
    auto found = lags ? std::nullopt : copy_of(at(owner, id));
    if (after_find) std::exchange(after_find, nullptr)();
    co_return found;
  }
  asio::awaitable<std::optional<Row>> find_now(runtime::RequestContext, crypto::Tenant owner,
                                               Uuid id) override {
    co_return copy_of(at(owner, id));
  }
  asio::awaitable<bool> names_object(runtime::RequestContext, crypto::Tenant owner,
                                     Uuid object) override {
    co_return std::ranges::find(of[owner], object, &Row::object) != of[owner].end();
  }
  asio::awaitable<std::vector<Row>> list(runtime::RequestContext, crypto::Tenant owner,
                                         ports::FileListing listing) override {
    std::vector<Row> found;
    const auto& rows = of[owner];
    const auto wanted = [&listing](const Row& row) {
      return (!listing.after || row.created_at_us < listing.after->created_at_us) &&
             (!listing.from_us || row.created_at_us >= *listing.from_us) &&
             (!listing.until_us || row.created_at_us < *listing.until_us) &&
             std::ranges::all_of(listing.tag_macs, [&row](const Uuid& tag) {
               return std::ranges::find(row.tag_macs, tag) != row.tag_macs.end();
             });
    };
    for (auto row = rows.rbegin(); row != rows.rend() && found.size() < listing.rows_max; ++row)
      if (wanted(*row)) found.push_back(*row);
    co_return found;
  }
  asio::awaitable<std::optional<Row>> remove(runtime::RequestContext, crypto::Tenant owner,
                                             Uuid id) override {
    auto& rows = of[owner];
    const auto found = std::ranges::find(rows, id, &Row::id);
    if (found == rows.end()) co_return std::nullopt;
    auto row = std::move(*found);
    rows.erase(found);
    co_return row;
  }
  asio::awaitable<ports::StoreClaim> claim_store(runtime::RequestContext, crypto::Tenant,
                                                 Uuid proposed) override {
    if (!claim) claim = ports::StoreClaim{proposed};
    co_return *claim;
  }
  asio::awaitable<void> mark_store_used(runtime::RequestContext, crypto::Tenant) override {
    claim->used = true;
    co_return;
  }

  static ports::FileUse sum(const std::vector<Row>& rows) {
    ports::FileUse use;
    for (const auto& row : rows) use.bytes += row.bytes, ++use.files;
    return use;
  }

  int failures = 0;  ///< so many calls of add() fail
  bool erased = false;
  bool lags = false;  ///< find() answers from a time before every file
  std::function<void()> before_add;
  std::function<void()> after_find;  ///< called once
  std::map<crypto::Tenant, std::vector<Row>> of;
  std::optional<ports::StoreClaim> claim;
  std::int64_t clock_us = 1'700'000'000'000'000;

 private:
  Row* at(const crypto::Tenant& owner, const Uuid& id) {
    const auto found = std::ranges::find(of[owner], id, &Row::id);
    return found == of[owner].end() ? nullptr : &*found;
  }
  static std::optional<Row> copy_of(const Row* row) {
    if (row == nullptr) return std::nullopt;
    return *row;
  }
};

}  // namespace memseal::fakes
