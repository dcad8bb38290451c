#include "adapters/openai/embedder.hpp"

#include "server.hpp"

#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

namespace memseal::openai {
namespace {

using namespace std::chrono_literals;
using ports::Embedding;
using ports::EmbedInput;
using runtime::Clock;
using runtime::Deadline;
using testing::Identity;
using testing::Reply;
using testing::Seen;
using testing::Server;

std::vector<EmbedInput> inputs_of(const std::vector<std::string>& texts) {
  std::vector<EmbedInput> inputs;
  for (const auto& text : texts) inputs.push_back({{}, text});
  return inputs;
}

class RemoteEmbedder : public ::testing::Test {
 protected:
  ~RemoteEmbedder() override { cpu.join(); }

  EmbedderOptions options(const Server& server) const {
    EmbedderOptions options;
    options.url = server.url();
    options.model = "some-model";
    options.backoff_first = options.backoff_max = 5ms;
    return options;
  }
  void open(const EmbedderOptions& with) {
    auto opened = OpenAiEmbedder::open(with, words, cpu);
    ASSERT_TRUE(opened) << opened.error().message;
    embedder = std::move(*opened);
  }
  std::optional<Error> refused(const EmbedderOptions& with) {
    auto opened = OpenAiEmbedder::open(with, words, cpu);
    if (opened) return std::nullopt;
    return opened.error();
  }
  template <class R>
  R await(asio::awaitable<R> work) {
    std::optional<R> result;
    test::run_to_end(loop, keep(std::move(work), result));
    return std::move(*result);
  }
  /// The error of one call with `budget` left.
  std::optional<Error> error_of(Clock::duration budget) {
    try {
      await(embedder->embed({"r", Deadline::after(budget)}, inputs_of({"tea"})));
    } catch (const Failure& failed) {
      return failed.error();
    }
    return std::nullopt;
  }
  template <class R>
  static asio::awaitable<void> keep(asio::awaitable<R> work, std::optional<R>& result) {
    result.emplace(co_await std::move(work));
  }

  text::WordPiece words =
      text::WordPiece::from_vocabulary("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\ntea\n").value();
  asio::thread_pool cpu{1};
  asio::io_context loop{1};
  std::unique_ptr<OpenAiEmbedder> embedder;
};

TEST_F(RemoteEmbedder, AsksAsTheEndpointExpectsAndLearnsTheDimension) {
  Server server(testing::embed_lengths);
  auto with = options(server);
  with.api_key = "sk-secret";
  open(with);
  EXPECT_EQ(embedder->dimension(), 3u);
  EXPECT_EQ(embedder->model_name(), "some-model");
  const auto vectors = await(embedder->embed({}, inputs_of({"red", "tea \"x\" Ω\n"})));
  ASSERT_EQ(vectors.size(), 2u);
  for (const auto& vector : vectors) {
    double square = 0;
    for (const float value : vector) square += static_cast<double>(value) * value;
    EXPECT_NEAR(square, 1, 1e-6);
  }
  EXPECT_NEAR(vectors[0][0] / vectors[0][1], 3, 1e-5);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].target, "/v1/embeddings");
  EXPECT_EQ(seen[1].authorization, "Bearer sk-secret");
  EXPECT_TRUE(seen[1].host.starts_with("127.0.0.1:"));
  const auto body = testing::json::parse(seen[1].body);
  EXPECT_EQ(body.at("model"), "some-model");
  EXPECT_EQ(body.at("encoding_format"), "float");
  EXPECT_EQ(testing::texts_of(seen[1]), (std::vector<std::string>{"red", "tea \"x\" Ω\n"}));
  EXPECT_NE(embedder->describe().find("some-model at http://127.0.0.1:"), std::string::npos);
}

TEST_F(RemoteEmbedder, SendsAtMostSixtyFourTextsAtOnceAndKeepsTheirOrder) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.forget();
  std::vector<std::string> texts;
  for (std::size_t i = 1; i <= 150; ++i) texts.emplace_back(i, 'x');
  const auto vectors = await(embedder->embed({}, inputs_of(texts)));
  ASSERT_EQ(vectors.size(), 150u);
  for (std::size_t i = 0; i < 150; ++i)
    EXPECT_NEAR(vectors[i][0] / vectors[i][1], static_cast<double>(i + 1), 1e-2);
  std::vector<std::size_t> sizes;
  for (const auto& seen : server.seen()) sizes.push_back(testing::texts_of(seen).size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{64, 64, 22}));
  EXPECT_TRUE(await(embedder->embed({}, {})).empty());
}

