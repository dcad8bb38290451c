#include "pure/wire/inference.hpp"

#include "pure/codec/base64.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/body.hpp"
#include "pure/wire/internal/fields.hpp"

#include "base/assert.hpp"
#include "base/limits.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace memseal::wire {

namespace {

constexpr std::size_t rank_fields_max = 64;

struct Texts {  ///< how many a list holds, and the least bytes of each
  std::string_view key;
  std::size_t bytes_min;
};

/// Takes one text into `out`; false after a fault.
bool take_text(const json::value& value, const std::string& place, std::size_t bytes_min,
               Fault& fault, std::vector<std::string>& out) {
  const auto* string = value.if_string();
  if (string == nullptr) return fault.add(place, "must be a string"), false;
  if (string->size() < bytes_min || string->size() > inference_text_bytes_max) {
    fault.add(place, "must have " + std::to_string(bytes_min) + " to " +
                         std::to_string(inference_text_bytes_max) + " bytes");
    return false;
  }
  // By bytes, not by tokens: the model cuts a text to what it reads, so a text is refused only
  // where it is too large to handle.
  out.emplace_back(string->data(), string->size());
  return true;
}

bool fits(const json::array& list, std::string_view key, FieldReader& fields) {
  if (!list.empty() && list.size() <= inference_texts_max) return true;
  fields.fail(key, "must hold 1 to " + std::to_string(inference_texts_max) + " texts");
  return false;
}

void read_texts(FieldReader& fields, Texts what, std::vector<std::string>& out) {
  const auto* list = fields.array(what.key, Presence::required);
  if (list == nullptr || !fits(*list, what.key, fields)) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto place = pointer_at(fields.at(what.key), i);
    if (!take_text((*list)[i], place, what.bytes_min, fields.fault(), out)) return;
  }
}

using Names = std::vector<std::string>;

/// The text of an object: its members `names`, one a line, of those that it has.
std::optional<json::string> joined_text(const json::object& object, const Names& names) {
  std::optional<json::string> joined;
  for (const auto& name : names) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || value->is_null()) continue;
    if (joined) joined->push_back('\n');
    if (!joined) joined.emplace();
    if (const auto* string = value->if_string())
      joined->append(*string);
    else
      // Numbers, truth values and lists are ranked by their JSON, because Cohere's API takes them
      // too.
      joined->append(codec::compact_json(*value));
  }
  return joined;
}

/// A string, or an object with a text (see joined_text()).
bool take_document(const json::value& value, const Names& rank_fields, const std::string& place,
                   Fault& fault, std::vector<std::string>& out) {
  if (value.is_string()) return take_text(value, place, 0, fault, out);
  const auto* object = value.if_object();
  if (object == nullptr)
    return fault.add(place, "must be a string or an object with \"text\""), false;
  if (rank_fields.empty()) {
    FieldReader document(*object, place, fault);
    const auto* text = document.member("text", Presence::required);
    return text != nullptr && take_text(*text, document.at("text"), 0, fault, out);
  }
  auto joined = joined_text(*object, rank_fields);
  if (!joined) return fault.add(place, "has no member that rank_fields names"), false;
  return take_text(json::value(std::move(*joined)), place, 0, fault, out);
}

void read_documents(FieldReader& fields, const Names& rank_fields, std::vector<std::string>& out) {
  constexpr std::string_view key = "documents";
  const auto* list = fields.array(key, Presence::required);
  if (list == nullptr || !fits(*list, key, fields)) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto place = pointer_at(fields.at(key), i);
    if (!take_document((*list)[i], rank_fields, place, fields.fault(), out)) return;
  }
}

Names read_rank_fields(FieldReader& fields) {
  constexpr std::string_view key = "rank_fields";
  Names names;
  const auto* list = fields.array(key, Presence::optional);
  if (list == nullptr) return names;
  if (list->size() > rank_fields_max)
    fields.fail(key, "holds at most " + std::to_string(rank_fields_max) + " names");
  for (std::size_t i = 0; i < list->size() && !fields.fault().first; ++i) {
    const auto* name = (*list)[i].if_string();
    if (name == nullptr)
      fields.fault().add(pointer_at(fields.at(key), i), "must be a string");
    else
      names.emplace_back(*name);
  }
  return names;
}

/// Members that Cohere documents and that change nothing here, because texts are always cut to what
/// the model reads and requests are answered in the order of their arrival.
void read_ignored(FieldReader& fields) {
  std::int64_t ignored = 0;
  // Their types are checked all the same: a client that sends "priority": "high" has misread the
  // API.
  constexpr std::int64_t any = std::numeric_limits<std::int32_t>::max();
  fields.integer("max_chunks_per_doc", ignored, 1, any, Presence::optional);
  fields.integer("max_tokens_per_doc", ignored, 1, any, Presence::optional);
  fields.integer("priority", ignored, 0, any, Presence::optional);
}

