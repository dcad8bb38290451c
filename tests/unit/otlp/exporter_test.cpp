#include "adapters/otlp/exporter.hpp"

#include "support/contains.hpp"
#include "support/scripted_server.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace memseal::otlp {
namespace {

using namespace std::chrono_literals;
using test::contains;

std::string answer(const std::string& status, const std::string& fields = "",
                   const std::string& body = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body;
}

/// A receiver that gives one answer after the other, the last one for ever, and keeps what it got.
class Receiver {
 public:
  explicit Receiver(std::vector<std::string> answers)
      : answers_(std::move(answers)), server_([this](test::Peer& peer) {
          for (auto request = peer.read_request(); !request.empty();
               request = peer.read_request())
            if (!peer.send(next(std::move(request)))) break;
        }) {}

  std::string url() const { return server_.url(); }
  /// Waits for the request of this number, from 1.
  std::string request(std::size_t number) {
    std::unique_lock lock(guard_);
    if (!came_.wait_for(lock, 60s, [&] { return requests_.size() >= number; })) return "";
    return requests_[number - 1];
  }
  std::size_t count() {
    const std::lock_guard lock(guard_);
    return requests_.size();
  }

 private:
  std::string next(std::string request) {
    const std::lock_guard lock(guard_);
    requests_.push_back(std::move(request));
    came_.notify_all();
    return answers_[std::min(requests_.size(), answers_.size()) - 1];
  }

  std::vector<std::string> answers_;
  std::mutex guard_;
  std::condition_variable came_;
  std::vector<std::string> requests_;
  test::ScriptedServer server_;
};

/// A tracer and its exporter, which waits long unless a batch is full or it ends.
struct Exporting {
  explicit Exporting(const std::string& url) : Exporting(url, [](ExporterOptions&) {}) {}
  template <class Change>
  Exporting(const std::string& url, Change change) {
    ExporterOptions options;
    options.trace.endpoint = url;
    options.trace.path = "/v1/traces";
    options.trace.headers = {{"x-key", "s3cret"}};
    options.trace.delay = 1h;
    options.backoff_first = options.backoff_max = 1ms;
    options.version = "1";
    change(options);
    exporter = Exporter::make(std::move(options), tracer).value();
  }

  void span(const std::string& name) {
    auto span = tracer.start(trace::SpanKind::internal, nullptr);
    span.name(name);
    span.end();
  }
  void wait_for_dropped(double count) {
    for (int i = 0; i < 60'000; ++i) {
      const auto& dropped = tracer.metrics();
      if (dropped.refused.Value() + dropped.unavailable.Value() >= count) return;
      std::this_thread::sleep_for(1ms);
    }
    ADD_FAILURE() << "nothing is dropped";
  }
  std::string end() {
    exporter = nullptr;
    return metrics.render();
  }

