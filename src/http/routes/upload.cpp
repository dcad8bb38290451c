#include "http/routes/upload.hpp"

#include "http/routes/admission.hpp"
#include "http/routes/files.hpp"
#include "http/routes/operation_answer.hpp"
#include "pure/wire/file_request.hpp"
#include "pure/wire/multipart.hpp"

#include <chrono>
#include <utility>

namespace memseal::http {

namespace {

using Taken = Result<knowledge::TakenFile>;
using Step = wire::MultipartReader::Step;

constexpr std::string_view form_type = "multipart/form-data", any_type = "application/octet-stream";
constexpr std::size_t form_text_bytes_max = 4'096;
/// An upload may be slow for so long, e.g. while a connection begins.
constexpr std::chrono::seconds slow_start{30};

/// The body of one upload, which has to come fast enough: a byte now and then must not hold a
/// place, a file and a lock for an hour.
class PacedBody {
 public:
  PacedBody(Call& call, std::int64_t bytes_per_s_min)
      : body_(*call.body_stream), bytes_per_s_min_(bytes_per_s_min) {}

  /// Empty at the end. Throws BodyRefused, also for a body that is too slow, and ConnectionLost.
  asio::awaitable<std::string> next() {
    auto part = co_await body_.next();
    const auto took = runtime::Clock::now() - begun_;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(took).count();
    if (took > slow_start && static_cast<std::int64_t>(body_.bytes()) < seconds * bytes_per_s_min_)
      throw BodyRefused({408, "the body came slower than this server allows"});
    co_return part;
  }

 private:
  BodyStream& body_;
  const std::int64_t bytes_per_s_min_;
  const runtime::Clock::time_point begun_ = runtime::Clock::now();
};

/// Where no name is said, an empty one.
Result<knowledge::FileFacts> facts_of_head(const RequestHead& head) {
  knowledge::FileFacts facts;
  if (head.count("x-memseal-name") > 0) {
    auto name = wire::parse_file_name_field(head.field("x-memseal-name").value_or(""));
    if (!name) return name.error();
    facts.name = std::move(*name);
  }
  auto tags = wire::parse_file_tags_field(head.list("x-memseal-tags").value_or(""));
  if (!tags) return tags.error();
  facts.tags = std::move(*tags);
  return facts;
}

asio::awaitable<Taken> receive_raw(Call& call, const knowledge::KnowledgeDeps& deps,
                                   knowledge::UploadRequest request) {
  auto intake = co_await knowledge::Intake::begin(deps, step_context(call), call.who->tenant,
                                                  std::move(request));
  if (!intake) co_return intake.error();
  PacedBody body(call, deps.limits.upload_bytes_per_s_min);
  for (auto part = co_await body.next(); !part.empty(); part = co_await body.next()) {
    auto taken = co_await (*intake)->take(step_context(call), bytes_of(part));
    if (!taken) co_return taken.error();
  }
  co_return co_await (*intake)->finish(step_context(call));
}

/// Of what follows a form.
constexpr std::size_t form_epilogue_bytes_max = 64 * 1'024;

/// A form on its way in: the fields `name` and `tags`, and one file in the field `file`.
class FormUpload {
 public:
  FormUpload(Call& call, const knowledge::KnowledgeDeps& deps, wire::MultipartReader reader,
             knowledge::UploadRequest request)
      : call_(call),
        deps_(deps),
        body_(call, deps.limits.upload_bytes_per_s_min),
        reader_(std::move(reader)),
        request_(std::move(request)),
        facts_(request_.facts) {}

  asio::awaitable<Taken> receive() {
    for (;;) {
      const auto step = reader_.next();
      if (!step) co_return step.error();
      if (*step == Step::end) break;
      auto taken = co_await take(*step);
      if (!taken) co_return taken.error();
    }
    if (auto field = end_field(); !field) co_return field.error();
    // What follows the form belongs to the body. No client sends much of it.
    std::size_t behind = 0;
    for (auto rest = co_await body_.next(); !rest.empty(); rest = co_await body_.next())
      if ((behind += rest.size()) > form_epilogue_bytes_max)
        co_return Error{Errc::bad_request, "more than 64 KiB follow the form"};
    if (!intake_) co_return Error{Errc::bad_request, "the form has no field `file`", "file"};
    auto name = wire::checked_file_name(std::move(facts_.name));
    if (!name) co_return name.error();
    facts_.name = std::move(*name);
    intake_->facts() = std::move(facts_);
    co_return co_await intake_->finish(step_context(call_));
  }

