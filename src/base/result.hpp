#pragma once
// What can go wrong, in three channels: what a caller must expect is a `Result`, an outage is an
// exception (`Outage`), a bug is MEMSEAL_ASSERT (assert.hpp).
#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace memseal {

/// Every error memseal can name. `wire/problem` maps each to HTTP status, retry and log level;
/// `errc_name` gives the stable spelling that appears in problems, dead letters and logs.
enum class Errc {
  // What a client sent.
  bad_json,
  bad_request,
  invalid_field,
  unauthenticated,
  user_mismatch,
  not_found,
  method_not_allowed,
  not_acceptable,
  unsupported_media_type,
  payload_too_large,
  rate_limited,
  // What a producer sent.
  bad_event,
  event_too_large,
  event_without_user,
  event_type_unknown,
  tenant_erased,
  // What this process could not do.
  overloaded,
  timeout,
  cancelled,
  shutting_down,
  unavailable,
  internal,
  // Sealing.
  seal_failed,
  open_failed,
  key_missing,
  key_invalid,
  // Models.
  no_model,
  model_invalid,
  model_unsupported,
  // Set-up.
  bad_config,
  not_migrated,
  dimension_mismatch,
};

/// Stable snake_case name, e.g. "invalid_field". Never null, static lifetime.
std::string_view errc_name(Errc code) noexcept;

/// One failure: a code for machines and one sentence for people.
/// The sentence names the mend where there is one, and never holds content, keys or tokens.
struct Error {
  Errc code = Errc::internal;
  std::string message;
  std::string field = {};  ///< JSON pointer or config key the error is about; may be empty.

  friend bool operator==(const Error&, const Error&) = default;
};

/// Something this process depends on is away (database, broker, disk): thrown, never returned.
/// Whoever catches it (a request, a batch, main) may try again later.
class Outage : public std::runtime_error {
 public:
  explicit Outage(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

template <class T>
using Result = boost::system::result<T, Error>;

/// What `Result::value()` throws when there is none (found by argument-dependent lookup).
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw Outage(error);
}

}  // namespace memseal
