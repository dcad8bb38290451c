#include "runtime/offload.hpp"

namespace memseal::runtime::detail {

asio::awaitable<void> offload_task(asio::thread_pool& pool,
                                   std::function<void(std::stop_token)> task) {
  struct Nothing {};
  auto run = [task = std::move(task)](std::stop_token stop) {
    task(std::move(stop));
    return Nothing{};
  };
  auto submit = [&pool](auto work) { asio::post(pool, std::move(work)); };
  co_await offload_by(pool, std::move(submit), std::move(run));
}

}  // namespace memseal::runtime::detail
