#pragma once
#include "ports/file_catalog.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace memseal::fakes {

namespace asio = boost::asio;

/// Files of all tenants, in memory.
class FileCatalog final : public ports::FileCatalog {
 public:
  asio::awaitable<ports::AddedFile> add(runtime::RequestContext, crypto::Tenant owner,
                                        ports::FileRow row, ports::FileUse quota) override {
    if (failures > 0) {
      --failures;
      throw Outage({Errc::unavailable, "the database is unavailable"});
    }
    auto& rows = of[owner];
    const auto used = sum(rows);
    for (const auto& each : rows)
      if (each.name_mac == row.name_mac && each.content == row.content)
        co_return ports::AddedFile{ports::FileAdded::twin, each, used};
    if (used.files >= quota.files || row.bytes > quota.bytes - used.bytes)
      co_return ports::AddedFile{ports::FileAdded::over_quota, std::move(row), used};
    row.created_at_us = ++clock_us;
    rows.push_back(row);
    co_return ports::AddedFile{ports::FileAdded::added, std::move(row), used};
  }
  asio::awaitable<ports::FileUse> use(runtime::RequestContext, crypto::Tenant owner) override {
    co_return sum(of[owner]);
  }
  asio::awaitable<std::optional<ports::FileRow>> find(runtime::RequestContext, crypto::Tenant owner,
                                                      Uuid id) override {
    for (const auto& row : of[owner])
      if (row.id == id) co_return row;
    co_return std::nullopt;
  }
  asio::awaitable<std::vector<ports::FileRow>> list(runtime::RequestContext, crypto::Tenant owner,
                                                    std::optional<ports::FileMark> after,
                                                    std::size_t rows_max) override {
    std::vector<ports::FileRow> found;
    const auto& rows = of[owner];
    for (auto row = rows.rbegin(); row != rows.rend() && found.size() < rows_max; ++row)
      if (!after || row->created_at_us < after->created_at_us) found.push_back(*row);
    co_return found;
  }
  asio::awaitable<std::optional<ports::FileRow>> remove(runtime::RequestContext,
                                                        crypto::Tenant owner, Uuid id) override {
    auto& rows = of[owner];
    const auto at = std::ranges::find(rows, id, &ports::FileRow::id);
    if (at == rows.end()) co_return std::nullopt;
    auto row = std::move(*at);
    rows.erase(at);
    co_return row;
  }

  static ports::FileUse sum(const std::vector<ports::FileRow>& rows) {
    ports::FileUse use;
    for (const auto& row : rows) use.bytes += row.bytes, ++use.files;
    return use;
  }

  int failures = 0;  ///< so many calls of add() fail
  std::map<crypto::Tenant, std::vector<ports::FileRow>> of;
  std::int64_t clock_us = 1'700'000'000'000'000;
};

}  // namespace memseal::fakes
