#include "http/routes/admission.hpp"
#include "http/routes/audit_trail.hpp"
#include "http/routes/byte_range.hpp"
#include "http/routes/files.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/upload.hpp"

#include "base/on_exit.hpp"
#include "cases/knowledge/reading.hpp"
#include "http/server/content_stream.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/wire/file_request.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

constexpr std::string_view files_path = "/api/v1/knowledge/files/";
/// Bytes of a content that one write sends: a whole frame of the stored stream.
constexpr std::size_t write_bytes = 64u << 10;

asio::awaitable<void> send_content(Call& call, knowledge::Reading& reading, ByteRange range,
                                   int status, std::vector<OutField> fields) {
  auto& active = knowledge_of(call).metrics.downloads_active;
  active.Increment();
  const OnExit leave([&active] { active.Decrement(); });
  ContentStream content(call.exchange);
  co_await content.begin(status, std::move(fields), range.end - range.first);
  if (content.is_head()) co_return;
  for (auto at = range.first; at < range.end;) {
    const auto most = std::min<std::uint64_t>(write_bytes, range.end - at);
    const auto bytes =
        co_await reading.read(step_context(call), at, static_cast<std::size_t>(most));
    const std::string_view piece(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_await content.write(piece);
    at += bytes.size();
  }
}

/// Never the same for two contents, because a client joins parts of equal ETags to one file.
std::string etag_of(const knowledge::File& file) { return '"' + file.version + '"'; }

/// A place among the transfers of a user may be free in a moment.
Response busy_or_problem(const Call& call, const Error& error) {
  auto response = problem(error, call.context.id);
  if (error.code == Errc::rate_limited) response.fields.push_back({"Retry-After", "1"});
  return response;
}

/// The part that is asked for. Only GET has ranges (RFC 9110 §14.2), and none counts where the
/// client holds parts of another content (§13.1.5).
AskedRange range_of(const RequestHead& head, const knowledge::File& file) {
  const bool same = head.count("if-range") == 0 || head.field("if-range") == etag_of(file);
  const bool counts = head.method == "GET" && same;
  const auto field = counts ? head.field("range") : std::nullopt;
  return asked_range(field, static_cast<std::uint64_t>(file.bytes));
}

}  // namespace

const knowledge::KnowledgeDeps& knowledge_of(const Call& call) {
  const auto* deps = call.deps.api->knowledge;
  if (deps == nullptr) throw_failure({Errc::bad_config, "this service keeps no files"});
  return *deps;
}

json::object file_json(const knowledge::File& file) {
  const auto& facts = file.facts;
  json::array tags;
  for (const auto& tag : facts.tags) tags.push_back(json::value(tag));
  return {{"id", file.id.to_string()},
          {"name", facts.name},
          {"media_type", facts.media_type},
          {"bytes", file.bytes},
          {"tags", std::move(tags)},
          {"sha256", facts.sha256.empty() ? json::value(nullptr) : json::value(facts.sha256)},
          {"state", "stored"},
          {"created_at", codec::format_rfc3339(file.created_at_ms)}};
}

asio::awaitable<std::optional<knowledge::File>> named_file(Call& call) {
  const auto id = Uuid::parse(call.id);
  if (!id) co_return std::nullopt;
  co_return co_await knowledge::find_file(knowledge_of(call), call.context, call.who->tenant, *id);
}

Response stored_response(const knowledge::TakenFile& taken, json::object more) {
  json::object body{{"file", file_json(taken.file)}};
  for (auto& member : more) body[member.key()] = std::move(member.value());
  auto response = json_response(taken.is_new ? 201 : 200, json::serialize(body));
  response.fields.push_back({"Location", std::string(files_path) + taken.file.id.to_string()});
  return response;
}

asio::awaitable<std::optional<Response>> post_file(Call& call) {
  const auto index = wire::parse_file_upload_request(call.head.query());
  if (!index) co_return problem(index.error(), call.context.id);
  const auto wait = wait_preference(call.head);
  if (!wait) co_return problem(wait.error(), call.context.id);
  std::optional<Response> refused;
  auto taken = co_await receive_file(call, knowledge_of(call), refused);
  if (refused) co_return refused;
  if (!taken) co_return busy_or_problem(call, taken.error());
  call.touched.push_back(taken->file.id.to_string());
  if (*index) co_return co_await index_and_answer(call, std::move(*taken), *wait);
  co_return stored_response(*taken);
}