void read_query(FieldReader& fields, std::string& query) {
  if (fields.text("query", query, {1, limits::query_bytes_max}, Presence::required) &&
      codec::is_blank(query))
    fields.fail("query", "must not be blank");
}

void read_model(FieldReader& fields, std::string& model) {
  fields.text("model", model, {1, model_name_bytes_max}, Presence::optional);
}

void read_truncation(FieldReader& fields) {
  bool truncate = true;
  fields.truth("truncate", truncate);
  // A client that says false expects an error for a long text. It would get a vector of half a text
  // instead, so the wish is refused and not ignored.
  if (!truncate)
    fields.fail("truncate", "texts are always cut to what the model reads: say true or nothing");
  std::string direction;
  if (fields.text("truncation_direction", direction, {0, 16}, Presence::optional) &&
      direction != "Right" && direction != "right")
    fields.fail("truncation_direction", "texts are always cut on the right: say \"Right\"");
}

void read_encoding(FieldReader& fields, bool& base64) {
  std::string format;
  if (!fields.text("encoding_format", format, {0, 16}, Presence::optional)) return;
  base64 = format == "base64";
  if (!base64 && format != "float")
    fields.fail("encoding_format", "must be \"float\" or \"base64\"");
}

/// One list of numbers, or several.
bool holds_token_ids(const json::array& list) {
  if (list.empty()) return false;
  // The first element decides, because OpenAI's clients send one kind in a list.
  const auto* inner = list[0].if_array();
  if (inner != nullptr) return !inner->empty() && (*inner)[0].is_number();
  return list[0].is_number();
}

/// The member `key`: a text, or a list of texts.
void read_input(FieldReader& fields, std::string_view key, std::vector<std::string>& inputs) {
  const auto* input = fields.member(key, Presence::required);
  if (input == nullptr) return;
  if (const auto* list = input->if_array(); list != nullptr && holds_token_ids(*list))
    return fields.fault().add(pointer_at(fields.at(key), 0),
                              "holds token ids, which only the model of their tokenizer reads: "
                              "send text (LangChain: check_embedding_ctx_length=False)");
  if (input->is_array()) return read_texts(fields, {key, 1}, inputs);
  if (!input->is_string()) return fields.fail(key, "must be a string or a list of strings");
  take_text(*input, fields.at(key), 1, fields.fault(), inputs);
}

void read_dimensions(FieldReader& fields, std::size_t& dimensions) {
  std::int64_t number = 0;
  fields.integer("dimensions", number, 1, 65'536, Presence::optional);
  dimensions = static_cast<std::size_t>(number);
}

float sigmoid(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

/// Indexes of the best, best first.
std::vector<std::size_t> best_of(std::span<const float> logits, std::size_t most) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Stable, so that equal scores keep the order that the client gave, whatever the library's sort
  // does.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  order.resize(std::min(order.size(), most));
  return order;
}

std::string meta_json(const RerankRequest& request, std::size_t ranked, std::string_view model) {
  auto text = R"({"api_version":{"version":")" + std::to_string(request.api_version) +
              R"("},"model":)" + codec::json_quoted(model) + R"(,"documents":)" +
              std::to_string(request.texts.size()) + R"(,"reranked_count":)" +
              std::to_string(ranked);
  if (ranked < request.texts.size())
    text += R"(,"warnings":["the time allowed for the first )" + std::to_string(ranked) +
            R"( documents; the others follow, with the lowest score of those"])";
  return text + "}";
}

}  // namespace

