#pragma once
#include "ports/key_store.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace memseal::fakes {

namespace asio = boost::asio;

/// The key rows of one tenant. A transaction keeps its changes even when its work throws.
class KeyStore final : public ports::KeyStore, public ports::KeyRows {
 public:
  bool knows_tenant() override { return calls.push_back("knows_tenant"), known; }
  bool is_erased() override { return erased; }
  bool lock_tenant() override { return calls.push_back("lock_tenant"), !erased; }
  std::int64_t lock_seal_count() override { return calls.push_back("lock_seals"), seals; }
  void restart_seal_count() override { calls.push_back("restart_seals"), seals = 0; }
  std::vector<ports::KeyRow> read() override { return calls.push_back("read"), keys; }
  std::uint32_t newest_id() override { return newest; }
  std::optional<crypto::KeyCheckValue> kek_check(std::uint32_t epoch) override {
    const auto found = kek_checks.find(epoch);
    if (found == kek_checks.end()) return std::nullopt;
    return found->second;
  }
  void insert_if_absent(const crypto::WrappedKey& key) override {
    calls.push_back("insert " + std::to_string(key.key_id));
    newest = std::max(newest, key.key_id);
    keys.push_back({rival ? *rival : key, true});
  }
  void end_active() override {
    calls.push_back("end_active");
    for (auto& row : keys) row.active = false;
  }
  asio::awaitable<void> in_transaction(runtime::RequestContext, crypto::Tenant,
                                       std::function<void(ports::KeyRows&)> work) override {
    ++transactions;
    work(*this);
    co_return;
  }

  /// As an erasure in another transaction does.
  void erase() {
    erased = true;
    keys.clear();
  }

  std::vector<ports::KeyRow> keys;
  std::optional<crypto::WrappedKey> rival;  ///< the row that another process inserted first
  std::map<std::uint32_t, crypto::KeyCheckValue> kek_checks;  ///< recorded
  std::vector<std::string> calls;
  std::int64_t seals = 0;
  std::uint32_t newest = 0;
  int transactions = 0;
  bool erased = false;
  bool known = true;  ///< the tenant has a row
};

}  // namespace memseal::fakes
