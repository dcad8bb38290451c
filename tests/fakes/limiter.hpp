#pragma once
#include "ports/limiter.hpp"

namespace memseal::fakes {

namespace asio = boost::asio;

/// Gives every request the same admission.
class Limiter final : public ports::Limiter {
 public:
  asio::awaitable<ports::Admission> admit(runtime::RequestContext, crypto::Tenant) override {
    ++asked;
    co_return admission;
  }

  ports::Admission admission{.allowed = true, .limit = 100, .remaining = 99, .window_s = 3'600,
                             .reset_s = 36, .retry_after_s = 0};
  int asked = 0;
};

}  // namespace memseal::fakes
