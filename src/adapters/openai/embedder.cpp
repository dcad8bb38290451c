#include "adapters/openai/embedder.hpp"

#include "adapters/http_client/connection.hpp"
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
#include <mutex>
#include <optional>

namespace memseal::openai {

namespace json = boost::json;
using ports::Embedding;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t idle_per_executor_max = 2;
constexpr std::size_t read_here_bytes_max = 65'536;  // A longer answer is read on the pool.
constexpr std::size_t model_bytes_max = 128;

/// Evenly in [0, 1).
double random_unit() {
  std::array<std::uint8_t, 4> bytes;
  crypto::fill_random(bytes);
  std::uint32_t number = 0;
  for (const auto byte : bytes) number = number << 8 | byte;
  return number * 0x1p-32;
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "::1";
}

Result<Url> parse_endpoint(const std::string& text) {
  constexpr const char* key = "embedding.url";
  auto url = Url::parse(text);
  if (url) return url;
  auto sentence = std::string(key) + " " + url.error().message;
  if (text.find_first_of("@?") != text.npos) sentence += "; a key goes into embedding.api_key";
  return Error{Errc::bad_config, std::move(sentence), key};
}

Result<void> check_options(const EmbedderOptions& options, const Url& url) {
  if (options.model.empty() || options.model.size() > model_bytes_max ||
      !is_visible(options.model))
    return Error{Errc::bad_config,
                 "embedding.remote_model must name the endpoint's model: 1 to 128 visible "
                 "characters",
                 "embedding.remote_model"};
  if (!is_visible(options.api_key))
    return Error{Errc::bad_config, "embedding.api_key has characters that no key has",
                 "embedding.api_key"};
  if (!options.api_key.empty() && !url.tls && !is_loopback(url.host))
    return Error{Errc::bad_config,
                 "embedding.url is plain http: the key would travel in the clear; use https",
                 "embedding.url"};
  return {};
}

Result<asio::ssl::context> make_tls(const EmbedderOptions& options) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  boost::system::error_code failure;
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(asio::ssl::verify_peer);
  boost::system::error_code no_store;  // Then nothing but ca_file is trusted.
  tls.set_default_verify_paths(no_store);
  if (!options.ca_file.empty()) tls.load_verify_file(options.ca_file, failure);
  if (failure)
    return Error{Errc::bad_config, "cannot read certificates from " + options.ca_file,
                 "embedding.ca_file"};
  return tls;
}

/// Why an answer is none, and whether asking again may help.
struct Refusal {
  Error error;
  bool again = false;
};

std::optional<Refusal> refusal_of(const Answer& answer, const Url& url) {
  const auto status = url.origin() + " answered " + std::to_string(answer.status);
  if (answer.too_long)
    return Refusal{{Errc::unavailable, url.origin() + " answered more than was asked for"}};
  switch (answer.status) {
    case 200:
      return std::nullopt;
    case 401:
    case 403:
      return Refusal{{Errc::bad_config, status + ": see embedding.api_key", "embedding.api_key"}};
    case 400:
    case 413:
    case 422:
      return Refusal{{Errc::internal, status + ": the embedding endpoint refused the text"}};
    case 408:
    case 429:
      return Refusal{{Errc::unavailable, status}, true};
    default:
      break;
  }
  if (answer.status >= 500) return Refusal{{Errc::unavailable, status}, true};
  return Refusal{{Errc::bad_config,
                  status + ": see embedding.url and embedding.remote_model", "embedding.url"}};
}

}  // namespace

struct OpenAiEmbedder::Impl {
  Impl(EmbedderOptions given, Url place, const text::WordPiece& vocabulary,
       asio::thread_pool& pool, asio::ssl::context trusted)
      : options(std::move(given)),
        url(std::move(place)),
        words(vocabulary),
        cpu(pool),
        tls(std::move(trusted)) {}

  /// What one request came to.
  struct Tried {
    std::vector<Embedding> vectors;
    std::optional<Refusal> refusal;
    milliseconds not_before{0};
  };

