// Any answer of an endpoint: read in full, or refused by a clause that quotes nothing of it.
#include "adapters/openai/internal/response.hpp"

#include "base/assert.hpp"

#include <cmath>
#include <cstdint>
#include <string_view>

using namespace memseal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const std::size_t count : {1u, 2u, 3u})
    for (const std::size_t dimension : {0u, 2u}) {
      const auto vectors = openai::parse_embeddings(body, count, dimension);
      if (!vectors) {
        MEMSEAL_ASSERT(vectors.error().code == Errc::unavailable);
        MEMSEAL_ASSERT(vectors.error().message.size() < 100);
        continue;
      }
      MEMSEAL_ASSERT(vectors->size() == count);
      for (const auto& vector : *vectors) {
        MEMSEAL_ASSERT(vector.size() == vectors->front().size());
        MEMSEAL_ASSERT(dimension == 0 || vector.size() == dimension);
        double square = 0;
        for (const float value : vector) square += static_cast<double>(value) * value;
        MEMSEAL_ASSERT(std::abs(square - 1) < 1e-3);
      }
    }
  return 0;
}
