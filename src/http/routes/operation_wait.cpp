#include "http/routes/operation_wait.hpp"

#include "runtime/condition.hpp"
#include "runtime/log.hpp"

#include <algorithm>

namespace memseal::http {

namespace {

using namespace std::chrono_literals;
using runtime::Clock;

/// Between two looks. Most writes end soon; the longer one takes, the less a late look matters.
constexpr std::chrono::milliseconds pause_first = 20ms, pause_max = 500ms;
/// A look that has less time is not begun.
constexpr std::chrono::milliseconds look_least = 50ms;
constexpr std::chrono::milliseconds look_most = 2s;
/// Left of the route's own time for the answer.
constexpr std::chrono::milliseconds answer_time = 500ms;

/// Looks once how far `operation` is. Returns whether the look succeeded. An outage is not the
/// client's concern: the document is accepted, and the next look may succeed.
asio::awaitable<bool> look_at(Call& call, ports::Operation& operation,
                              runtime::RequestContext context, bool log_failure) {
  try {
    const auto found =
        co_await call.deps.api->operations.find(context, call.who->tenant, operation.id);
    if (found) operation = *found;
    co_return true;
  } catch (const Failure& failed) {
    if (log_failure)
      runtime::log(runtime::LogLevel::info, "http.operation_not_seen",
                   {{"request_id", context.id}, {"code", errc_name(failed.error().code)}});
  }
  co_return false;
}

/// The last moment of the wait.
runtime::Deadline end_of_wait(const Call& call, std::chrono::seconds time) {
  const auto left = call.context.deadline.left();
  return runtime::Deadline::after(
      std::min<Clock::duration>(time, left > answer_time ? left - answer_time : left / 2));
}

}  // namespace

asio::awaitable<void> wait_for_end(Call& call, ports::Operation& operation,
                                   std::chrono::seconds time) {
  const auto deadline = end_of_wait(call, time);
  Clock::duration pause = pause_first;
  bool log_failure = true;
  while (operation.state == ports::OperationState::queued && !call.exchange.server.draining) {
    const auto left = deadline.left();
    if (left <= look_least) {
      co_await runtime::pause_for(left);
      co_return;
    }
    co_await runtime::pause_for(std::min<Clock::duration>(pause, left - look_least));
    pause = std::min<Clock::duration>(pause * 2, pause_max);
    const runtime::RequestContext context{call.context.id, deadline.within(look_most)};
    const bool seen = co_await look_at(call, operation, context, log_failure);
    if (!seen) log_failure = false;
  }
}

}  // namespace memseal::http