  asio::awaitable<std::vector<Embedding>> request(runtime::RequestContext context,
                                                  std::vector<std::string> texts);
  asio::awaitable<Tried> attempt(const Request& request, std::size_t count,
                                 runtime::Deadline deadline);
  asio::awaitable<Answer> post(const Request& request, runtime::Deadline deadline);
  asio::awaitable<std::vector<Embedding>> read(std::string body, std::size_t count);
  asio::awaitable<void> probe(std::optional<Error>& failure);

  Request request_of(const std::vector<std::string>& texts) const;
  std::unique_ptr<Connection> take_idle(const asio::any_io_executor& executor);
  void keep_idle(const asio::any_io_executor& executor, std::unique_ptr<Connection> connection);

  const EmbedderOptions options;
  const Url url;
  const text::WordPiece& words;
  asio::thread_pool& cpu;
  asio::ssl::context tls;
  std::size_t dimension = 0;  ///< 0 until the probe

  struct Idle {
    asio::any_io_executor executor;  ///< a connection stays with the loop that made it
    std::unique_ptr<Connection> connection;
  };
  std::mutex guard;
  std::vector<Idle> idle;
};

Request OpenAiEmbedder::Impl::request_of(const std::vector<std::string>& texts) const {
  json::array input;
  for (const auto& text : texts) input.emplace_back(text);
  Request request;
  request.target = url.path + "/embeddings";
  request.authority = url.authority();
  request.bearer = options.api_key;
  request.body = json::serialize(json::object{
      {"model", options.model}, {"input", std::move(input)}, {"encoding_format", "float"}});
  request.answer_bytes_max = answer_bytes_max(texts.size(), dimension);
  return request;
}

std::unique_ptr<Connection> OpenAiEmbedder::Impl::take_idle(
    const asio::any_io_executor& executor) {
  const std::lock_guard lock(guard);
  const auto found = std::find_if(idle.begin(), idle.end(),
                                  [&](const Idle& one) { return one.executor == executor; });
  if (found == idle.end()) return nullptr;
  auto connection = std::move(found->connection);
  idle.erase(found);
  return connection;
}

void OpenAiEmbedder::Impl::keep_idle(const asio::any_io_executor& executor,
                                     std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(guard);
  const auto here = std::count_if(idle.begin(), idle.end(),
                                  [&](const Idle& one) { return one.executor == executor; });
  if (static_cast<std::size_t>(here) < idle_per_executor_max)
    idle.push_back({executor, std::move(connection)});
}

asio::awaitable<Answer> OpenAiEmbedder::Impl::post(const Request& request,
                                                   runtime::Deadline deadline) {
  const auto executor = co_await asio::this_coro::executor;
  auto connection = take_idle(executor);
  std::optional<Answer> answer;
  if (connection) {
    try {
      answer = co_await connection->exchange(request, deadline);
    } catch (const Failure& failed) {
      // The endpoint closed it while it was idle: a fresh one follows.
      if (failed.error().code == Errc::timeout) throw;
    }
  }
  if (!answer) {
    connection = make_connection(executor, url, tls);
    co_await connection->open(deadline);
    answer = co_await connection->exchange(request, deadline);
  }
  if (answer->goes_on) keep_idle(executor, std::move(connection));
  co_return std::move(*answer);
}

asio::awaitable<std::vector<Embedding>> OpenAiEmbedder::Impl::read(std::string body,
                                                                   std::size_t count) {
  const bool here = body.size() <= read_here_bytes_max;
  auto work = [body = std::move(body), count, wanted = dimension,
               origin = url.origin()](std::stop_token) {
    auto vectors = parse_embeddings(body, count, wanted);
    if (!vectors)
      throw_failure({vectors.error().code,
                     "the answer of " + origin + " " + vectors.error().message});
    return std::move(*vectors);
  };
  if (here) co_return work(std::stop_token());
  co_return co_await runtime::offload(cpu, std::move(work));
}

