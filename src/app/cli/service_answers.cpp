#include "app/cli/service_answers.hpp"

#include "app/cli/console.hpp"
#include "app/cli/progress_line.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/url.hpp"
#include "runtime/context.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cstdint>

namespace memseal::app {

namespace json = boost::json;

using namespace std::chrono_literals;

namespace {

constexpr int tries_max = 6;
/// The longest pause before a request is tried again.
constexpr std::chrono::seconds pause_max = 30s;

}  // namespace

int with_link(const GlobalOptions& global, const ServiceOptions& options,
              const std::function<int(ServiceLink&)>& work) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto token = read_token(options);
  if (!token) {
    complain(token.error());
    return exit_usage;
  }
  auto link = ServiceLink::open(*config, options, *token);
  if (!link) {
    complain(link.error());
    return exit_usage;
  }
  return work(*link);
}

int print_failure(const Asked& asked) {
  return print_refusal({*asked.error, asked.exit_code, {}, asked.members, asked.hints});
}

std::string path_of_file(const std::string& id, std::string_view below) {
  return std::string(files_path) + "/" + codec::percent_encode(id) + std::string(below);
}

std::optional<json::object> object_in(const http_client::Response& response) {
  auto value = codec::parse_json(response.body, Errc::bad_json);
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

json::object member_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

Error no_json() {
  return {Errc::bad_json, "the response is not JSON; is this the address of memseal?"};
}

Result<http_client::Response> call_patiently(ServiceLink& link, const ServiceRequest& request,
                                             const std::function<bool()>& goes_on) {
  for (int tried = 1;; ++tried) {
    auto answer = link.call(request);
    if (!answer || (answer->status != 429 && answer->status != 503)) return answer;
    const auto wait = refusal_of(*answer, link.token()).retry_after;
    if (!wait || tried == tries_max) return answer;
    const auto until =
        runtime::Clock::now() + std::clamp<std::chrono::seconds>(*wait, 0s, pause_max);
    while (goes_on() && runtime::Clock::now() < until) link.pause(50ms);
    if (!goes_on()) return answer;
  }
}

int exit_code_of(const Error& error) {
  if (error.code == Errc::bad_config) return exit_usage;
  return error.code == Errc::unavailable ? exit_not_ready : exit_failed;
}

Asked ask_for(ServiceLink& link, const ServiceRequest& request,
              const std::function<bool()>& goes_on) {
  const auto answer = call_patiently(link, request, goes_on);
  if (!answer) return {{}, answer.error(), exit_code_of(answer.error())};
  if (answer->status == 204) return {};
  if (answer->status / 100 != 2) {
    auto refusal = refusal_of(*answer, link.token());
    return {{},
            std::move(refusal.error),
            refusal.exit_code,
            std::move(refusal.members),
            std::move(refusal.hints)};
  }
  auto body = object_in(*answer);
  if (!body) return {{}, no_json(), exit_failed};
  return {std::move(*body), {}, exit_ok};
}

int fetch_content(const GlobalOptions& global, ServiceLink& link, const std::string& path,
                  FetchedFile& fetched, const std::function<void(std::string_view)>& seen,
                  const std::function<Result<void>()>& is_whole) {
  ProgressLine progress(shows_progress(global) && !global.json);
  const ServiceRequest request{
      .path = path, .answer_bytes_max = SIZE_MAX, .total_max = std::chrono::hours(1)};
  const auto answer = link.call(request, [&](std::string_view piece) {
    seen(piece);
    const bool written = fetched.write(piece);
    progress.show(megabytes(fetched.bytes()));
    return written;
  });
  progress.clear();
  if (fetched.reader_left()) return exit_ok;
  if (!answer) return print_failure({{}, answer.error(), exit_code_of(answer.error())});
  if (answer->status != 200) return print_refusal(refusal_of(*answer, link.token()));
  // Before what arrived is judged, because a full disk is no fault of the service.
  if (const auto written = fetched.written(); !written)
    return print_failure({{}, written.error(), exit_failed});
  if (const auto whole = is_whole(); !whole)
    return print_failure({{}, whole.error(), exit_failed});
  const auto kept = fetched.keep();
  if (!kept) return print_failure({{}, kept.error(), exit_failed});
  return exit_ok;
}

Asked each_item(ServiceLink& link, const std::string& path, std::string_view list,
                const std::function<bool(const json::object&)>& take,
                const http_client::Headers& headers) {
  std::string cursor;
  do {
    const ServiceRequest request{.path = path + "?limit=100" + cursor, .headers = headers};
    auto page = ask_for(link, request);
    if (page.error) return page;
    const auto* items = page.body.if_contains(list);
    if (items == nullptr || !items->is_array()) return {{}, no_json(), exit_failed};
    for (const auto& item : items->get_array())
      if (item.is_object() && !take(item.get_object())) return {};
    const auto next = text_of(page.body, "next_cursor");
    cursor = next.empty() ? "" : "&cursor=" + codec::percent_encode(next);
  } while (!cursor.empty());
  return {};
}

}  // namespace memseal::app
