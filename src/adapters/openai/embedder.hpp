#pragma once
// The embedder as somebody else's service: the HTTP API that OpenAI made common, which TEI, vLLM,
// Ollama and others speak too.
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

/// Texts leave this process through it: whoever serves `url` reads them.
struct EmbedderOptions {
  std::string url;       ///< http(s)://host[:port]/base; requests go to {url}/embeddings
  std::string model;     ///< as the endpoint calls it; stored with every chunk
  std::string api_key;   ///< sent as a bearer token; empty: none
  std::string ca_file;   ///< PEM, trusted beside the system's store; empty: that store alone
  std::size_t inputs_max = 64;                     ///< texts of one request
  std::size_t query_tokens_max = 256;              ///< a question is cut to so many of `words`
  std::chrono::milliseconds attempt_timeout{30'000};
  int attempts_max = 6;                            ///< of one request
  std::chrono::milliseconds backoff_first{200}, backoff_max{10'000};
  std::chrono::milliseconds probe_timeout{15'000};
};

/// POSTs {"model", "input": […], "encoding_format": "float"} and reads the vectors, brought to
/// L2 norm 1. 429, 408, 5xx and broken connections are tried again with full jitter, or when
/// `Retry-After` says, as long as the deadline allows. https: TLS 1.2 or later, the certificate
/// and the host's name are verified, always. Redirects are not followed.
///
/// Any coroutine on a single-threaded executor may call it; a connection is kept for each context
/// that calls, and answers are read on `cpu`. Lifetime: `words` and the pool outlive it; it is
/// destroyed before the contexts that called it.
/// Throws Outage: timeout (the deadline), unavailable (unreachable, overloaded, or the answer is
/// not what was asked for). Throws Refused: bad_config (key, model, path or certificate), internal
/// (the endpoint refused these texts).
/// No message quotes a text, the key, or what the endpoint said.
class OpenAiEmbedder final : public ports::Embedder {
 public:
  /// Reads the settings and asks for one vector, to learn the dimension. Blocks at most
  /// probe_timeout and a name's resolution. Errors: bad_config (settings; key or model refused),
  /// unavailable, timeout.
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
