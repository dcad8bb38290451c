#pragma once
// An embedder behind the HTTP API that OpenAI introduced. text-embeddings-inference, vLLM, Ollama
// and memseal itself offer the same API.
#include "adapters/openai/settings.hpp"
#include "base/result.hpp"
#include "ports/embedder.hpp"
#include "pure/text/wordpiece.hpp"

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace memseal::openai {

namespace asio = boost::asio;

/// NOTE: whoever serves `url` reads every text.
struct EmbedderOptions {
  std::string url;      ///< http(s)://host[:port]/base; requests go to {url}/embeddings
  std::string model;    ///< the endpoint's name of it; stored with every chunk
  std::string api_key;  ///< sent as a bearer token; empty: none
  std::string ca_file;  ///< PEM, trusted beside the system's store; empty: that store alone
  /// Texts of one request, at most.
  std::size_t inputs_max = static_cast<std::size_t>(Settings{}.batch_texts);
  std::size_t query_tokens_max = 256;  ///< a question is cut to so many tokens
  std::chrono::milliseconds attempt_timeout{30'000};
  int attempts_max = 6;  ///< of one request
  std::chrono::milliseconds backoff_first{200}, backoff_max{10'000};
  std::chrono::milliseconds start_timeout{15'000};  ///< of open()
};

/// Sends {"model", "input": […], "encoding_format": "float"} and reads the vectors, scaled to L2
/// norm 1.
///
/// A request that the endpoint refuses (400, 413, 422, 424) is halved until it passes. If all parts
/// pass, later requests are as small; if a text is refused alone, the call fails.
///
/// 429, 408, 5xx and broken connections are retried while the deadline allows: with full jitter, or
/// at the time that `Retry-After` names. TLS and redirects: as http_client::Client does.
///
/// Thread: any coroutine on a single-threaded executor may call. Long answers are read on `cpu`.
/// Lifetime: the tokenizer and the pool outlive the embedder. It is destroyed before the contexts
/// that called it.
/// Throws Outage: timeout (the deadline passed), unavailable (the endpoint is unreachable or
/// overloaded, or its answer is not what was asked for).
/// Throws Refused: bad_config (key, model, path or certificate), internal (the endpoint refused
/// these texts).
/// No message quotes a text, the key or the endpoint's answer.
class OpenAiEmbedder final : public ports::Embedder {
 public:
  /// What open() refuses without asking the endpoint. Reads the CA file. Errors: bad_config.
  static Result<void> check(const EmbedderOptions& options);
  /// Checks the settings and asks for one vector, to learn the dimension.
  /// Blocks for at most start_timeout and the resolution of a name.
  /// Errors: bad_config (a setting; the endpoint refused key or model), unavailable, timeout.
  static Result<std::unique_ptr<OpenAiEmbedder>> open(EmbedderOptions options,
                                                      const text::WordPiece& words,
                                                      asio::thread_pool& cpu);
  ~OpenAiEmbedder() override;

  std::size_t dimension() const override;
  const std::string& model_name() const override;
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) override;
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext context,
                                                  std::string text) override;

  /// One line, e.g. "text-embedding-3-small at https://api.openai.com:443: 1536 numbers".
  std::string describe() const;

 private:
  struct Impl;
  explicit OpenAiEmbedder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::openai
