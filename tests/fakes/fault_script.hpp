#pragma once
#include "base/result.hpp"
#include "runtime/condition.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <deque>
#include <optional>
#include <stdexcept>

namespace memseal::fakes {

namespace asio = boost::asio;

/// What the calls of a fake do before they answer: nothing, wait, or fail.
/// Thread: the fake's.
struct FaultScript {
  std::chrono::milliseconds delay{0};  ///< each call waits so long first
  std::deque<Errc> next;               ///< each of the next calls fails with one code
  std::optional<Error> error;          ///< each call fails with this error while it is set
  bool throws_unexpected = false;      ///< each call throws what no port documents
  int calls = 0, finished = 0, cancelled = 0;

  asio::awaitable<void> play() {
    ++calls;
    if (delay > std::chrono::milliseconds(0)) {
      try {
        co_await runtime::pause_for(delay);
      } catch (...) {
        ++cancelled;
        throw;
      }
    }
    if (error) throw_failure(*error);
    if (!next.empty()) {
      Error fault{next.front(), "a fault of the test"};
      next.pop_front();
      throw_failure(std::move(fault));
    }
    if (throws_unexpected) throw std::runtime_error("secret internals at 10.0.0.1");
    ++finished;
  }

  /// What a check of the dependency meets: the outage that the next call meets too, but nothing
  /// that is refused for good.
  void play_check() const {
    const auto lasts = [](const Error& fault) {
      return errc_row(fault.code).remedy == Remedy::none;
    };
    if (error && !lasts(*error)) throw_failure(*error);
    if (next.empty()) return;
    Error fault{next.front(), "a fault of the test"};
    if (!lasts(fault)) throw_failure(std::move(fault));
  }
};

}  // namespace memseal::fakes
