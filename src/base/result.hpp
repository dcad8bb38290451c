#pragma once
// Failures travel in three channels. What a caller must expect is a `Result`. What interrupts the
// caller is an exception: `Outage` if time heals it, `Refused` if it cannot succeed as it is. A bug
// that can be seen in this process alone is MEMSEAL_ASSERT (assert.hpp).
#include "base/assert.hpp"
#include "base/errc.hpp"

#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace memseal {

/// One failure: a code for machines and one sentence for people.
/// The sentence names the fix where one is known, and never holds content, keys or tokens.
struct Error {
  Errc code = Errc::internal;
  std::string message;
  std::string field = {};  ///< JSON pointer or config key the error is about; may be empty.

  friend bool operator==(const Error&, const Error&) = default;
};

/// Base of the exceptions that carry an Error. Catch it where the cause does not matter: one
/// request, one batch, main.
class Failure : public std::runtime_error {
 public:
  const Error& error() const noexcept { return error_; }

 protected:
  explicit Failure(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}

 private:
  Error error_;
};

/// A transient failure: the same call may succeed later, because a dependency was unavailable or
/// late, or this process was busy. REQUIRES: errc_row(code).transient().
class Outage : public Failure {
 public:
  explicit Outage(Error error) : Failure(std::move(error)) {
    MEMSEAL_ASSERT(errc_row(this->error().code).transient());
  }
};

/// A lasting failure: the same call fails again until somebody changes the request, the event, the
/// set-up or (Errc::internal) the program. REQUIRES: !errc_row(code).transient().
class Refused : public Failure {
 public:
  explicit Refused(Error error) : Failure(std::move(error)) {
    MEMSEAL_ASSERT(!errc_row(this->error().code).transient());
  }
};

/// Throws `error` as Outage or as Refused, as the table says of its code.
[[noreturn]] void throw_failure(Error error);

template <class T>
using Result = boost::system::result<T, Error>;

/// What `Result::value()` throws when there is none (found by argument-dependent lookup).
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw_failure(error);
}

}  // namespace memseal