asio::awaitable<OpenAiEmbedder::Impl::Tried> OpenAiEmbedder::Impl::attempt(
    const Request& request, std::size_t count, runtime::Deadline deadline) {
  Tried tried;
  std::optional<Answer> answer;
  try {
    answer = co_await post(request, deadline);
  } catch (const Failure& failed) {
    tried.refusal = Refusal{failed.error(), errc_row(failed.error().code).transient()};
  }
  if (!answer) co_return tried;
  tried.refusal = refusal_of(*answer, url);
  if (answer->retry_after) tried.not_before = *answer->retry_after;
  if (!tried.refusal) tried.vectors = co_await read(std::move(answer->body), count);
  co_return tried;
}

asio::awaitable<std::vector<Embedding>> OpenAiEmbedder::Impl::request(
    runtime::RequestContext context, std::vector<std::string> texts) {
  const auto request = request_of(texts);
  policy::Backoff backoff(options.backoff_first, options.backoff_max);
  for (int number = 1;; ++number) {
    const auto deadline = context.deadline.within(options.attempt_timeout);
    auto tried = co_await attempt(request, texts.size(), deadline);
    if (!tried.refusal) co_return std::move(tried.vectors);
    const auto wait = std::max(backoff.next(random_unit()), tried.not_before);
    if (!tried.refusal->again || number >= options.attempts_max || wait >= context.deadline.left())
      throw_failure(tried.refusal->error);
    co_await runtime::pause_for(wait);
  }
}

asio::awaitable<void> OpenAiEmbedder::Impl::probe(std::optional<Error>& failure) {
  try {
    std::vector<std::string> texts(1, "memseal asks how long a vector is");
    runtime::RequestContext context{"probe", runtime::Deadline::after(options.probe_timeout)};
    const auto vectors = co_await request(std::move(context), std::move(texts));
    dimension = vectors.front().size();
  } catch (const Failure& failed) {
    failure = failed.error();
  } catch (const std::exception& broken) {
    failure = Error{Errc::internal, broken.what()};
  }
}

OpenAiEmbedder::OpenAiEmbedder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OpenAiEmbedder::~OpenAiEmbedder() = default;

Result<std::unique_ptr<OpenAiEmbedder>> OpenAiEmbedder::open(EmbedderOptions options,
                                                             const text::WordPiece& words,
                                                             asio::thread_pool& cpu) {
  auto url = parse_endpoint(options.url);
  if (!url) return url.error();
  if (const auto sound = check_options(options, *url); !sound) return sound.error();
  auto tls = make_tls(options);
  if (!tls) return tls.error();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(*url), words, cpu,
                                     std::move(*tls));
  std::optional<Error> failure;
  {
    asio::io_context loop(1);
    {
      runtime::TaskGroup group(loop.get_executor());
      group.spawn(impl->probe(failure));
      loop.run();
    }
    impl->idle.clear();  // Its connections belong to this loop.
  }
  if (failure) {
    // A refused probe text is a setting that the endpoint does not take.
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
    const auto end = std::min(inputs.size(), all.size() + impl_->options.inputs_max);
    std::vector<std::string> texts;
    for (auto i = all.size(); i < end; ++i) texts.push_back(std::move(inputs[i].text));
    auto vectors = co_await impl_->request(context, std::move(texts));
    std::move(vectors.begin(), vectors.end(), std::back_inserter(all));
  }
  co_return all;
}

asio::awaitable<ports::QueryVector> OpenAiEmbedder::embed_query(runtime::RequestContext context,
                                                                std::string text) {
  std::vector<text::Token> tokens;
  impl_->words.encode(text, tokens);
  if (const auto most = impl_->options.query_tokens_max; tokens.size() > most)
    text.resize(tokens[most - 1].end);
  std::vector<std::string> texts(1, std::move(text));
  auto vectors = co_await impl_->request(std::move(context), std::move(texts));
  ports::QueryVector query{std::move(vectors.front())};
  co_return query;
}

std::string OpenAiEmbedder::describe() const {
  return impl_->options.model + " at " + impl_->url.origin() + ": " +
         std::to_string(impl_->dimension) + " numbers";
}

}  // namespace memseal::openai
