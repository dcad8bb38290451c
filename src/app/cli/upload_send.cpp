#include "app/cli/upload_send.hpp"

#include "app/cli/console.hpp"
#include "app/cli/local_file.hpp"
#include "app/cli/service_answers.hpp"
#include "base/ids.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/url.hpp"
#include "runtime/context.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json/array.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace memseal::app {

namespace json = boost::json;

using namespace std::chrono_literals;

namespace {

/// Between two looks at an operation, and the longest time for all of them.
constexpr std::chrono::milliseconds look_pause = 500ms;
constexpr std::chrono::seconds looks_max = 300s;

/// By the name alone: the service looks at the content where the type matters.
std::string media_type_of(const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> known[] = {
      {".md", "text/markdown"},      {".markdown", "text/markdown"}, {".txt", "text/plain"},
      {".csv", "text/csv"},          {".html", "text/html"},         {".htm", "text/html"},
      {".json", "application/json"}, {".pdf", "application/pdf"},    {".png", "image/png"},
      {".jpg", "image/jpeg"}};
  for (const auto& [ending, type] : known)
    if (name.ends_with(ending)) return std::string(type);
  return "application/octet-stream";
}

std::string tags_field(const std::vector<std::string>& tags) {
  std::string field;
  for (const auto& tag : tags) field += (field.empty() ? "" : ",") + codec::percent_encode(tag);
  return field;
}

/// Whether a fault of the indexing is one of the file, which stays stored and is none of the call.
bool is_unfit_for_index(const json::object& index_error) {
  const auto code = text_of(index_error, "code");
  return code == errc_name(Errc::unsupported_media_type) ||
         code == errc_name(Errc::payload_too_large);
}

class UploadRun {
 public:
  UploadRun(const UploadPlan& plan, const std::vector<UploadInput>& files, const StoredFiles& known,
            std::atomic<std::uint64_t>& sent)
      : plan_(plan), files_(files), known_(known), sent_(sent), outcomes_(files.size()) {}

  /// Takes one file after the other, until none is left.
  void work(ServiceLink& link) {
    for (;;) {
      const auto index = next_.fetch_add(1);
      if (index >= files_.size()) return;
      UploadOutcome outcome;
      if (!stopped_) outcome = attempt(link, files_[index]);
      // What would meet every other file as well ends the call.
      if (outcome.exit_code != exit_ok && outcome.exit_code != exit_failed) stopped_ = true;
      const std::lock_guard lock(guard_);
      outcomes_[index] = std::move(outcome);
      changed_.notify_one();
    }
  }

  UploadOutcome wait_for(std::size_t index, const std::function<void()>& look) {
    std::unique_lock lock(guard_);
    while (!changed_.wait_for(lock, 200ms, [&] { return outcomes_[index].has_value(); })) {
      lock.unlock();
      look();
      lock.lock();
    }
    return std::move(*outcomes_[index]);
  }

 private:
  UploadOutcome attempt(ServiceLink& link, const UploadInput& input) {
    const auto begun = runtime::Clock::now();
    UploadOutcome outcome;
    try {
      upload(link, input, outcome);
    } catch (const Failure& failed) {
      fail_with(outcome, {failed.error().code, input.path + " " + failed.error().message},
                exit_failed);
    } catch (...) {
      fail_with(outcome, error_of(std::current_exception()), exit_failed);
    }
    outcome.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(runtime::Clock::now() - begun);
    return outcome;
  }

  static void fail_with(UploadOutcome& outcome, Error error, int exit_code) {
    // A file that is stored stays so, whatever becomes of its document.
    if (outcome.file.empty()) outcome.state = UploadState::failed;
    outcome.error = std::move(error);
    outcome.exit_code = exit_code;
  }
  static void fail(UploadOutcome& outcome, const UploadInput& input,
                   const http_client::Response& response) {
    const auto refusal = refusal_of(response, "");
    fail_with(outcome, {refusal.error.code, input.path + ": " + refusal.error.message},
              refusal.exit_code == exit_not_found ? exit_failed : refusal.exit_code);
  }

  static void fail(UploadOutcome& outcome, const UploadInput& input, const Error& error) {
    fail_with(outcome, {error.code, input.path + ": " + error.message}, exit_code_of(error));
  }

  void upload(ServiceLink& link, const UploadInput& input, UploadOutcome& outcome) {
    auto opened = LocalFile::open(input.path);
    if (!opened) throw_failure(opened.error());
    const auto digest = opened->sha256();
    const auto known = known_.find({input.name, to_hex(digest.data(), digest.size())});
    if (known == known_.end()) {
      send(link, input, *opened, digest, outcome);
    } else {
      outcome.state = UploadState::unchanged;
      outcome.file = known->second;
      sent_ += opened->size();
      if (plan_.index) index_known(link, input, outcome);
    }
    if (!outcome.error) end_operation(link, input, outcome);
  }

