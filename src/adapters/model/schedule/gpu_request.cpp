#include "adapters/model/schedule/gpu_request.hpp"

#include "adapters/model/gpu/convert.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::model {

namespace {

struct GpuAnswer {
  std::vector<float> values;
  bool failed = false;  ///< the GPU is off or failed
};

using Finish = std::function<void(std::exception_ptr, GpuAnswer)>;

/// Calls `finish` once in every case, on this thread or on the device's. Thread: the pool's.
void start(HostedModel& hosted, Urgency urgency, const MakeBatch& make, const std::stop_token& stop,
           const Finish& finish) {
  try {
    kernels::Request request;
    request.batch = to_kernels(make(stop));
    request.urgent = urgency != Urgency::chunks;
    request.wanted = [stop] { return !stop.stop_requested(); };
    // A plain reference, because the hosted model outlives its engine, and the engine outlives the
    // requests it was given.
    request.done = [&hosted, finish](std::vector<float> values, std::exception_ptr failure) {
      if (failure) hosted.suspect();
      finish(nullptr, {std::move(values), failure != nullptr});
    };
    if (!hosted.submit(std::move(request))) finish(nullptr, {{}, true});
  } catch (...) {
    finish(std::current_exception(), {});
  }
}

asio::awaitable<GpuAnswer> ask_gpu(PriorityPool& pool, std::shared_ptr<HostedModel> hosted,
                                   Urgency urgency, runtime::Deadline deadline, MakeBatch make) {
  // `hosted` keeps the supervisor alive, so it moves into the pool's task. If the suspended
  // coroutine owned it, destroying the caller's io_context could destroy the supervisor, and
  // answers of the GPU that come later would use freed memory.
  auto begin = [&pool, hosted = std::move(hosted), urgency, make = std::move(make)](
                   std::stop_token stop, auto finish) mutable {
    pool.post(urgency, [hosted = std::move(hosted), urgency, make = std::move(make),
                        stop = std::move(stop), finish = Finish(std::move(finish))] {
      if (!stop.stop_requested()) start(*hosted, urgency, make, stop, finish);
    });
  };
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  if (deadline.at() == runtime::Clock::time_point::max())
    co_return co_await runtime::await_callback<GpuAnswer>(executor, std::move(begin));
  asio::steady_timer timer(executor);
  try {
    auto token = asio::cancel_after(timer, deadline.left(), asio::use_awaitable);
    co_return co_await runtime::await_callback<GpuAnswer>(executor, std::move(begin),
                                                          std::move(token));
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted || !deadline.passed()) throw;
  }
  throw Outage({Errc::timeout, "the model did not answer within the deadline"});
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

asio::awaitable<std::optional<std::vector<float>>> try_gpu(
    PriorityPool& pool, const std::shared_ptr<HostedModel>& hosted, Urgency urgency,
    runtime::Deadline deadline, MakeBatch make) {
  GpuAnswer answer{{}, true};
  if (hosted->is_on()) answer = co_await ask_gpu(pool, hosted, urgency, deadline, std::move(make));
  hosted->publish();
  // A number that overflows fp16 on the GPU may be finite in the CPU's fp32.
  if (answer.failed || !all_finite(answer.values)) {
    hosted->fell_back();
    co_return std::nullopt;
  }
  co_return std::move(answer.values);
}

}  // namespace memseal::model
