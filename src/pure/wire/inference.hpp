#pragma once
// Bodies of the model endpoints, in the shapes that clients of other services speak already.
#include "base/result.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

/// Documents to rank, or texts to embed, in one request, and bytes of each.
inline constexpr std::size_t inference_texts_max = 1'000, inference_text_bytes_max = 65'536;
inline constexpr std::size_t model_name_bytes_max = 256;

struct RerankRequest {
  std::string query;               ///< 1 to limits::query_bytes_max bytes, not blank
  std::vector<std::string> texts;  ///< 1 … inference_texts_max; one may be empty
  std::size_t top_n = 0;           ///< 1 … texts.size(): results to give
  bool return_texts = false;       ///< repeat each text with its score
  bool raw_scores = false;         ///< logits instead of their sigmoid
  int api_version = 1;             ///< of Cohere's API
  std::string model;               ///< empty: whichever is there
};

struct EmbeddingsRequest {
  std::vector<std::string> inputs;  ///< 1 … inference_texts_max, each not empty
  std::string model;                ///< empty: whichever is there
  bool base64 = false;              ///< little-endian float32 in base64 instead of numbers
  std::size_t dimensions = 0;       ///< 0: not given
  std::string_view member = "/input";  ///< of the body, which holds the inputs; for errors
};

/// Errors as parse_query_request().
/// Cohere's, versions 1 and 2: {"query", "documents": [string | object], "top_n"?,
/// "return_documents"?, "rank_fields"?, "model"?}. The text of an object is its member "text", or
/// its members that `rank_fields` names, one a line; its other members are ignored.
/// "max_chunks_per_doc", "max_tokens_per_doc" and "priority" are accepted and change nothing.
Result<RerankRequest> parse_cohere_rerank(std::string_view body);
/// text-embeddings-inference's: {"query", "texts": [string], "raw_scores"?, "return_text"?,
/// "truncate"?, "truncation_direction"?, "model"?}. Texts are always cut on the right to what the
/// model reads: `truncate: false` and the direction "Left" are refused.
Result<RerankRequest> parse_tei_rerank(std::string_view body);
/// OpenAI's: {"input": string | [string], "model"?, "encoding_format": "float" | "base64"?,
/// "dimensions"?, "user"?}. `user` changes nothing. Token ids are refused, because each model has
/// its own.
Result<EmbeddingsRequest> parse_embeddings_request(std::string_view body);
/// text-embeddings-inference's /embed: {"inputs": string | [string], "truncate"?,
/// "truncation_direction"?, "normalize"?, "dimensions"?, "prompt_name"?, "model"?}. As with
/// parse_tei_rerank(), texts are always cut. Vectors have always length 1: `normalize: false` is
/// refused, and so is a prompt, because the model has none.
Result<EmbeddingsRequest> parse_tei_embed(std::string_view body);

/// Whether a client that asks for `wanted` means `served`: `wanted` is empty, the same name, or the
/// same name after an owner ("sentence-transformers/all-MiniLM-L6-v2").
bool names_model(std::string_view wanted, std::string_view served) noexcept;

/// `logits` are those of the first texts; what has none is left out. Best first, equal ones in the
/// order of the request. `ranked`: the model gave the logits of so many first texts; the others
/// only hold a place.
/// {"id", "results": [{"index", "relevance_score", "document"?: {"text"}}], "meta": {"api_version",
/// "model", "documents", "reranked_count", "warnings"?}}
std::string cohere_rerank_json(const RerankRequest& request, std::span<const float> logits,
                               std::string_view id, std::string_view model, std::size_t ranked);
/// [{"index", "score", "text"?}]
std::string tei_rerank_json(const RerankRequest& request, std::span<const float> logits);

/// {"object": "list", "data": [{"object": "embedding", "index", "embedding"}], "model", "usage":
/// {"prompt_tokens", "total_tokens"}}, vector by vector in the order of the inputs.
class EmbeddingsJson {
 public:
  explicit EmbeddingsJson(bool base64) : base64_(base64) {}
  /// `vector` is finite.
  void add(std::span<const float> vector);
  /// The whole text; nothing may be added after it.
  std::string finish(std::string_view model, std::size_t tokens);

 private:
  const bool base64_;
  std::size_t count_ = 0;
  std::string text_ = R"({"object":"list","data":[)";
};

/// The answer of /embed: an array of vectors, each an array of numbers.
class VectorsJson {
 public:
  /// `vector` is finite.
  void add(std::span<const float> vector);
  /// The whole text; nothing may be added after it.
  std::string finish() { return (text_.empty() ? "[" : std::move(text_)) + "]"; }

 private:
  std::string text_;
};

/// What /info says of the model that embeds, or ranks where none embeds.
struct TeiModel {
  std::string name;
  bool ranks = false;            ///< a cross-encoder
  std::size_t input_tokens_max;  ///< that it reads of a text, or of a pair
  std::string version;           ///< of this service
};
std::string tei_info_json(const TeiModel& model);

}  // namespace memseal::wire
