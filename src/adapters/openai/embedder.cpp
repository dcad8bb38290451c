#include "adapters/openai/embedder.hpp"

#include "adapters/http_client/client.hpp"
#include "adapters/http_client/retry_after.hpp"
#include "adapters/openai/internal/endpoint.hpp"
#include "adapters/openai/internal/response.hpp"
#include "pure/codec/url.hpp"
#include "pure/crypto/random.hpp"
#include "pure/policy/backoff.hpp"
#include "runtime/condition.hpp"
#include "runtime/offload.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <optional>

namespace memseal::openai {

namespace json = boost::json;
using ports::Embedding;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t read_here_bytes_max = 65'536;  // A longer answer is read on the pool.
constexpr std::size_t model_bytes_max = 128;

/// Evenly in [0, 1).
double random_unit() {
  // The secure generator needs neither a seed nor a lock, and several loops draw at once.
  std::array<std::uint8_t, 4> bytes;
  crypto::fill_random(bytes);
  std::uint32_t number = 0;
  for (const auto byte : bytes) number = number << 8 | byte;
  return number * 0x1p-32;
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Result<void> check_options(const EmbedderOptions& options, const codec::Url& url) {
  if (options.model.empty() || options.model.size() > model_bytes_max ||
      !is_visible(options.model))
    return Error{Errc::bad_config,
                 "embedding.remote_model must name the endpoint's model: 1 to 128 visible "
                 "characters",
                 "embedding.remote_model"};
  if (!is_visible(options.api_key))
    return Error{Errc::bad_config,
                 "embedding.api_key holds a space or another character that no key has",
                 "embedding.api_key"};
  if (!options.api_key.empty() && !url.tls && !http_client::is_loopback(url.host))
    return Error{Errc::bad_config,
                 "embedding.url is plain http, which would send the key in clear text; use https",
                 "embedding.url"};
  return {};
}

/// Everything that can be wrong with the options, but the endpoint's own opinion.
Result<std::unique_ptr<http_client::Client>> make_client(const EmbedderOptions& options) {
  auto url = parse_endpoint(options.url);
  if (!url)
    return Error{Errc::bad_config, "embedding.url " + url.error().message, url.error().field};
  if (const auto sound = check_options(options, *url); !sound) return sound.error();
  http_client::ClientOptions trust{options.ca_file, "embedding.ca_file"};
  return http_client::Client::make(std::move(*url), std::move(trust));
}

/// Why a request gave no vectors, and whether asking again may help.
struct Refusal {
  Error error;
  bool again = false;
};

/// What a status other than 200 means.
std::optional<Refusal> refusal_of(int code, const std::string& origin) {
  const auto status = origin + " answered " + std::to_string(code);
  switch (code) {
    case 200:
      return std::nullopt;
    case 401:
    case 403:
      return Refusal{{Errc::bad_config, status + ": see embedding.api_key", "embedding.api_key"}};
    // Ingest may blame the event for Errc::internal, so only statuses that speak of the texts
    // become it. 424 is what text-embeddings-inference answers when its model fails for them.
    case 400:
    case 413:
    case 422:
    case 424:
      return Refusal{{Errc::internal, status + ": the embedding endpoint refused the text"}};
    case 408:
    case 429:
      return Refusal{{Errc::unavailable, status}, true};
    default:
      break;
  }
  if (code >= 500) return Refusal{{Errc::unavailable, status}, true};
  // Every other status, 404 and redirects among them, means that the address or the model's name is
  // wrong.
  return Refusal{{Errc::bad_config, status + ": see embedding.url and embedding.remote_model",
                  "embedding.url"}};
}

/// What a request that got no response means.
Refusal refusal_of(const Error& error) {
  // A retry asks for the same and would get an answer as long.
  if (error.code == Errc::payload_too_large) return {{Errc::unavailable, error.message}};
  return {error, errc_row(error.code).transient()};
}

}  // namespace

struct OpenAiEmbedder::Impl {
  Impl(EmbedderOptions given, std::unique_ptr<http_client::Client> to,
       const text::WordPiece& vocabulary, asio::thread_pool& pool)
      : options(std::move(given)), client(std::move(to)), words(vocabulary), cpu(pool) {}

  /// What one request came to.
  struct Tried {
    std::vector<Embedding> vectors;
    std::optional<Refusal> refusal;
    milliseconds not_before{0};
  };

