#include "cases/search/settings.hpp"

namespace memseal::search {

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {number("search.matrix_bytes",
                 "bytes of users' vectors kept in memory, from which questions are answered; 0: "
                 "none, the database compares",
                 0, std::int64_t{1} << 40, &Settings::matrix_bytes),
          number("search.matrix_chunks_min",
                 "chunks of a user below which the database compares all the same", 1, 1'000'000,
                 &Settings::matrix_chunks_min)};
}

}  // namespace memseal::search
