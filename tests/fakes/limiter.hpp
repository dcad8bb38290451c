#pragma once
#include "ports/limiter.hpp"

namespace memseal::fakes {

namespace asio = boost::asio;

/// Gives every request the same admission.
class Limiter final : public ports::Limiter {
 public:
  struct Asked {
    ports::Bucket bucket;
    std::int64_t tokens;
  };

  asio::awaitable<ports::Admission> admit(runtime::RequestContext, crypto::Tenant,
                                          ports::Bucket bucket, std::int64_t tokens) override {
    ++asked;
    last = Asked{bucket, tokens};
    co_return admission;
  }
  std::optional<ports::Admission> known_refusal(const crypto::Tenant&, ports::Bucket) override {
    return refusal;
  }

  ports::Admission admission{
      .allowed = true,
      .window_s = 3'600,
      .requests = {.limit = 100, .remaining = 99, .reset_s = 36, .retry_after_s = 0}};
  std::optional<ports::Admission> refusal;  ///< what is known before a request is read
  int asked = 0;
  std::optional<Asked> last;
};

}  // namespace memseal::fakes
