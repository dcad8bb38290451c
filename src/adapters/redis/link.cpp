#include "adapters/redis/link.hpp"

#include "adapters/redis/internal/link_core.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace memseal::redis {

namespace {

/// Completes `handler` once, on its own executor: with the reply, the timeout or the cancellation,
/// whichever comes first.
template <class Handler>
void initiate(Handler handler, const std::shared_ptr<LinkCore>& core,
              const std::vector<std::string>& words, std::chrono::milliseconds timeout) {
  auto slot = asio::get_associated_cancellation_slot(handler);
  // A std::function can be copied and a completion handler cannot, so the two share it.
  auto held = std::make_shared<Handler>(std::move(handler));
  // Post, because the caller must not resume inside hiredis, nor inside its own call.
  auto done = [held, executor = core->executor()](Result<Reply> reply) {
    auto resume_on = asio::get_associated_executor(*held, executor);
    asio::post(resume_on, [held, reply = std::move(reply)]() mutable {
      // Free the slot before the handler runs, because the handler may start an operation that uses
      // the same slot.
      auto used = asio::get_associated_cancellation_slot(*held);
      if (used.is_connected()) used.clear();
      auto last = std::move(*held);
      std::move(last)(std::move(reply));
    });
  };
  const auto id = core->send(words, timeout, std::move(done));
  // 0: `done` was called already, so there is nothing to cancel.
  if (id == 0 || !slot.is_connected()) return;
  // Weak, because the slot may outlive the link.
  slot.assign([weak = std::weak_ptr(core), id](asio::cancellation_type) {
    if (const auto self = weak.lock())
      self->fail(id, {Errc::cancelled, "the caller was cancelled"});
  });
}

}  // namespace

RedisLink::RedisLink(asio::any_io_executor executor, Address address, LinkOptions options)
    : core_(
          std::make_shared<LinkCore>(std::move(executor), std::move(address), std::move(options))) {
  core_->start();
}

RedisLink::~RedisLink() { core_->stop(); }

asio::awaitable<Result<Reply>> RedisLink::command(std::vector<std::string> words) {
  return command(std::move(words), core_->options().reply_timeout);
}

asio::awaitable<Result<Reply>> RedisLink::command(std::vector<std::string> words,
                                                  std::chrono::milliseconds timeout) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Result<Reply>)>(
      [core = core_](auto handler, const std::vector<std::string>& args,
                     std::chrono::milliseconds time) {
        initiate(std::move(handler), core, args, time);
      },
      asio::use_awaitable, std::move(words), timeout);
}

asio::awaitable<bool> RedisLink::ready_within(std::chrono::milliseconds time) {
  // The link may be destroyed while this coroutine waits.
  const auto core = core_;
  const auto until = LinkCore::Clock::now() + time;
  while (!core->connected() && !core->stopped()) {
    const auto left = until - LinkCore::Clock::now();
    if (left <= left.zero()) break;
    boost::system::error_code woken;
    co_await core->changed().async_wait(
        asio::cancel_after(left, asio::redirect_error(asio::use_awaitable, woken)));
  }
  co_return core->connected();
}

bool RedisLink::connected() const noexcept { return core_->connected(); }

void RedisLink::close() {
  // Any thread may call, and the core belongs to its executor.
  asio::post(core_->executor(), [core = core_] { core->stop(); });
}

}  // namespace memseal::redis