TEST_F(RemoteEmbedder, CutsAQuestionToWhatTheEndpointReads) {
  Server server(testing::embed_lengths);
  auto with = options(server);
  with.query_tokens_max = 3;
  open(with);
  const auto query = await(embedder->embed_query({}, "red tea red, tea red"));
  EXPECT_EQ(query.values.size(), 3u);
  EXPECT_EQ(testing::texts_of(server.seen().back()), std::vector<std::string>{"red tea red"});
}

TEST_F(RemoteEmbedder, KeepsItsConnectionAndSurvivesItsLoss) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.forget();
  for (int i = 0; i < 3; ++i) await(embedder->embed({}, inputs_of({"tea"})));
  const auto first = server.seen().front().connection;
  for (const auto& seen : server.seen()) EXPECT_EQ(seen.connection, first);
  server.answer_by([](const Seen& seen) {
    auto reply = testing::embed_lengths(seen);
    reply.then_close = true;
    return reply;
  });
  for (int i = 0; i < 3; ++i) await(embedder->embed({}, inputs_of({"tea"})));
  EXPECT_GT(server.seen().back().connection, first);
}

TEST_F(RemoteEmbedder, TriesAgainWhenTheEndpointIsBusyOrBreaks) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.forget();
  int calls = 0;
  server.answer_by([&calls](const Seen& seen) -> Reply {
    switch (calls++) {
      case 0: return {.status = 429, .body = "slow down"};
      case 1: return {.status = 503};
      case 2: return {.drop = true};
      case 3: return {.status = 500, .body = "<html>"};
      default: return testing::embed_lengths(seen);
    }
  });
  EXPECT_EQ(await(embedder->embed({}, inputs_of({"tea"}))).size(), 1u);
  EXPECT_EQ(server.seen().size(), 5u);
}

TEST_F(RemoteEmbedder, WaitsAsLongAsRetryAfterSays) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.answer_by([asked = 0](const Seen& seen) mutable -> Reply {
    if (asked++ > 0) return testing::embed_lengths(seen);
    return {.status = 429, .headers = {{"Retry-After", "1"}}};
  });
  const auto start = Clock::now();
  EXPECT_EQ(await(embedder->embed({}, inputs_of({"tea"}))).size(), 1u);
  EXPECT_GE(Clock::now() - start, 1s);
}

TEST_F(RemoteEmbedder, GivesUpAtOnceWhenTheWaitIsLongerThanTheDeadline) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.answer_by(
      [](const Seen&) -> Reply { return {.status = 429, .headers = {{"Retry-After", "60"}}}; });
  const auto start = Clock::now();
  const auto error = error_of(20s);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::unavailable);
  EXPECT_LT(Clock::now() - start, 10s);
}

TEST_F(RemoteEmbedder, EndsAtTheDeadlineWhenNothingAnswers) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.answer_by([](const Seen&) -> Reply { return {.hang = true}; });
  const auto start = Clock::now();
  const auto error = error_of(200ms);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::timeout);
  EXPECT_LT(Clock::now() - start, 10s);
}

TEST_F(RemoteEmbedder, GivesUpAfterSoManyAttempts) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.forget();
  server.answer_by([](const Seen&) -> Reply { return {.status = 502}; });
  const auto error = error_of(60s);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::unavailable);
  EXPECT_NE(error->message.find("502"), std::string::npos);
  EXPECT_EQ(server.seen().size(), 6u);
}

TEST_F(RemoteEmbedder, AsksOnceWhereAskingAgainCannotHelp) {
  Server server(testing::embed_lengths);
  auto with = options(server);
  with.api_key = "sk-secret";
  open(with);
  const std::pair<unsigned, Errc> cases[] = {
      {400, Errc::internal},   {413, Errc::internal},   {422, Errc::internal},
      {424, Errc::internal},
      {401, Errc::bad_config}, {403, Errc::bad_config}, {404, Errc::bad_config},
      {301, Errc::bad_config}, {204, Errc::bad_config}};
  for (const auto& [status, code] : cases) {
    server.forget();
    server.answer_by([status = status](const Seen& seen) -> Reply {
      return {.status = status, .body = status == 204 ? "" : seen.body,
              .headers = {{"Location", "http://127.0.0.1:1/"}}};
    });
    const auto error = error_of(60s);
    ASSERT_TRUE(error) << status;
    EXPECT_EQ(error->code, code) << status;
    EXPECT_EQ(server.seen().size(), 1u) << status;
    EXPECT_EQ(error->message.find("sk-secret"), std::string::npos);
    EXPECT_EQ(error->message.find("tea"), std::string::npos);
  }
}

