// Any body: what is accepted is within its limits.
#include "base/assert.hpp"
#include "pure/wire/inference.hpp"
#include "pure/wire/request.hpp"

#include <cstdint>
#include <vector>

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

void check_texts(const std::vector<std::string>& texts, std::size_t least) {
  MEMSEAL_ASSERT(!texts.empty() && texts.size() <= inference_texts_max);
  for (const auto& text : texts)
    MEMSEAL_ASSERT(text.size() >= least && text.size() <= inference_text_bytes_max);
}

void check_rerank(const Result<RerankRequest>& request) {
  if (!request) return;
  MEMSEAL_ASSERT(!request->query.empty() && request->query.size() <= limits::query_bytes_max);
  MEMSEAL_ASSERT(request->model.size() <= model_name_bytes_max);
  check_texts(request->texts, 0);
  MEMSEAL_ASSERT(request->top_n >= 1 && request->top_n <= request->texts.size());
  const std::vector<float> logits(request->texts.size(), 0.5f);
  const auto cohere =
      cohere_rerank_json(*request, logits, "id", request->model, logits.size());
  MEMSEAL_ASSERT(cohere.ends_with("}"));
  MEMSEAL_ASSERT(tei_rerank_json(*request, logits).ends_with("]"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto query = parse_query_request(body)) {
    MEMSEAL_ASSERT(!query->query.empty() && query->query.size() <= limits::query_bytes_max);
    MEMSEAL_ASSERT(query->top_k >= 1 && query->top_k <= limits::answers_wall);
    MEMSEAL_ASSERT(query->candidates >= query->top_k);
    MEMSEAL_ASSERT(query->candidates <= limits::candidates_wall);
    for (const auto& id : query->doc_ids) MEMSEAL_ASSERT(DocId::parse(id));
    for (const auto& id : query->exclude) MEMSEAL_ASSERT(DocId::parse(id));
    MEMSEAL_ASSERT(query->further.size() < limits::questions_max);
    MEMSEAL_ASSERT(query->expand <= limits::expand_max);
    MEMSEAL_ASSERT(!query->page || query->page->left.size() <= limits::candidates_wall);
    query->attributes.matches(body);
    check_common(*query);
  }
  if (const auto index = parse_index_request(body)) {
    MEMSEAL_ASSERT(!index->text.empty());
    MEMSEAL_ASSERT(index->doc_id.empty() || DocId::parse(index->doc_id));
    check_common(*index);
  }
  check_rerank(parse_cohere_rerank(body));
  check_rerank(parse_tei_rerank(body));
  if (const auto embeddings = parse_embeddings_request(body)) {
    check_texts(embeddings->inputs, 1);
    MEMSEAL_ASSERT(embeddings->model.size() <= model_name_bytes_max);
  }
  return 0;
}
