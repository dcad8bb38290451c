#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "adapters/postgres/pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace memseal::postgres {

/// The result of work that returns nothing.
struct Done {};

/// A slot in the pool's queue: taken by the constructor, returned once.
class QueueSlot {
 public:
  explicit QueueSlot(Pool& pool) : pool_(&pool) { pool.enter(); }
  ~QueueSlot() { release(); }
  QueueSlot(QueueSlot&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  QueueSlot& operator=(QueueSlot&&) = delete;
  void release() noexcept {
    if (pool_) std::exchange(pool_, nullptr)->leave();
  }

 private:
  Pool* pool_;
};

namespace detail {

/// Runs `job` on one of the pool's threads, and gives the slot back when the job has ended. Throws
/// what `job` throws, and Outage{timeout} once the deadline passes: a job that is late runs on.
/// One function for every kind of work, because each kind that Asio itself sees costs a second of
/// compilation.
asio::awaitable<void> run_job(Pool& pool, runtime::RequestContext context, QueueSlot slot,
                              std::function<void(const std::stop_token&)> job);

/// Work and what came of it. The job and its caller share it: a late job outlives the caller.
template <class R, class Work>
struct Call {
  explicit Call(Work what) : work(std::move(what)) {}
  Work work;
  std::optional<R> value;
};

}  // namespace detail

/// Awaits `work(TenantTx&)` in one committed transaction of `owner`. Access::write where `work`
/// writes or locks rows.
/// REQUIRES: `work` owns what it touches, or refers to what outlives the Pool, because the caller
/// may stop waiting before `work` ends.
/// Throws Outage or Refused.
template <class Work>
asio::awaitable<std::invoke_result_t<Work&, TenantTx&>> in_tenant(Pool& pool,
                                                                  runtime::RequestContext context,
                                                                  crypto::Tenant owner, Work work,
                                                                  Access access = Access::read) {
  using R = std::invoke_result_t<Work&, TenantTx&>;
  const auto call = std::make_shared<detail::Call<R, Work>>(std::move(work));
  std::function<void(const std::stop_token&)> job = [&pool, context, owner, access,
                                                     call](const std::stop_token& stop) {
    pool.run_tenant(stop, context, owner, access,
                    [&](TenantTx& tx) { call->value.emplace(call->work(tx)); });
  };
  QueueSlot slot(pool);
  co_await detail::run_job(pool, std::move(context), std::move(slot), std::move(job));
  co_return std::move(*call->value);
}

/// The same without a tenant.
template <class Work>
asio::awaitable<std::invoke_result_t<Work&, SystemTx&>> in_system(Pool& pool,
                                                                  runtime::RequestContext context,
                                                                  Work work,
                                                                  Access access = Access::read) {
  using R = std::invoke_result_t<Work&, SystemTx&>;
  const auto call = std::make_shared<detail::Call<R, Work>>(std::move(work));
  std::function<void(const std::stop_token&)> job = [&pool, context, access,
                                                     call](const std::stop_token& stop) {
    pool.run_system(stop, context, access,
                    [&](SystemTx& tx) { call->value.emplace(call->work(tx)); });
  };
  QueueSlot slot(pool);
  co_await detail::run_job(pool, std::move(context), std::move(slot), std::move(job));
  co_return std::move(*call->value);
}

}  // namespace memseal::postgres
