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
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <exception>
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

// More than a receiver has to say. One that says more is not what it should be, for example a
// gateway's page, and is tried again.
constexpr std::size_t answer_bytes_max = std::size_t{1} << 20;

/// What one try came to. A cause quotes neither the spans nor the answer.
struct Tried {
  std::string cause = {};  ///< empty: the receiver took the batch
  bool again = false;
  milliseconds not_before{0};
  std::int64_t rejected = 0;
};

/// Throws if the coroutine that awaits it was cancelled.
asio::awaitable<void> throw_if_cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace

struct Exporter::Impl {
  Impl(ExporterOptions given, std::unique_ptr<http_client::Client> to, runtime::Tracer& spans)
      : options(std::move(given)), client(std::move(to)), tracer(spans), wake(loop), cut(loop) {}

  void start();
  void stop();
  asio::awaitable<void> run();
  asio::awaitable<void> export_by_schedule();
  asio::awaitable<void> wait_until(Clock::time_point time);
  asio::awaitable<bool> export_batch();
  asio::awaitable<Tried> try_batch(std::vector<trace::SpanData> batch);
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
  Clock::time_point not_before{};  // the receiver is left alone
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
    co_await export_by_schedule();
    for (bool more = true; more;) more = co_await export_batch();
  } catch (const boost::system::system_error&) {
    // Cancelled, because the time to flush is over.
    for (auto left = tracer.take(); !left.empty(); left = tracer.take()) in_hand += left.size();
    tracer.metrics().unavailable.Increment(static_cast<double>(in_hand));
  }
  cut.cancel();
}

/// A full batch goes at once, and what is less at its time, until the exporter stops.
asio::awaitable<void> Exporter::Impl::export_by_schedule() {
  auto next = Clock::now() + options.trace.delay;
  while (!stopping) {
    const auto now = Clock::now();
    // Asked first, because a batch that was full before this began has woken nobody.
    const auto due = std::max(not_before, tracer.has_batch() ? now : next);
    if (now < due) {
      co_await wait_until(due);
      continue;
    }
    co_await export_batch();
    next = Clock::now() + options.trace.delay;
  }
}

/// Returns earlier where a batch is full, or the exporter stops.
asio::awaitable<void> Exporter::Impl::wait_until(Clock::time_point time) {
  if (stopping) co_return;
  wake.expires_at(time);
  boost::system::error_code woken;
  co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

/// False: nothing waited. Whatever goes wrong with a batch, the next one is exported.
asio::awaitable<bool> Exporter::Impl::export_batch() {
  auto batch = tracer.take();
  if (batch.empty()) co_return false;
  in_hand = batch.size();
  Tried tried;
  try {
    tried = co_await try_batch(std::move(batch));
  } catch (const std::exception&) {
    tried = {.cause = "this process could not prepare the export", .again = true};
  }
  co_await throw_if_cancelled();
  if (!tried.cause.empty())
    not_before = Clock::now() + std::max(options.trace.delay, tried.not_before);
  conclude(tried, std::exchange(in_hand, 0));
  co_return true;
}

asio::awaitable<Tried> Exporter::Impl::try_batch(std::vector<trace::SpanData> batch) {
  const auto request = request_of(batch);
  const auto deadline = Deadline::after(options.trace.export_timeout);
  policy::Backoff backoff(options.backoff_first, options.backoff_max);
  for (;;) {
    auto tried = co_await attempt(request, deadline.within(options.trace.attempt_timeout));
    const auto drawn = std::uniform_real_distribution<double>()(random);
    const auto wait = std::max(backoff.next(drawn), tried.not_before);
    // A receiver that was not there before the stop is not waited for.
    if (!tried.again || stopping || wait >= deadline.left()) co_return tried;
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
    const auto code = failed.error().code;
    tried.cause = failed.error().message;
    tried.again = errc_row(code).transient() || code == Errc::payload_too_large;
  } catch (const std::exception&) {
    // For example no thread to look a name up with, or a head that is too long.
    tried = {.cause = "the request to " + client->url().origin() + " failed", .again = true};
  }
  co_await throw_if_cancelled();
  if (!response) co_return tried;
  const int status = response->status;
  if (status / 100 == 2) {
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
