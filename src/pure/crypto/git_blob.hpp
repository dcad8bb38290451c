#pragma once
#include "base/secret.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace memseal::crypto {

/// The name that git gives a file's content: SHA-1 of "blob SIZE\0" and the bytes. Tells a damaged
/// file; it is no defence against somebody who makes two files of one name, which SHA-1 allows.
/// Thread: one at a time. Throws Refused{bad_config} when OpenSSL cannot compute SHA-1.
class GitBlobName {
 public:
  /// `bytes`: of the whole content.
  explicit GitBlobName(std::uint64_t bytes);
  ~GitBlobName();

  void update(ByteView piece);
  std::string finish();  ///< 40 lower-case hex digits; call once, last

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memseal::crypto