std::vector<std::string> many_texts(std::size_t count) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back(std::string(i + 1, 'x'));
  return texts;
}

TEST_F(RemoteEmbedder, FindsOutHowManyTextsAnEndpointTakes) {
  for (const unsigned status : {413u, 422u, 424u}) {
    std::vector<std::size_t> sizes;
    Server server([&](const Seen& seen) -> Reply {
      const auto size = testing::texts_of(seen).size();
      sizes.push_back(size);
      if (size > 10) return {.status = status};
      return testing::embed_lengths(seen);
    });
    auto with = options(server);
    with.inputs_max = 40;
    open(with);
    sizes.clear();
    const auto vectors = await(embedder->embed({}, inputs_of(many_texts(60))));
    EXPECT_EQ(vectors.size(), 60u);
    EXPECT_EQ(std::vector(sizes.begin(), sizes.begin() + 3),
              (std::vector<std::size_t>{40, 20, 10}));
    const auto again = sizes.size();
    EXPECT_EQ(await(embedder->embed({}, inputs_of(many_texts(20)))).size(), 20u);
    EXPECT_EQ(std::vector(sizes.begin() + static_cast<std::ptrdiff_t>(again), sizes.end()),
              (std::vector<std::size_t>{10, 10}))
        << "it remembers";
  }
}

TEST_F(RemoteEmbedder, OneTextThatIsRefusedMakesNoOtherRequestSmaller) {
  std::vector<std::size_t> sizes;
  Server server([&](const Seen& seen) -> Reply {
    const auto texts = testing::texts_of(seen);
    sizes.push_back(texts.size());
    for (const auto& text : texts)
      if (text == "poison") return {.status = 422};
    return testing::embed_lengths(seen);
  });
  open(options(server));
  auto texts = many_texts(8);
  texts[5] = "poison";
  try {
    await(embedder->embed({}, inputs_of(texts)));
    ADD_FAILURE() << "the text is refused";
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.error().code, Errc::internal) << "so ingest finds its event";
  }
  sizes.clear();
  await(embedder->embed({}, inputs_of(many_texts(8))));
  EXPECT_EQ(sizes, (std::vector<std::size_t>{8}));
}

TEST_F(RemoteEmbedder, RefusesAnAnswerThatIsNotWhatWasAskedFor) {
  Server server(testing::embed_lengths);
  open(options(server));
  const std::string bodies[] = {"no JSON", testing::answer_of({{1, 2}}),
                                testing::answer_of({{1, 2, 3}, {1, 2, 3}}),
                                testing::answer_of({{0, 0, 0}}), std::string(1 << 20, ' ')};
  for (const auto& body : bodies) {
    server.forget();
    server.answer_by([body](const Seen&) -> Reply { return {.body = body}; });
    const auto error = error_of(60s);
    ASSERT_TRUE(error) << body.substr(0, 40);
    EXPECT_EQ(error->code, Errc::unavailable);
    EXPECT_EQ(server.seen().size(), 1u);
  }
  server.answer_by(testing::embed_lengths);
  EXPECT_EQ(await(embedder->embed({}, inputs_of({"tea"}))).size(), 1u);
}

