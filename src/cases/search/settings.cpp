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
                 &Settings::matrix_chunks_min),
          flag("search.hybrid",
               "compare the words of questions too, by keyed hashes that are stored sealed; false: "
               "store none, compare vectors alone",
               &Settings::hybrid),
          number("search.dense_percent_chat",
                 "weight of the vectors beside the words, for turns of chats", 0, 100,
                 &Settings::dense_percent_chat),
          number("search.dense_percent_document", "the same for documents", 0, 100,
                 &Settings::dense_percent_document)};
}

}  // namespace memseal::search