  asio::awaitable<std::vector<Embedding>> request(runtime::RequestContext context,
                                                  const std::vector<std::string>& texts);
  asio::awaitable<std::vector<Embedding>> in_halves(runtime::RequestContext context,
                                                    std::vector<std::string> texts);
  asio::awaitable<Tried> attempt(const http_client::Request& request, std::size_t count,
                                 runtime::Deadline deadline);
  asio::awaitable<std::vector<Embedding>> read(std::string body, std::size_t count);
  asio::awaitable<void> learn_dimension(std::optional<Error>& failure);

  http_client::Request request_of(const std::vector<std::string>& texts) const;
  std::string origin() const { return client->url().origin(); }

  const EmbedderOptions options;
  const std::unique_ptr<http_client::Client> client;
  const text::WordPiece& words;
  asio::thread_pool& cpu;
  std::size_t dimension = 0;  ///< 0 until learn_dimension()
  /// Texts of one request that the endpoint takes, as far as is known.
  std::atomic<std::size_t> inputs_max{options.inputs_max};
};

http_client::Request OpenAiEmbedder::Impl::request_of(const std::vector<std::string>& texts) const {
  json::array input;
  for (const auto& text : texts) input.emplace_back(text);
  http_client::Request request;
  request.method = "POST";
  request.path = "/embeddings";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (!options.api_key.empty())
    request.headers.emplace_back("Authorization", "Bearer " + options.api_key);
  // The format is named, because a server chooses its default itself.
  request.body = json::serialize(json::object{
      {"model", options.model}, {"input", std::move(input)}, {"encoding_format", "float"}});
  // Bounded by what the vectors need, so that an endpoint cannot fill the memory.
  request.body_bytes_max = answer_bytes_max(texts.size(), dimension);
  request.connect_timeout = options.attempt_timeout;
  return request;
}

asio::awaitable<std::vector<Embedding>> OpenAiEmbedder::Impl::read(std::string body,
                                                                   std::size_t count) {
  const bool here = body.size() <= read_here_bytes_max;
  // The work owns what it reads, because a cancelled caller leaves it behind on the pool.
  auto work = [body = std::move(body), count, wanted = dimension,
               where = origin()](std::stop_token) {
    auto vectors = parse_embeddings(body, count, wanted);
    if (!vectors)
      throw_failure({vectors.error().code,
                     "the answer of " + where + " " + vectors.error().message});
    return std::move(*vectors);
  };
  if (here) co_return work(std::stop_token());
  co_return co_await runtime::offload(cpu, std::move(work));
}

asio::awaitable<OpenAiEmbedder::Impl::Tried> OpenAiEmbedder::Impl::attempt(
    const http_client::Request& request, std::size_t count, runtime::Deadline deadline) {
  Tried tried;
  std::optional<http_client::Response> response;
  try {
    response = co_await client->send(request, deadline);
  } catch (const Failure& failed) {
    tried.refusal = refusal_of(failed.error());
  }
  if (!response) co_return tried;
  tried.refusal = refusal_of(response->status, origin());
  if (const auto wait = http_client::parse_retry_after(response->header("retry-after")))
    tried.not_before = *wait;
  // An answer that cannot be read throws and is not asked for again, because the same request would
  // get the same answer.
  if (!tried.refusal) tried.vectors = co_await read(std::move(response->body), count);
  co_return tried;
}

asio::awaitable<std::vector<Embedding>> OpenAiEmbedder::Impl::request(
    runtime::RequestContext context, const std::vector<std::string>& texts) {
  const auto request = request_of(texts);
  policy::Backoff backoff(options.backoff_first, options.backoff_max);
  for (int number = 1;; ++number) {
    const auto deadline = context.deadline.within(options.attempt_timeout);
    auto tried = co_await attempt(request, texts.size(), deadline);
    if (!tried.refusal) co_return std::move(tried.vectors);
    const auto wait = std::max(backoff.next(random_unit()), tried.not_before);
    // A wait that ends after the deadline is not begun: the caller learns the cause now.
    if (!tried.refusal->again || number >= options.attempts_max || wait >= context.deadline.left())
      throw_failure(tried.refusal->error);
    co_await runtime::pause_for(wait);
  }
}

// An endpoint does not say how many texts it takes. When the halves of a refused request pass, the
// number of texts was to blame, and later requests have no more than a half. When one text is
// refused alone, that text is to blame.
asio::awaitable<std::vector<Embedding>> OpenAiEmbedder::Impl::in_halves(
    runtime::RequestContext context, std::vector<std::string> texts) {
  try {
    co_return co_await request(context, texts);
  } catch (const Refused& failed) {
    if (failed.error().code != Errc::internal || texts.size() == 1) throw;
  }
  const auto half = static_cast<std::ptrdiff_t>((texts.size() + 1) / 2);
  std::vector<std::string> second(std::make_move_iterator(texts.begin() + half),
                                  std::make_move_iterator(texts.end()));
  texts.resize(static_cast<std::size_t>(half));
  auto vectors = co_await in_halves(context, std::move(texts));
  auto others = co_await in_halves(context, std::move(second));
  std::move(others.begin(), others.end(), std::back_inserter(vectors));
  const auto passed = static_cast<std::size_t>(half);
  if (passed < inputs_max.load()) inputs_max.store(passed);
  co_return vectors;
}

asio::awaitable<void> OpenAiEmbedder::Impl::learn_dimension(std::optional<Error>& failure) {
  try {
    std::vector<std::string> texts(1, "memseal asks how long a vector is");
    runtime::RequestContext context{"dimension", runtime::Deadline::after(options.start_timeout)};
    const auto vectors = co_await request(std::move(context), texts);
    dimension = vectors.front().size();
  } catch (const Failure& failed) {
    failure = failed.error();
  } catch (const std::exception& broken) {
    failure = Error{Errc::internal, broken.what()};
  }
}

OpenAiEmbedder::OpenAiEmbedder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OpenAiEmbedder::~OpenAiEmbedder() = default;

Result<void> OpenAiEmbedder::check(const EmbedderOptions& options) {
  if (auto client = make_client(options); !client) return client.error();
  return {};
}

Result<std::unique_ptr<OpenAiEmbedder>> OpenAiEmbedder::open(EmbedderOptions options,
                                                             const text::WordPiece& words,
                                                             asio::thread_pool& cpu) {
  auto client = make_client(options);
  if (!client) return client.error();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(*client), words, cpu);
  std::optional<Error> failure;
  {
    // A loop of its own, because the service's loops do not run yet when the dimension is needed.
    asio::io_context loop(1);
    {
      runtime::TaskGroup group(loop.get_executor());
      group.spawn(impl->learn_dimension(failure));
      loop.run();
    }
    impl->client->close_idle();  // Its connections belong to this loop.
  }
  if (failure) {
    // This text is harmless, so a setting is what the endpoint refuses.
    if (failure->code == Errc::internal)
      failure = Error{Errc::bad_config,
                      failure->message + "; see embedding.url and embedding.remote_model",
                      "embedding.remote_model"};
    return *failure;
  }
  return std::unique_ptr<OpenAiEmbedder>(new OpenAiEmbedder(std::move(impl)));
}

