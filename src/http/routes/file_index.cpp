// A stored text becomes a document of the same id: by itself, and as a part of its upload.
#include "http/routes/admission.hpp"
#include "http/routes/files.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/operation_answer.hpp"

#include "base/limits.hpp"
#include "cases/index/submit.hpp"
#include "cases/index/submit_deletion.hpp"
#include "cases/knowledge/reading.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/wire/file_request.hpp"

#include <boost/json/object.hpp>

#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

/// The whole file as a text. The content decides what it is, and not the name.
/// Errors: payload_too_large, unsupported_media_type.
asio::awaitable<Result<std::string>> text_of(const Call& call, knowledge::Reading& reading) {
  const auto bytes = static_cast<std::uint64_t>(reading.file().bytes);
  if (bytes > limits::event_bytes_max)
    co_return Error{Errc::payload_too_large, "a text to index has less than " +
                                                 std::to_string(limits::event_bytes_max) +
                                                 " bytes, this file has " + std::to_string(bytes)};
  std::string text;
  while (text.size() < bytes) {
    const auto piece = co_await reading.read(step_context(call), text.size(), bytes);
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  if (!codec::is_utf8(text) || codec::is_blank(text) || text.find('\0') != text.npos)
    co_return Error{Errc::unsupported_media_type,
                    "the file is no text in UTF-8: nothing else is indexed yet"};
  co_return text;
}

std::string mime_type_of(const knowledge::FileFacts& facts) {
  if (facts.media_type == wire::markdown_type) return facts.media_type;
  return std::string(wire::text_type_of(facts.name));
}

/// The document that a stored file becomes. Errors: not_found, and those of text_of().
asio::awaitable<Result<index::Submission>> document_of(Call& call, Uuid id) {
  const auto& deps = knowledge_of(call);
  auto reading = co_await knowledge::Reading::begin(deps, step_context(call), call.who->tenant, id);
  if (!reading) co_return Error{Errc::not_found, "there is no such file"};
  auto text = co_await text_of(call, **reading);
  if (!text) co_return text.error();
  const auto& facts = (*reading)->file().facts;
  index::Submission document{.idempotency_key = {},
                             .doc_id = id.to_string(),
                             .name = facts.name,
                             .mime_type = mime_type_of(facts),
                             .text = std::move(*text),
                             .tags = facts.tags,
                             .attributes_json = {},
                             .at_ms = call.deps.api->now_ms()};
  co_return document;
}

asio::awaitable<Result<ports::Operation>> publish(Call& call, index::Submission document) {
  const auto& api = *call.deps.api;
  const index::IndexDeps deps{api.operations, api.events, api.ids};
  index::Owner owner{call.who->user, call.who->tenant};
  co_return co_await index::submit(deps, step_context(call), std::move(owner), std::move(document));
}

/// Charges for the text as POST /api/v1/knowledge/index does, on top of the upload.
asio::awaitable<Result<ports::Operation>> index_file(Call& call, Uuid id) {
  auto document = co_await document_of(call, id);
  if (!document) co_return document.error();
  const bool admitted = co_await charge_more(call, policy::tokens_of_text(document->text));
  if (!admitted) co_return Error{Errc::rate_limited, "the write limit of this user is used up"};
  co_return co_await publish(call, std::move(*document));
}

const char* suggestion_for(Errc code) {
  switch (code) {
    case Errc::unsupported_media_type:
      return "convert the file to text in UTF-8, for example by `pdftotext`, and upload the text";
    case Errc::payload_too_large:
      return "split the text into files that fit, and upload those";
    case Errc::rate_limited:
      return "ask POST /api/v1/knowledge/index for the file once the limit has room";
    default:
      return "ask POST /api/v1/knowledge/index for the file again";
  }
}

/// As in a problem, what this process says of its own faults stays in its log.
json::object fault_members(const Error& error) {
  const auto& row = errc_row(error.code);
  const bool is_own = row.severity == Severity::error;
  json::object fault{{"code", row.name},
                     {"detail", is_own ? std::string(row.title) : error.message},
                     {"retryable", row.retryable},
                     {"suggestion", suggestion_for(error.code)}};
  return {{"operation", nullptr}, {"index_error", std::move(fault)}};
}

}  // namespace

asio::awaitable<Response> index_and_answer(Call& call, knowledge::TakenFile taken,
                                           WaitPreference wait) {
  // Whatever interrupts the rest: the file is stored.
  call.accepted = stored_response(
      taken, fault_members({Errc::timeout, "the file was not indexed before the request ended"}));
  Result<ports::Operation> operation = Error{};
  try {
    operation = co_await index_file(call, taken.file.id);
  } catch (const Failure& failed) {
    operation = failed.error();
  }
  if (!operation) co_return stored_response(taken, fault_members(operation.error()));
  const auto answer = [&taken](const ports::Operation& now) {
    json::object more{{"operation", operation_json(now)}, {"index_error", nullptr}};
    return stored_response(taken, std::move(more));
  };
  bool waited = false;
  if (wait.time.count() > 0) {
    call.accepted = answer(*operation);
    waited = co_await wait_as_asked(call, *operation, wait.time);
  }
  auto response = answer(*operation);
  if (wait.preferred && waited)
    response.fields.push_back({"Preference-Applied", "wait=" + std::to_string(wait.time.count())});
  co_return response;
}

asio::awaitable<void> forget_document_of(Call& call, Uuid file) {
  const auto& api = *call.deps.api;
  auto id = DocId::parse(file.to_string());
  index::DeletionSubmission submission{
      .idempotency_key = {}, .id = std::move(*id), .at_ms = api.now_ms()};
  const index::IndexDeps index_deps{api.operations, api.events, api.ids};
  index::Owner owner{call.who->user, call.who->tenant};
  const auto operation = co_await index::submit_deletion(
      index_deps, api.browse.stored, step_context(call), std::move(owner), std::move(submission));
  // A file that was never indexed has no document.
  if (!operation && operation.error().code != Errc::not_found) throw_failure(operation.error());
}

asio::awaitable<std::optional<Response>> post_file_index(Call& call) {
  const auto id = wire::parse_file_index_request(call.body);
  if (!id) co_return problem(id.error(), call.context.id);
  auto key = idempotency_key_of(call.head);
  if (!key) co_return problem(key.error(), call.context.id);
  const auto wait = wait_preference(call.head);
  if (!wait) co_return problem(wait.error(), call.context.id);
  auto document = co_await document_of(call, *id);
  if (!document && document.error().code == Errc::not_found) co_return not_found(call);
  if (!document) co_return problem(document.error(), call.context.id);
  auto refused = co_await charge(call, policy::tokens_of_text(document->text));
  if (refused) co_return refused;
  document->idempotency_key = std::move(*key);
  auto operation = co_await publish(call, std::move(*document));
  if (!operation) co_return problem(operation.error(), call.context.id);
  json::object nothing_more;
  co_return co_await answer_when_ended(call, std::move(*operation), *wait, std::move(nothing_more));
}

}  // namespace memseal::http