  void send(ServiceLink& link, const UploadInput& input, LocalFile& file,
            const crypto::Digest& digest, UploadOutcome& outcome) {
    ServiceRequest request{.method = "POST",
                           .path = files_path,
                           .headers = {{"X-Memseal-Name", codec::percent_encode(input.name)},
                                       {"Content-Type", media_type_of(input.name)}},
                           .source = &file,
                           .silence_max = 60s,
                           .total_max = 1h};
    request.headers.emplace_back(
        "Content-Digest",
        "sha-256=:" + codec::encode_base64(digest, codec::Base64::standard) + ":");
    if (!plan_.tags.empty()) request.headers.emplace_back("X-Memseal-Tags", tags_field(plan_.tags));
    if (plan_.index) request.path += "?index=true";
    if (plan_.wait) request.headers.emplace_back("Prefer", "wait=30");
    std::uint64_t counted = 0;  // a second try sends nothing that was not counted
    file.on_read = [&](std::uint64_t end) {
      if (end <= counted) return;
      sent_ += end - counted;
      counted = end;
    };
    const auto answer = call_patiently(link, request, [this] { return !stopped_; });
    file.on_read = nullptr;
    sent_ += file.size() - counted;
    if (!answer) return fail(outcome, input, answer.error());
    if (answer->status != 201 && answer->status != 200) return fail(outcome, input, *answer);
    const auto body = object_in(*answer);
    if (!body) return fail(outcome, input, no_json());
    outcome.file = member_of(*body, "file");
    outcome.operation = member_of(*body, "operation");
    outcome.index_error = member_of(*body, "index_error");
    outcome.state = answer->status == 201 ? UploadState::stored : UploadState::unchanged;
  }

  /// An earlier call may have ended between the storing and the indexing.
  void index_known(ServiceLink& link, const UploadInput& input, UploadOutcome& outcome) {
    const auto goes_on = [this] { return !stopped_; };
    const auto id = text_of(outcome.file, "id");
    const ServiceRequest look{.path = path_of_file(id, "/chunks?limit=1")};
    const auto seen = call_patiently(link, look, goes_on);
    if (!seen) return fail(outcome, input, seen.error());
    if (seen->status != 200) return fail(outcome, input, *seen);
    const auto page = object_in(*seen);
    const auto* chunks = page ? page->if_contains("chunks") : nullptr;
    if (chunks != nullptr && chunks->is_array() && !chunks->get_array().empty()) return;
    ServiceRequest request{.method = "POST",
                           .path = "/api/v1/knowledge/index",
                           .headers = {{"Content-Type", "application/json"}},
                           .body = codec::compact_json(json::object{{"file_id", id}}),
                           .silence_max = 60s};
    if (plan_.wait) request.headers.emplace_back("Prefer", "wait=30");
    const auto answer = call_patiently(link, request, goes_on);
    if (!answer) return fail(outcome, input, answer.error());
    const auto body = object_in(*answer);
    if (answer->status == 413 || answer->status == 415) {
      const auto problem = body.value_or(json::object());
      outcome.index_error =
          json::object{{"code", text_of(problem, "code")}, {"detail", text_of(problem, "detail")}};
    } else if (answer->status != 200 && answer->status != 202) {
      fail(outcome, input, *answer);
    } else if (body) {
      outcome.operation = member_of(*body, "operation");
    }
  }

  /// Looks at the operation until it has ended, where that is asked, and judges its end.
  void end_operation(ServiceLink& link, const UploadInput& input, UploadOutcome& outcome) {
    if (!outcome.index_error.empty() && !is_unfit_for_index(outcome.index_error))
      return fail(outcome, input,
                  Error{Errc::internal, "is stored, and is not indexed: " +
                                            text_of(outcome.index_error, "detail")});
    if (outcome.operation.empty()) return;
    const auto until = runtime::Clock::now() + looks_max;
    const ServiceRequest look{.path = "/api/v1/operations/" +
                                      codec::percent_encode(text_of(outcome.operation, "id"))};
    while (plan_.wait && text_of(outcome.operation, "state") == "queued" && !stopped_ &&
           runtime::Clock::now() < until) {
      link.pause(look_pause);
      const auto seen = link.call(look);
      const auto body = seen && seen->status == 200 ? object_in(*seen) : std::nullopt;
      if (body) outcome.operation = member_of(*body, "operation");
    }
    const auto state = text_of(outcome.operation, "state");
    if (state == "failed")
      fail(outcome, input,
           Error{Errc::internal, "is stored, and its indexing failed: " +
                                     text_of(member_of(outcome.operation, "error"), "code")});
    else if (plan_.wait && state == "queued")
      fail(outcome, input, Error{Errc::timeout, "is stored, and is not indexed yet"});
  }

  const UploadPlan& plan_;
  const std::vector<UploadInput>& files_;
  const StoredFiles& known_;
  std::atomic<std::uint64_t>& sent_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex guard_;
  std::condition_variable changed_;
  std::vector<std::optional<UploadOutcome>> outcomes_;  // empty: not yet
};

}  // namespace

void send_uploads(std::vector<ServiceLink>& links, const UploadPlan& plan,
                  const std::vector<UploadInput>& files, const StoredFiles& known,
                  std::atomic<std::uint64_t>& sent,
                  const std::function<void(std::size_t, const UploadOutcome&)>& take,
                  const std::function<void()>& look) {
  UploadRun run(plan, files, known, sent);
  boost::asio::thread_pool workers(links.size());
  for (auto& link : links) boost::asio::post(workers, [&run, &link] { run.work(link); });
  for (std::size_t index = 0; index < files.size(); ++index) take(index, run.wait_for(index, look));
  workers.join();
}

}  // namespace memseal::app