std::size_t OpenAiEmbedder::dimension() const { return impl_->dimension; }
const std::string& OpenAiEmbedder::model_name() const { return impl_->options.model; }

asio::awaitable<std::vector<Embedding>> OpenAiEmbedder::embed(
    runtime::RequestContext context, std::vector<ports::EmbedInput> inputs) {
  std::vector<Embedding> all;
  all.reserve(inputs.size());
  while (all.size() < inputs.size()) {
    const auto end = std::min(inputs.size(), all.size() + impl_->inputs_max.load());
    std::vector<std::string> texts;
    for (auto i = all.size(); i < end; ++i) texts.push_back(std::move(inputs[i].text));
    auto vectors = co_await impl_->in_halves(context, std::move(texts));
    std::move(vectors.begin(), vectors.end(), std::back_inserter(all));
  }
  co_return all;
}

asio::awaitable<ports::QueryVector> OpenAiEmbedder::embed_query(runtime::RequestContext context,
                                                                std::string text) {
  std::vector<text::Token> tokens;
  impl_->words.encode(text, tokens);
  if (const auto most = impl_->options.query_tokens_max; tokens.size() > most)
    // At the end of a token, so that no character is cut in two.
    text.resize(tokens[most - 1].end);
  std::vector<std::string> texts(1, std::move(text));
  auto vectors = co_await impl_->request(std::move(context), texts);
  ports::QueryVector query{std::move(vectors.front())};
  co_return query;
}

std::string OpenAiEmbedder::describe() const {
  return impl_->options.model + " at " + impl_->origin() + ": " +
         std::to_string(impl_->dimension) + " numbers";
}

}  // namespace memseal::openai
