// A stored text becomes a document of the same id: by itself, and as a part of its upload.
#include "http/routes/admission.hpp"
#include "http/routes/files.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/operation_answer.hpp"
#include "http/routes/traces.hpp"

#include "base/limits.hpp"
#include "cases/index/submit.hpp"
#include "cases/index/submit_deletion.hpp"
#include "cases/knowledge/file_text.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/wire/file_request.hpp"
#include "pure/wire/problem.hpp"

#include <boost/json/object.hpp>

#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

/// What of a file is read before the answer. The event of a longer one refers to the file, and
/// ingest reads it, because it may take longer than a request.
constexpr std::uint64_t read_at_once_bytes_max = 128u << 10;

/// What a document of so many bytes costs before its text is read: as English prose of that length,
/// and a quarter of it where most of the file is something else.
constexpr std::int64_t bytes_a_token = 5, document_bytes_a_token = 20;

struct Indexed {
  index::Submission document;
  std::int64_t tokens = 0;  ///< that its text costs
};

index::Submission submission_of(const Call& call, const knowledge::File& file) {
  return {.idempotency_key = {},
          .doc_id = file.id.to_string(),
          .name = file.facts.name,
          .mime_type = {},
          .text = {},
          .tags = file.facts.tags,
          .attributes_json = {},
          .at_ms = call.deps.api->now_ms()};
}

asio::awaitable<Result<Indexed>> refer_to(Call& call, knowledge::Reading& reading) {
  const auto& deps = knowledge_of(call);
  auto kind = co_await knowledge::kind_of(deps, step_context(call), reading,
                                          limits::referenced_text_bytes_max);
  if (!kind) co_return kind.error();
  const auto& file = reading.file();
  Indexed indexed{.document = submission_of(call, file)};
  indexed.document.file = file.id;
  indexed.document.mime_type = std::move(kind->media_type);
  indexed.tokens = file.bytes / (kind->is_plain ? bytes_a_token : document_bytes_a_token);
  co_return indexed;
}

/// The document that a stored file becomes. Errors: not_found, and those of file_text(); of a long
/// file only what shows at once.
asio::awaitable<Result<Indexed>> document_of(Call& call, Uuid id) {
  const auto& deps = knowledge_of(call);
  auto reading = co_await knowledge::Reading::begin(deps, step_context(call), call.who->tenant, id);
  if (!reading) co_return Error{Errc::not_found, "there is no such file"};
  const auto& file = (*reading)->file();
  if (static_cast<std::uint64_t>(file.bytes) > read_at_once_bytes_max)
    co_return co_await refer_to(call, **reading);
  auto text = co_await knowledge::file_text(deps, step_context(call), **reading,
                                            limits::referenced_text_bytes_max);
  if (!text) co_return text.error();
  Indexed indexed{.document = submission_of(call, file)};
  indexed.tokens = policy::tokens_of_text(text->text);
  indexed.document.mime_type = std::move(text->media_type);
  // A small file may unpack into a text that no event holds. JSON may take six bytes for one. Nor
  // does an event hold where pages begin.
  if (text->text.size() > read_at_once_bytes_max || !text->pages.empty())
    indexed.document.file = id;
  else
    indexed.document.text = std::move(text->text);
  co_return indexed;
}

asio::awaitable<Result<ports::Operation>> publish(Call& call, index::Submission document) {
  const auto deps = index_deps(call);
  index::Owner owner{call.who->user, call.who->tenant};
  co_return co_await index::submit(deps, step_context(call), std::move(owner), std::move(document));
}

/// Charges for the text as POST /api/v1/knowledge/index does, on top of the upload.
asio::awaitable<Result<ports::Operation>> index_file(Call& call, Uuid id) {
  auto indexed = co_await document_of(call, id);
  if (!indexed) co_return indexed.error();
  const bool admitted = co_await charge_more(call, indexed->tokens);
  if (!admitted) co_return Error{Errc::rate_limited, "the write limit of this user is used up"};
  co_return co_await publish(call, std::move(indexed->document));
}

const char* suggestion_for(Errc code) {
  switch (code) {
    case Errc::unsupported_media_type:
      return "upload the file as PDF, DOCX, HTML or text";
    case Errc::file_encrypted:
      return "remove the password, and upload the file again";
    case Errc::file_damaged:
      return "open the file in its own program, save it again, and upload that";
    case Errc::file_without_text:
      return "recognise the text of scans (OCR) first, and upload the result";
    case Errc::payload_too_large:
      return "split the file into parts that fit, and upload those";
    case Errc::rate_limited:
      return "ask POST /api/v1/knowledge/index for the file once the limit has room";
    default:
      return "ask POST /api/v1/knowledge/index for the file again";
  }
}

Error with_suggestion(Error error) {
  if (errc_row(error.code).severity == Severity::info)
    error.message += std::string(": ") + suggestion_for(error.code);
  return error;
}

/// As in a problem, what this process says of its own faults stays in its log.
json::object fault_members(const Error& error) {
  const auto& row = errc_row(error.code);
  const bool is_for_clients =
      error.code == Errc::unavailable && error.field == wire::kafka_is_away;
  const bool is_own = row.severity == Severity::error && !is_for_clients;
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
  const auto deps = index_deps(call);
  index::Owner owner{call.who->user, call.who->tenant};
  const auto operation = co_await index::submit_deletion(
      deps, api.browse.stored, step_context(call), std::move(owner), std::move(submission));
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
  auto indexed = co_await document_of(call, *id);
  if (!indexed && indexed.error().code == Errc::not_found) co_return not_found(call);
  // To read a document is work, also in vain.
  auto refused = co_await charge(call, indexed ? indexed->tokens : 0);
  if (refused) co_return refused;
  if (!indexed) co_return problem(with_suggestion(indexed.error()), call.context.id);
  indexed->document.idempotency_key = std::move(*key);
  auto operation = co_await publish(call, std::move(indexed->document));
  if (!operation) co_return problem(operation.error(), call.context.id);
  json::object nothing_more;
  co_return co_await answer_when_ended(call, std::move(*operation), *wait, std::move(nothing_more));
}

}  // namespace memseal::http
