#pragma once
#include "pure/crypto/hash.hpp"

#include <memory>

namespace memseal::crypto {

/// SHA-256 of a content that is given in pieces, such as a file.
/// Thread: one at a time. Throws Refused{bad_config} when OpenSSL cannot compute.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;

  void update(ByteView piece);
  Digest finish();  ///< call once, last

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memseal::crypto