 private:
  asio::awaitable<Result<void>> take(Step step) {
    if (step == Step::more) {
      const auto piece = co_await body_.next();
      if (piece.empty()) co_return Error{Errc::bad_request, "the form was cut"};
      reader_.feed(piece);
      co_return Result<void>();
    }
    if (step == Step::part) {
      if (auto field = end_field(); !field) co_return field;
      co_return co_await begin_field();
    }
    if (in_file_) {
      auto taken = co_await intake_->take(step_context(call_), bytes_of(reader_.content()));
      co_return taken;
    }
    text_ += reader_.content();
    if (text_.size() > form_text_bytes_max)
      co_return Error{Errc::payload_too_large, "a text of a form has at most 4096 bytes", field_};
    co_return Result<void>();
  }

  asio::awaitable<Result<void>> begin_field() {
    const auto& part = reader_.part();
    field_ = part.name;
    in_file_ = field_ == "file";
    if (in_file_) co_return co_await begin_file(part);
    if (field_ == "name" || field_ == "tags") co_return Result<void>();
    field_.clear();
    co_return Error{Errc::bad_request, "a form of this route has the fields file, name and tags"};
  }

  asio::awaitable<Result<void>> begin_file(const wire::FormPart& part) {
    if (intake_) co_return Error{Errc::bad_request, "a form has one file", "file"};
    facts_.media_type = wire::plain_media_type(part.media_type);
    if (facts_.media_type.empty()) facts_.media_type = any_type;
    if (facts_.name.empty() && part.filename) facts_.name = wire::last_of_path(*part.filename);
    request_.facts = facts_;
    auto begun = co_await knowledge::Intake::begin(deps_, step_context(call_), call_.who->tenant,
                                                   std::move(request_));
    if (!begun) co_return begun.error();
    intake_ = std::move(*begun);
    co_return Result<void>();
  }

  /// A text counts once it is whole.
  Result<void> end_field() {
    const auto field = std::exchange(field_, {});
    const auto text = std::exchange(text_, {});
    if (field == "tags") return wire::add_file_tags(text, facts_.tags);
    if (field == "name") facts_.name = text;
    return {};
  }

  Call& call_;
  const knowledge::KnowledgeDeps& deps_;
  PacedBody body_;
  wire::MultipartReader reader_;
  knowledge::UploadRequest request_;
  knowledge::FileFacts facts_;
  std::unique_ptr<knowledge::Intake> intake_;  // null: no file has begun
  std::string field_, text_;                   // the field that is being read
  bool in_file_ = false;
};

Result<void> check_head_of_upload(const RequestHead& head) {
  const auto encoding = head.list("content-encoding");
  if (encoding && !equal_ignoring_case(*encoding, "identity"))
    return Error{Errc::unsupported_media_type, "send the file without a content encoding"};
  if (head.count("content-type") > 1)
    return Error{Errc::unsupported_media_type, "the request has two media types"};
  return {};
}

}  // namespace

asio::awaitable<Taken> receive_file(Call& call, const knowledge::KnowledgeDeps& deps,
                                    std::optional<Response>& refused) {
  const auto& head = call.head;
  if (auto checked = check_head_of_upload(head); !checked) co_return checked.error();
  auto key = idempotency_key_of(head);
  if (!key) co_return key.error();
  auto facts = facts_of_head(head);
  if (!facts) co_return facts.error();
  auto sha256 = wire::sha256_of_digest(head.list("content-digest").value_or(""));
  if (!sha256) co_return sha256.error();
  const auto type = head.field("content-type").value_or(any_type);
  facts->media_type = wire::plain_media_type(type);
  if (facts->media_type.empty())
    co_return Error{Errc::unsupported_media_type, "Content-Type is no media type"};
  knowledge::UploadRequest request{std::move(*facts), {}, std::move(*key)};
  const bool is_form = request.facts.media_type == form_type;
  std::optional<wire::MultipartReader> reader;
  if (is_form) {
    auto made = wire::MultipartReader::of(type);
    if (!made) co_return made.error();
    reader.emplace(std::move(*made));
  } else if (request.facts.name.empty()) {
    co_return Error{Errc::invalid_field,
                    "X-Memseal-Name gives the name of the file, percent-encoded", "X-Memseal-Name"};
  }
  refused = co_await charge(call, 0);
  if (refused) co_return Error{Errc::rate_limited, "the limit of this user is used up"};
  if (!is_form) {
    request.facts.sha256 = std::move(*sha256);
    request.length = head.content_length;
    co_return co_await receive_raw(call, deps, std::move(request));
  }
  FormUpload form(call, deps, std::move(*reader), std::move(request));
  co_return co_await form.receive();
}

}  // namespace memseal::http