  runtime::Metrics metrics;
  runtime::Tracer tracer{{.queue_max = 8, .batch_max = 2}, metrics};
  std::unique_ptr<Exporter> exporter;
};

constexpr const char* exported = "memseal_trace_spans_exported_total ";
constexpr const char* unavailable = "memseal_trace_spans_dropped_total{cause=\"unavailable\"} ";
constexpr const char* refused = "memseal_trace_spans_dropped_total{cause=\"refused\"} ";

TEST(Exporter, SendsAFullBatchAtOnceAndTheRestAtItsEnd) {
  Receiver receiver({answer("200 OK")});
  Exporting exporting(receiver.url());
  exporting.span("first");
  exporting.span("second");
  const auto batch = receiver.request(1);
  EXPECT_TRUE(batch.starts_with("POST /v1/traces HTTP/1.1\r\n")) << batch;
  EXPECT_TRUE(contains(batch, "Content-Type: application/x-protobuf\r\n"));
  EXPECT_TRUE(contains(batch, "x-key: s3cret\r\n"));
  EXPECT_TRUE(contains(batch, "first") && contains(batch, "second"));
  exporting.span("third");
  const auto metrics = exporting.end();
  EXPECT_TRUE(contains(receiver.request(2), "third"));
  EXPECT_TRUE(contains(metrics, exported + std::string("3\n"))) << metrics;
}

TEST(Exporter, SendsABatchAgainUntilTheReceiverTakesIt) {
  Receiver receiver({answer("503 Unavailable"), answer("429 Too Many", "Retry-After: 0\r\n"),
                     answer("502 Bad"), answer("504 Late"), answer("200 OK")});
  Exporting exporting(receiver.url());
  exporting.span("a");
  exporting.span("b");
  EXPECT_EQ(receiver.request(5), receiver.request(1));
  const auto metrics = exporting.end();
  EXPECT_TRUE(contains(metrics, exported + std::string("2\n"))) << metrics;
  EXPECT_TRUE(contains(metrics, unavailable + std::string("0\n"))) << metrics;
}

TEST(Exporter, DropsWhatTheReceiverDoesNotWant) {
  Receiver receiver({answer("400 Bad Request"), answer("200 OK")});
  Exporting exporting(receiver.url());
  exporting.span("a");
  exporting.span("b");
  receiver.request(1);
  exporting.span("c");
  const auto metrics = exporting.end();
  EXPECT_EQ(receiver.count(), 2u);
  EXPECT_TRUE(contains(metrics, refused + std::string("2\n"))) << metrics;
  EXPECT_TRUE(contains(metrics, exported + std::string("1\n"))) << metrics;
}

TEST(Exporter, LeavesAReceiverAloneThatRefusedABatch) {
  // With less time than the receiver asks for, so the batch is dropped.
  for (const auto* status : {"401 Unauthorized", "503 Unavailable"}) {
    Receiver receiver({answer(status, "Retry-After: 3000\r\n")});
    Exporting exporting(receiver.url());
    for (int i = 0; i < 2; ++i) exporting.span("a");
    receiver.request(1);
    exporting.wait_for_dropped(2);
    for (int i = 0; i < 8; ++i) {
      exporting.span("b");
      std::this_thread::sleep_for(2ms);  // An exporter that does not wait sends some of them.
    }
    EXPECT_EQ(receiver.count(), 1u) << status;
    // The end asks once a batch; each before it would be one more.
    const auto metrics = exporting.end();
    EXPECT_EQ(receiver.count(), 5u) << status;
    EXPECT_TRUE(contains(metrics, exported + std::string("0\n"))) << metrics;
  }
}

TEST(Exporter, WaitsForItsTimeUnlessABatchIsFull) {
  Receiver receiver({answer("200 OK")});
  Exporting exporting(receiver.url());
  for (int i = 0; i < 3; ++i) exporting.span("a");
  receiver.request(1);
  exporting.span("b");
  receiver.request(2);
  exporting.span("c");
  const auto metrics = exporting.end();
  // Two full ones, and the rest at the end.
  EXPECT_EQ(receiver.count(), 3u);
  EXPECT_TRUE(contains(metrics, exported + std::string("5\n"))) << metrics;
}

TEST(Exporter, GoesOnAfterAnswersThatItCannotRead) {
  Receiver receiver({answer("503 Unavailable", "", std::string(100'000, 'x')),
                     "HTTP/1.1 503 No\r\nX: " + std::string(200'000, 'x') + "\r\n\r\n",
                     answer("200 OK", "", std::string(2'000'000, 'x')),
                     answer("202 Accepted")});
  Exporting exporting(receiver.url());
  exporting.span("a");
  exporting.span("b");
  receiver.request(4);
  const auto metrics = exporting.end();
  EXPECT_TRUE(contains(metrics, exported + std::string("2\n"))) << metrics;
}

TEST(Exporter, CountsTheSpansThatTheReceiverRejected) {
  Receiver receiver({answer("200 OK", "", std::string("\x0a\x02\x08\x01", 4))});
  Exporting exporting(receiver.url());
  exporting.span("a");
  exporting.span("b");
  const auto metrics = exporting.end();
  EXPECT_TRUE(contains(metrics, refused + std::string("1\n"))) << metrics;
  EXPECT_TRUE(contains(metrics, exported + std::string("1\n"))) << metrics;
}

TEST(Exporter, GivesABatchUpAfterItsTimeAndKeepsNoRequestWaiting) {
  // Nothing listens there.
  Exporting exporting("http://127.0.0.1:1", [](ExporterOptions& options) {
    options.trace.export_timeout = 1ms;
  });
  for (int i = 0; i < 20; ++i) exporting.span("a");
  const auto metrics = exporting.end();
  EXPECT_TRUE(contains(metrics, exported + std::string("0\n"))) << metrics;
  // Each of the 20 was dropped for one of the two causes.
  const auto count = [&](const std::string& series) {
    const auto at = metrics.find(series);
    return at == metrics.npos ? -1 : std::stoi(metrics.substr(at + series.size()));
  };
  EXPECT_EQ(count(unavailable) +
                count("memseal_trace_spans_dropped_total{cause=\"queue_full\"} "),
            20);
}

TEST(Exporter, EndsInItsTimeWhereTheReceiverIsSilent) {
  test::ScriptedServer silent([](test::Peer& peer) { peer.wait_for_end(); });
  Exporting exporting(silent.url(), [](ExporterOptions& options) { options.flush_timeout = 50ms; });
  for (int i = 0; i < 3; ++i) exporting.span("a");
  const auto metrics = exporting.end();
  EXPECT_TRUE(contains(metrics, unavailable + std::string("3\n"))) << metrics;
}

TEST(Exporter, RefusesAnAuthorityThatCannotBeRead) {
  runtime::Metrics metrics;
  runtime::Tracer tracer({}, metrics);
  ExporterOptions options;
  options.trace.endpoint = "https://127.0.0.1:1";
  options.trace.ca_file = "/nowhere/ca.pem";
  const auto made = Exporter::make(std::move(options), tracer);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::bad_config);
}

}  // namespace
}  // namespace memseal::otlp
