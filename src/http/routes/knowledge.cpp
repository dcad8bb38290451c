#include "http/routes/admission.hpp"
#include "http/routes/byte_range.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/operation_answer.hpp"
#include "http/routes/upload.hpp"

#include "base/limits.hpp"
#include "cases/index/submit.hpp"
#include "cases/index/submit_deletion.hpp"
#include "cases/knowledge/reading.hpp"
#include "http/server/content_stream.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/policy/token_bucket.hpp"
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

/// Throws where this service keeps no files.
const knowledge::KnowledgeDeps& knowledge_of(const Call& call) {
  const auto* deps = call.deps.api->knowledge;
  if (deps == nullptr) throw_failure({Errc::bad_config, "this service keeps no files"});
  return *deps;
}

json::object file_json(const knowledge::File& file) {
  json::array tags;
  for (const auto& tag : file.facts.tags) tags.push_back(json::value(tag));
  return {{"id", file.id.to_string()},
          {"name", file.facts.name},
          {"media_type", file.facts.media_type},
          {"bytes", file.bytes},
          {"tags", std::move(tags)},
          {"state", "stored"},
          {"created_at", codec::format_rfc3339(file.created_at_ms)}};
}

asio::awaitable<void> send_content(Call& call, knowledge::Reading& reading, ByteRange range,
                                   int status, std::vector<OutField> fields) {
  ContentStream content(call.exchange);
  co_await content.begin(status, std::move(fields), range.end - range.first);
  if (content.is_head()) co_return;
  for (auto at = range.first; at < range.end;) {
    const auto most = std::min<std::uint64_t>(write_bytes, range.end - at);
    auto context = call.context.within(call.exchange.server.options.request_deadline);
    const auto bytes =
        co_await reading.read(std::move(context), at, static_cast<std::size_t>(most));
    const std::string_view piece(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_await content.write(piece);
    at += bytes.size();
  }
}

/// The file that the path names. A file of another user is not found either, because the database
/// hides its row.
asio::awaitable<std::optional<knowledge::File>> named_file(Call& call) {
  const auto id = Uuid::parse(call.id);
  if (!id) co_return std::nullopt;
  co_return co_await knowledge::find_file(knowledge_of(call), call.context, call.who->tenant, *id);
}

/// The content of a file never changes, so its id is its strong validator.
std::string etag_of(const knowledge::File& file) { return '"' + file.id.to_string() + '"'; }

/// The part that is asked for. Only GET has ranges (RFC 9110 §14.2), and none counts where the
/// client holds parts of another content (§13.1.5).
AskedRange range_of(const RequestHead& head, const knowledge::File& file) {
  const auto same = head.field("if-range");
  const bool counts = head.method == "GET" && (!same || *same == etag_of(file));
  const auto field = counts ? head.field("range") : std::nullopt;
  return asked_range(field, static_cast<std::uint64_t>(file.bytes));
}

runtime::RequestContext short_context(const Call& call) {
  return call.context.within(call.exchange.server.options.request_deadline);
}

/// The whole file as a text. What it is decides the content and not the name.
/// Errors: payload_too_large, unsupported_media_type.
asio::awaitable<Result<std::string>> text_of(const Call& call, knowledge::Reading& reading) {
  const auto bytes = static_cast<std::uint64_t>(reading.file().bytes);
  if (bytes > limits::event_bytes_max)
    co_return Error{Errc::payload_too_large, "a text to index has less than " +
                                                 std::to_string(limits::event_bytes_max) +
                                                 " bytes, this file has " + std::to_string(bytes)};
  std::string text;
  while (text.size() < bytes) {
    const auto piece = co_await reading.read(short_context(call), text.size(), bytes);
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  const bool is_blank = text.find_first_not_of(" \t\r\n\f\v") == text.npos;
  if (is_blank || text.find('\0') != text.npos || !codec::is_utf8(text))
    co_return Error{Errc::unsupported_media_type,
                    "the file is no text in UTF-8: nothing else is indexed yet"};
  co_return text;
}

std::string mime_type_of(const knowledge::FileFacts& facts) {
  const bool is_markdown = facts.media_type == "text/markdown" || facts.name.ends_with(".md") ||
                           facts.name.ends_with(".markdown");
  return is_markdown ? "text/markdown" : "text/plain";
}

/// Publishes the deletion of the document that a file was indexed as, where there is one.
asio::awaitable<void> forget_document_of(Call& call, Uuid file) {
  const auto& api = *call.deps.api;
  auto id = DocId::parse(file.to_string());
  index::DeletionSubmission submission{
      .idempotency_key = {}, .id = std::move(*id), .at_ms = api.now_ms()};
  const index::IndexDeps index_deps{api.operations, api.events, api.ids};
  index::Owner owner{call.who->user, call.who->tenant};
  const auto operation = co_await index::submit_deletion(
      index_deps, api.browse.stored, short_context(call), std::move(owner), std::move(submission));
  // A file that was never indexed has no document.
  if (!operation && operation.error().code != Errc::not_found) throw_failure(operation.error());
}

}  // namespace

asio::awaitable<std::optional<Response>> post_file(Call& call) {
  std::optional<Response> refused;
  const auto taken = co_await receive_file(call, knowledge_of(call), refused);
  if (refused) co_return refused;
  if (!taken) {
    auto response = problem(taken.error(), call.context.id);
    if (taken.error().code == Errc::rate_limited) response.fields.push_back({"Retry-After", "1"});
    co_return response;
  }
  json::object body{{"file", file_json(taken->file)}};
  auto response = json_response(taken->is_new ? 201 : 200, json::serialize(body));
  response.fields.push_back({"Location", std::string(files_path) + taken->file.id.to_string()});
  co_return response;
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
  for (const auto& file : page.files) files.push_back(file_json(file));
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
  auto context = call.context.within(call.exchange.server.options.request_deadline);
  auto reading =
      co_await knowledge::Reading::begin(deps, std::move(context), call.who->tenant, *id);
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
  co_await send_content(call, **reading, range, whole ? 200 : 206, std::move(fields));
  co_return std::nullopt;
}

asio::awaitable<std::optional<Response>> post_file_index(Call& call) {
  const auto& api = *call.deps.api;
  const auto id = wire::parse_file_index_request(call.body);
  if (!id) co_return problem(id.error(), call.context.id);
  auto key = idempotency_key_of(call.head);
  if (!key) co_return problem(key.error(), call.context.id);
  const auto wait = wait_preference(call.head);
  if (!wait) co_return problem(wait.error(), call.context.id);
  const auto& deps = knowledge_of(call);
  auto reading =
      co_await knowledge::Reading::begin(deps, short_context(call), call.who->tenant, *id);
  if (!reading) co_return not_found(call);
  auto text = co_await text_of(call, **reading);
  if (!text) co_return problem(text.error(), call.context.id);
  auto refused = co_await charge(call, policy::tokens_of_text(*text));
  if (refused) co_return refused;
  const auto& facts = (*reading)->file().facts;
  index::Submission submission{.idempotency_key = std::move(*key),
                               .doc_id = id->to_string(),
                               .name = facts.name,
                               .mime_type = mime_type_of(facts),
                               .text = std::move(*text),
                               .tags = facts.tags,
                               .attributes_json = {},
                               .at_ms = api.now_ms()};
  const index::IndexDeps index_deps{api.operations, api.events, api.ids};
  index::Owner owner{call.who->user, call.who->tenant};
  auto operation = co_await index::submit(index_deps, short_context(call), std::move(owner),
                                          std::move(submission));
  if (!operation) co_return problem(operation.error(), call.context.id);
  boost::json::object nothing_more;
  co_return co_await answer_when_ended(call, std::move(*operation), *wait, std::move(nothing_more));
}

}  // namespace memseal::http