Result<RerankRequest> parse_cohere_rerank(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  RerankRequest request;
  read_query(fields, request.query);
  read_documents(fields, read_rank_fields(fields), request.texts);
  read_ignored(fields);
  std::int64_t top_n = inference_texts_max;
  fields.integer("top_n", top_n, 1, inference_texts_max, Presence::optional);
  // Cohere's API gives all documents where top_n is greater than their number.
  request.top_n = std::min(static_cast<std::size_t>(top_n), request.texts.size());
  fields.truth("return_documents", request.return_texts);
  read_model(fields, request.model);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

Result<RerankRequest> parse_tei_rerank(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  RerankRequest request;
  read_query(fields, request.query);
  read_texts(fields, {"texts", 0}, request.texts);
  request.top_n = request.texts.size();
  fields.truth("raw_scores", request.raw_scores);
  fields.truth("return_text", request.return_texts);
  read_truncation(fields);
  read_model(fields, request.model);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

Result<EmbeddingsRequest> parse_embeddings_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  EmbeddingsRequest request;
  read_input(fields, "input", request.inputs);
  read_model(fields, request.model);
  read_encoding(fields, request.base64);
  read_dimensions(fields, request.dimensions);
  std::string user;
  fields.text("user", user, {0, 256}, Presence::optional);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

Result<EmbeddingsRequest> parse_tei_embed(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  EmbeddingsRequest request;
  request.member = "/inputs";
  read_input(fields, "inputs", request.inputs);
  read_truncation(fields);
  bool normalize = true;
  fields.truth("normalize", normalize);
  if (!normalize)
    fields.fail("normalize", "vectors have always length 1 here: say true or nothing");
  std::string prompt;
  if (fields.text("prompt_name", prompt, {0, 256}, Presence::optional))
    fields.fail("prompt_name", "the model here has no prompts: leave it out");
  read_dimensions(fields, request.dimensions);
  read_model(fields, request.model);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

bool names_model(std::string_view wanted, std::string_view served) noexcept {
  if (wanted.empty() || wanted == served) return true;
  const auto owner = wanted.rfind('/');
  // Clients name a model as the hub does, "sentence-transformers/all-MiniLM-L6-v2"; a directory
  // here has the last part.
  return owner != std::string_view::npos && wanted.substr(owner + 1) == served;
}

std::string cohere_rerank_json(const RerankRequest& request, std::span<const float> logits,
                               std::string_view id, std::string_view model, std::size_t ranked) {
  auto text = R"({"id":)" + codec::json_quoted(id) + R"(,"results":[)";
  for (bool first = true; const auto index : best_of(logits, request.top_n)) {
    if (!std::exchange(first, false)) text += ',';
    text += R"({"index":)" + std::to_string(index) + R"(,"relevance_score":)";
    codec::append_number(text, sigmoid(logits[index]));
    if (request.return_texts)
      text += R"(,"document":{"text":)" + codec::json_quoted(request.texts[index]) + '}';
    text += '}';
  }
  return text + R"(],"meta":)" + meta_json(request, ranked, model) + '}';
}

std::string tei_rerank_json(const RerankRequest& request, std::span<const float> logits) {
  std::string text = "[";
  for (const auto index : best_of(logits, request.top_n)) {
    if (text.size() > 1) text += ',';
    text += R"({"index":)" + std::to_string(index) + R"(,"score":)";
    codec::append_number(text, request.raw_scores ? logits[index] : sigmoid(logits[index]));
    if (request.return_texts) text += R"(,"text":)" + codec::json_quoted(request.texts[index]);
    text += '}';
  }
  return text + ']';
}

namespace {

void append_numbers(std::string& text, std::span<const float> vector) {
  char separator = '[';
  for (const float number : vector) {
    text += std::exchange(separator, ',');
    codec::append_number(text, number);
  }
  text += ']';
}

}  // namespace

void EmbeddingsJson::add(std::span<const float> vector) {
  MEMSEAL_ASSERT(!vector.empty());
  if (count_ > 0) text_ += ',';
  text_ += R"({"object":"embedding","index":)" + std::to_string(count_++) + R"(,"embedding":)";
  if (base64_) {
    // OpenAI's clients read the bytes as float32 of a little-endian machine.
    static_assert(std::endian::native == std::endian::little, "the format is little-endian");
    text_ += '"';
    codec::append_base64(text_,
                         {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()});
    text_ += "\"}";
    return;
  }
  append_numbers(text_, vector);
  text_ += '}';
}

void VectorsJson::add(std::span<const float> vector) {
  MEMSEAL_ASSERT(!vector.empty());
  text_ += text_.empty() ? '[' : ',';
  append_numbers(text_, vector);
}

std::string tei_info_json(const TeiModel& model) {
  json::object type;
  if (model.ranks)
    type["reranker"] = json::object{{"id2label", json::object{{"0", "LABEL_0"}}},
                                    {"label2id", json::object{{"LABEL_0", 0}}}};
  else
    type["embedding"] = json::object{{"pooling", "mean"}};
  return codec::compact_json(json::object{{"model_id", model.name},
                                          {"model_sha", nullptr},
                                          {"model_dtype", "float32"},
                                          {"model_type", std::move(type)},
                                          {"max_input_length", model.input_tokens_max},
                                          {"max_client_batch_size", inference_texts_max},
                                          {"auto_truncate", true},
                                          {"version", model.version}});
}

std::string EmbeddingsJson::finish(std::string_view model, std::size_t tokens) {
  const auto count = std::to_string(tokens);
  text_ += R"(],"model":)" + codec::json_quoted(model) + R"(,"usage":{"prompt_tokens":)" + count +
           R"(,"total_tokens":)" + count + "}}";
  return std::move(text_);
}

}  // namespace memseal::wire