asio::awaitable<std::optional<Response>> list_files(Call& call) {
  const auto& deps = knowledge_of(call);
  const auto request = wire::parse_file_list_request(call.head.query());
  if (!request) co_return problem(request.error(), call.context.id);
  auto tags = wire::parse_file_tags_field(call.head.list("x-memseal-tags").value_or(""));
  if (!tags) co_return problem(tags.error(), call.context.id);
  auto refused = co_await charge(call, 0);
  if (refused) co_return refused;
  knowledge::FileQuery query{.tags = std::move(*tags), .files_max = request->limit};
  if (request->after) query.after = ports::FileMark{request->after->at_us, request->after->id};
  // Later than a time that an answer showed, which has no part of a millisecond.
  if (request->created_after_ms) query.from_ms = *request->created_after_ms + 1;
  query.until_ms = request->created_before_ms;
  const auto page =
      co_await knowledge::list_files(deps, call.context, call.who->tenant, std::move(query));
  json::array files;
  for (const auto& file : page.files) {
    files.push_back(file_json(file));
    call.touched.push_back(file.id.to_string());
  }
  json::object body{{"files", std::move(files)}, {"next_cursor", nullptr}};
  if (page.next) {
    const wire::ListPlace place{page.next->created_at_us, 0, page.next->id};
    body["next_cursor"] = wire::make_list_cursor(place);
  }
  co_return json_response(200, json::serialize(body));
}

asio::awaitable<std::optional<Response>> get_file(Call& call) {
  const auto file = co_await named_file(call);
  if (!file) co_return not_found(call);
  json::object body{{"file", file_json(*file)}};
  co_return json_response(200, json::serialize(body));
}

asio::awaitable<std::optional<Response>> delete_file(Call& call) {
  const auto file = co_await named_file(call);
  if (!file) co_return not_found(call);
  // The document first: where it cannot be forgotten, the client asks again.
  co_await forget_document_of(call, file->id);
  const bool removed = co_await knowledge::remove_file(knowledge_of(call), call.context,
                                                       call.who->tenant, file->id);
  if (!removed) co_return not_found(call);
  co_return Response{.status = 204};
}

asio::awaitable<std::optional<Response>> get_file_content(Call& call) {
  const auto id = Uuid::parse(call.id);
  if (!id) co_return not_found(call);
  const auto& deps = knowledge_of(call);
  // Before the look at the file, so that the answer tells nothing of it.
  const auto ticket = knowledge::admit_download(deps, call.who->tenant);
  if (!ticket) co_return busy_or_problem(call, ticket.error());
  auto reading = co_await knowledge::Reading::begin(deps, step_context(call), call.who->tenant,
                                                    *id);
  if (!reading) co_return not_found(call);
  const auto& file = (*reading)->file();
  const auto length = static_cast<std::uint64_t>(file.bytes);
  const auto asked = range_of(call.head, file);
  const auto total = std::to_string(length);
  if (asked.answer == RangeAnswer::unsatisfiable) {
    auto response =
        protocol_problem(416, "the range begins behind the end of the file", call.context.id);
    response.fields.push_back({"Content-Range", "bytes */" + total});
    co_return response;
  }
  // Never shown in place: a browser must not run what a user uploaded.
  std::vector<OutField> fields{{"Content-Type", file.facts.media_type},
                               {"Content-Disposition", wire::attachment(file.facts.name)},
                               {"Content-Security-Policy", "sandbox"},
                               {"Accept-Ranges", "bytes"},
                               {"ETag", etag_of(file)}};
  const bool whole = asked.answer == RangeAnswer::whole;
  const auto range = whole ? ByteRange{0, length} : asked.range;
  if (!whole)
    fields.push_back({"Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                           std::to_string(range.end - 1) + "/" + total});
  if (call.head.method != "HEAD") co_await record_begin(call);
  co_await send_content(call, **reading, range, whole ? 200 : 206, std::move(fields));
  co_return std::nullopt;
}

}  // namespace memseal::http
