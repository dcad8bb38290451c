// Any body: what is accepted is within its limits.
#include "memseal/base/assert.hpp"
#include "memseal/wire/request.hpp"

#include <cstdint>

using namespace memseal;
using namespace memseal::wire;

namespace {

template <class Request>
void check_common(const Request& request) {
  MEMSEAL_ASSERT(request.tags.size() <= limits::tags_max);
  for (const auto& tag : request.tags)
    MEMSEAL_ASSERT(!tag.empty() && tag.size() <= limits::tag_bytes_max);
  MEMSEAL_ASSERT(!request.user_id || UserId::parse(*request.user_id));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto query = parse_query_request(body)) {
    MEMSEAL_ASSERT(!query->query.empty() && query->query.size() <= limits::query_bytes_max);
    MEMSEAL_ASSERT(query->top_k >= 1 && query->top_k <= limits::answers_max);
    MEMSEAL_ASSERT(query->candidates >= query->top_k);
    MEMSEAL_ASSERT(query->candidates <= limits::candidates_max);
    for (const auto& id : query->doc_ids) MEMSEAL_ASSERT(DocId::parse(id));
    check_common(*query);
  }
  if (const auto index = parse_index_request(body)) {
    MEMSEAL_ASSERT(!index->text.empty());
    MEMSEAL_ASSERT(index->doc_id.empty() || DocId::parse(index->doc_id));
    check_common(*index);
  }
  return 0;
}
