#include "adapters/otlp/exporter.hpp"

#include "adapters/http_client/client.hpp"
#include "adapters/http_client/retry_after.hpp"
#include "pure/policy/backoff.hpp"
#include "runtime/log.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

namespace memseal::otlp {

namespace {

namespace asio = boost::asio;
using runtime::Clock;
using runtime::Deadline;
using runtime::log;
using runtime::LogLevel;
using std::chrono::milliseconds;

constexpr std::size_t answer_bytes_max = 65'536;

/// What one try came to. A cause quotes neither the spans nor the answer.
struct Tried {
  std::string cause = {};  ///< empty: the receiver took the batch
  bool again = false;
  milliseconds not_before{0};
  std::int64_t rejected = 0;
};

}  // namespace

struct Exporter::Impl {
  Impl(ExporterOptions given, std::unique_ptr<http_client::Client> to, runtime::Tracer& spans)
      : options(std::move(given)), client(std::move(to)), tracer(spans), wake(loop), cut(loop) {}

  void start();
  void stop();
  asio::awaitable<void> run();
  asio::awaitable<void> export_all();
  asio::awaitable<void> wait_until(Clock::time_point time);
  asio::awaitable<void> export_batch(std::vector<trace::SpanData> batch);
  asio::awaitable<Tried> attempt(const http_client::Request& request, Deadline deadline);
  http_client::Request request_of(const std::vector<trace::SpanData>& batch) const;
  void conclude(const Tried& tried, std::size_t spans);

  const ExporterOptions options;
  asio::io_context loop{1};
  const std::unique_ptr<http_client::Client> client;  // its connections belong to `loop`
  runtime::Tracer& tracer;
  asio::steady_timer wake;  // of run(), while it waits
  asio::steady_timer cut;   // ends run() when the time to flush is over
  bool stopping = false, failing = false;
  std::size_t in_hand = 0;  // spans that were taken and are neither exported nor dropped
  runtime::TaskGroup* tasks = nullptr;
  std::minstd_rand random{std::random_device{}()};  // of the pauses between two tries
  asio::thread_pool thread{1};
};

void Exporter::Impl::start() {
  tracer.on_batch([this] { asio::post(loop, [this] { wake.cancel(); }); });
  asio::post(thread, [this] {
    runtime::TaskGroup group(loop.get_executor());
    tasks = &group;
    group.spawn(run());
    loop.run();
    client->close_idle();
  });
}

void Exporter::Impl::stop() {
  asio::post(loop, [this] {
    stopping = true;
    wake.cancel();
    cut.expires_after(options.flush_timeout);
    cut.async_wait([this](boost::system::error_code over) {
      if (!over) tasks->cancel();
    });
  });
  thread.join();
  tracer.on_batch({});
}

asio::awaitable<void> Exporter::Impl::run() {
  try {
    while (!stopping) {
      // First, because a batch that was full before this began has woken nobody.
      co_await export_all();
      co_await wait_until(Clock::now() + options.trace.delay);
    }
    co_await export_all();
  } catch (const boost::system::system_error&) {
    // Cancelled, because the time to flush is over.
    for (auto left = tracer.take(); !left.empty(); left = tracer.take()) in_hand += left.size();
    tracer.metrics().unavailable.Increment(static_cast<double>(in_hand));
  }
  cut.cancel();
}

/// Returns earlier where a batch is full, or the exporter stops.
asio::awaitable<void> Exporter::Impl::wait_until(Clock::time_point time) {
  if (stopping) co_return;
  wake.expires_at(time);
  boost::system::error_code woken;
  co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

asio::awaitable<void> Exporter::Impl::export_all() {
  for (auto batch = tracer.take(); !batch.empty(); batch = tracer.take())
    co_await export_batch(std::move(batch));
}

asio::awaitable<void> Exporter::Impl::export_batch(std::vector<trace::SpanData> batch) {
  in_hand = batch.size();
  const auto request = request_of(batch);
  const auto deadline = Deadline::after(options.trace.export_timeout);
  policy::Backoff backoff(options.backoff_first, options.backoff_max);
  for (;;) {
    const auto tried = co_await attempt(request, deadline.within(options.trace.attempt_timeout));
    const auto drawn = std::uniform_real_distribution<double>()(random);
    const auto wait = std::max(backoff.next(drawn), tried.not_before);
    // A receiver that was not there before the stop is not waited for.
    if (!tried.again || stopping || wait >= deadline.left()) {
      conclude(tried, std::exchange(in_hand, 0));
      co_return;
    }
    // Of a batch that is full meanwhile nothing is sent sooner.
    const auto next = Clock::now() + wait;
    while (!stopping && Clock::now() < next) co_await wait_until(next);
  }
}

asio::awaitable<Tried> Exporter::Impl::attempt(const http_client::Request& request,
                                               Deadline deadline) {
  Tried tried;
  std::optional<http_client::Response> response;
  try {
    response = co_await client->send(request, deadline);
  } catch (const Failure& failed) {
    tried.cause = failed.error().message;
    tried.again = errc_row(failed.error().code).transient();
  }
  if (!response) co_return tried;
  const int status = response->status;
  if (status == 200) {
    tried.rejected = trace::rejected_spans(response->body).value_or(0);
    co_return tried;
  }
  tried.cause = client->url().origin() + " answered " + std::to_string(status);
  tried.again = status == 429 || status == 502 || status == 503 || status == 504;
  if (const auto wait = http_client::parse_retry_after(response->header("retry-after")))
    tried.not_before = *wait;
  co_return tried;
}

http_client::Request Exporter::Impl::request_of(const std::vector<trace::SpanData>& batch) const {
  http_client::Request request;
  request.method = "POST";
  request.path = options.trace.path;
  request.headers = options.trace.headers;
  request.headers.emplace_back("Content-Type", "application/x-protobuf");
  request.body = trace::encode_export(options.trace.resource, options.version, batch);
  request.body_bytes_max = answer_bytes_max;
  request.connect_timeout = options.trace.attempt_timeout;
  return request;
}

void Exporter::Impl::conclude(const Tried& tried, std::size_t spans) {
  auto& metrics = tracer.metrics();
  if (tried.cause.empty()) {
    const auto rejected = std::min(spans, static_cast<std::size_t>(tried.rejected));
    metrics.refused.Increment(static_cast<double>(rejected));
    metrics.exported.Increment(static_cast<double>(spans - rejected));
    if (std::exchange(failing, false)) log(LogLevel::info, "otlp.export_restored");
    return;
  }
  (tried.again ? metrics.unavailable : metrics.refused).Increment(static_cast<double>(spans));
  if (!std::exchange(failing, true))
    log(LogLevel::warn, "otlp.export_failed", {{"cause", tried.cause}, {"spans", spans}});
}

Exporter::Exporter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Exporter::~Exporter() { impl_->stop(); }

Result<std::unique_ptr<Exporter>> Exporter::make(ExporterOptions options, runtime::Tracer& tracer) {
  auto url = codec::Url::parse(options.trace.endpoint);
  if (!url) return url.error();
  auto client = http_client::Client::make(
      std::move(*url), {options.trace.ca_file, "OTEL_EXPORTER_OTLP_CERTIFICATE"});
  if (!client) return client.error();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(*client), tracer);
  impl->start();
  return std::unique_ptr<Exporter>(new Exporter(std::move(impl)));
}

}  // namespace memseal::otlp
