#include "adapters/model/schedule/gpu_request.hpp"

#include "adapters/model/gpu/convert.hpp"

namespace memseal::model {

namespace {

using Finish = std::function<void(std::exception_ptr, DeviceAnswer)>;

/// Runs on a thread of the pool. `finish` hears of it in every case, there or on the device's.
void start(DeviceSeat& seat, Urgency urgency, const MakeBatch& make, const std::stop_token& stop,
           const Finish& finish) {
  try {
    kernels::Request request;
    request.batch = to_kernels(make(stop));
    request.urgent = urgency != Urgency::chunks;
    request.wanted = [stop] { return !stop.stop_requested(); };
    // The seat outlives its engine, and that every request it was given.
    request.done = [&seat, finish](std::vector<float> values, std::exception_ptr failure) {
      if (failure) seat.suspect();
      finish(nullptr, {std::move(values), failure != nullptr});
    };
    if (!seat.submit(std::move(request))) finish(nullptr, {{}, true});
  } catch (...) {
    finish(std::current_exception(), {});
  }
}

}  // namespace

asio::awaitable<DeviceAnswer> ask_device(CpuLane& lane, std::shared_ptr<DeviceSeat> seat,
                                         Urgency urgency, runtime::Deadline deadline,
                                         MakeBatch make) {
  // Moved on to the task: a coroutine that waits must not keep the host, which then would end with
  // the caller's loop, and its last answers come too late.
  auto begin = [&lane, seat = std::move(seat), urgency, make = std::move(make)](
                   std::stop_token stop, auto finish) mutable {
    lane.post(urgency, [seat = std::move(seat), urgency, make = std::move(make),
                        stop = std::move(stop), finish = Finish(std::move(finish))] {
      if (!stop.stop_requested()) start(*seat, urgency, make, stop, finish);
    });
  };
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  if (deadline.at() == runtime::Clock::time_point::max())
    co_return co_await runtime::await_callback<DeviceAnswer>(executor, std::move(begin));
  asio::steady_timer timer(executor);
  try {
    auto token = asio::cancel_after(timer, deadline.left(), asio::use_awaitable);
    co_return co_await runtime::await_callback<DeviceAnswer>(executor, std::move(begin),
                                                             std::move(token));
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted || !deadline.passed()) throw;
  }
  throw Outage({Errc::timeout, "the model did not answer within the deadline"});
}

}  // namespace memseal::model