TEST_F(RemoteEmbedder, ReadsLongAnswersOnThePool) {
  Server server([](const Seen& seen) -> Reply {
    const std::vector<std::vector<double>> vectors(testing::texts_of(seen).size(),
                                                   std::vector<double>(3'000, 0.125));
    return {.body = testing::answer_of(vectors)};
  });
  open(options(server));
  EXPECT_EQ(embedder->dimension(), 3'000u);
  const auto vectors = await(embedder->embed({}, inputs_of(std::vector<std::string>(40, "tea"))));
  ASSERT_EQ(vectors.size(), 40u);
  EXPECT_NEAR(vectors[39][2'999], 1 / std::sqrt(3'000.0), 1e-6);
}

asio::awaitable<void> embed_tea(OpenAiEmbedder& embedder, std::exception_ptr& thrown) {
  try {
    runtime::RequestContext context;
    auto inputs = inputs_of({"tea"});
    co_await embedder.embed(std::move(context), std::move(inputs));
  } catch (...) {
    thrown = std::current_exception();
  }
}

asio::awaitable<void> embed_tea_and_leave(OpenAiEmbedder& embedder, std::exception_ptr& thrown) {
  const auto executor = co_await asio::this_coro::executor;
  runtime::TaskGroup group(executor);
  group.spawn(embed_tea(embedder, thrown));
  co_await runtime::pause_for(100ms);
  group.cancel();
  co_await group.join();
}

TEST_F(RemoteEmbedder, EndsWithItsCaller) {
  Server server(testing::embed_lengths);
  open(options(server));
  server.answer_by([](const Seen&) -> Reply { return {.hang = true}; });
  std::exception_ptr failure;
  const auto start = Clock::now();
  test::run_to_end(loop, embed_tea_and_leave(*embedder, failure));
  EXPECT_LT(Clock::now() - start, 10s);
  ASSERT_TRUE(failure);
  EXPECT_THROW(std::rethrow_exception(failure), boost::system::system_error);
}

TEST_F(RemoteEmbedder, SpeaksTlsToAHostThatItsAuthorityVouchesFor) {
  const auto identity = Identity::make("DNS:localhost,IP:127.0.0.1");
  const test::TemporaryFile authority(identity.certificate);
  Server server(testing::embed_lengths, &identity);
  auto with = options(server);
  with.ca_file = authority.path();
  with.api_key = "sk-secret";
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    with.url = server.url(host);
    open(with);
    EXPECT_EQ(await(embedder->embed({}, inputs_of({"tea", "red"}))).size(), 2u);
    EXPECT_EQ(server.seen().back().authorization, "Bearer sk-secret");
    embedder.reset();
  }
}

TEST_F(RemoteEmbedder, TrustsNoCertificateThatNobodyVouchesFor) {
  const auto identity = Identity::make("DNS:localhost,IP:127.0.0.1");
  Server server(testing::embed_lengths, &identity);
  auto with = options(server);
  with.api_key = "sk-secret";
  const auto error = refused(with);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::bad_config);
  EXPECT_NE(error->message.find("embedding.ca_file"), std::string::npos) << error->message;
  EXPECT_TRUE(server.seen().empty()) << "nothing may be sent before the certificate is verified";
}

TEST_F(RemoteEmbedder, TrustsNoCertificateOfAnotherName) {
  const auto identity = Identity::make("DNS:other.example,IP:127.0.0.2");
  const test::TemporaryFile authority(identity.certificate);
  Server server(testing::embed_lengths, &identity);
  auto with = options(server);
  with.ca_file = authority.path();
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    with.url = server.url(host);
    const auto error = refused(with);
    ASSERT_TRUE(error) << host;
    EXPECT_EQ(error->code, Errc::bad_config);
    EXPECT_TRUE(server.seen().empty());
  }
}

TEST_F(RemoteEmbedder, RefusesSettingsThatCannotBeRight) {
  Server server(testing::embed_lengths);
  const auto check = [&](const char* field, const std::function<void(EmbedderOptions&)>& change) {
    auto with = options(server);
    change(with);
    const auto error = refused(with);
    ASSERT_TRUE(error) << field;
    EXPECT_EQ(error->code, Errc::bad_config) << error->message;
    EXPECT_EQ(error->field, field) << error->message;
    EXPECT_EQ(error->message.find("sk-"), std::string::npos) << error->message;
  };
  check("embedding.url", [](auto& with) { with.url = "localhost:8080"; });
  check("embedding.remote_model", [](auto& with) { with.model = ""; });
  check("embedding.remote_model", [](auto& with) { with.model = "a\r\nb"; });
  check("embedding.api_key", [](auto& with) { with.api_key = "sk-\r\nX-Admin: 1"; });
  check("embedding.ca_file", [](auto& with) { with.ca_file = "/nonexistent/ca.pem"; });
  for (const auto* clear : {"http://endpoint.example/v1", "http://127.0.0.1.endpoint.example/v1"})
    check("embedding.url", [&](auto& with) {
      with.url = clear;
      with.api_key = "sk-secret";
    });
  EXPECT_TRUE(server.seen().empty());
  server.answer_by([](const Seen&) -> Reply { return {.status = 401}; });
  check("embedding.api_key", [](auto& with) { with.api_key = "sk-wrong"; });
  server.answer_by([](const Seen&) -> Reply { return {.status = 400}; });
  check("embedding.remote_model", [](auto&) {});
}

TEST_F(RemoteEmbedder, DoesNotOpenWithoutAnEndpoint) {
  std::string url;
  {
    Server server(testing::embed_lengths);
    url = server.url();
  }
  EmbedderOptions with;
  with.url = url;
  with.model = "some-model";
  with.backoff_first = with.backoff_max = 1ms;
  const auto error = refused(with);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::unavailable);
}

}  // namespace
}  // namespace memseal::openai
