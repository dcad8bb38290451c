#include "base/secret.hpp"

#include <cstring>

namespace memseal {

// A memset() before the memory is freed is dead code to a compiler. The C library promises to keep
// explicit_bzero(). The pointer of an empty secret may be null.
void wipe(void* data, std::size_t size) noexcept {
  if (size != 0) explicit_bzero(data, size);
}

}  // namespace memseal
