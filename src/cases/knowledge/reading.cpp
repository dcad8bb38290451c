#include "cases/knowledge/reading.hpp"

#include "cases/knowledge/internal/facts.hpp"
#include "cases/knowledge/internal/object.hpp"
#include "runtime/log.hpp"

#include <algorithm>
#include <utility>

namespace memseal::knowledge {

namespace {

[[noreturn]] void damaged(const KnowledgeDeps& deps, const runtime::RequestContext& context,
                          const Uuid& file, const std::string& cause) {
  deps.metrics.damaged.Increment();
  runtime::log(runtime::LogLevel::error, "knowledge.file_damaged",
               {{"request_id", context.id}, {"file", file.to_string()}, {"cause", cause}});
  throw_failure({Errc::open_failed, "the stored file does not open"});
}

}  // namespace

Result<Transfers::Ticket> admit_download(const KnowledgeDeps& deps, const crypto::Tenant& owner) {
  auto ticket = deps.downloads.admit(owner, deps.limits.downloads_max);
  if (ticket) return std::move(*ticket);
  return Error{Errc::rate_limited, "you have " + std::to_string(deps.limits.downloads_max) +
                                       " downloads under way, which is the most at one time: wait "
                                       "for one to end"};
}

Reading::Reading(const KnowledgeDeps& deps, crypto::Tenant owner, File file, Uuid object_id,
                 std::unique_ptr<OpenObject> object)
    : deps_(deps),
      owner_(owner),
      file_(std::move(file)),
      object_id_(object_id),
      object_(std::move(object)) {}

Reading::~Reading() = default;

asio::awaitable<std::optional<std::unique_ptr<Reading>>> Reading::begin(
    const KnowledgeDeps& deps, runtime::RequestContext context, crypto::Tenant owner, Uuid id) {
  auto row = co_await find_row(deps.catalog, context, owner, id);
  if (!row) co_return std::nullopt;
  auto object = co_await OpenObject::open(deps, context, owner, *row);
  if (!object) {
    // Between the two looks the file may have been removed, or an upload may have repaired it.
    auto now = co_await deps.catalog.find_now(context, owner, id);
    if (!now) co_return std::nullopt;
    if (now->object == row->object) damaged(deps, context, id, object.error().message);
    row = std::move(now);
    object = co_await OpenObject::open(deps, context, owner, *row);
    if (!object) damaged(deps, context, id, object.error().message);
  }
  auto file = co_await file_of(deps, std::move(context), owner, *row);
  co_return std::unique_ptr<Reading>(
      new Reading(deps, owner, std::move(file), row->object, std::move(*object)));
}

asio::awaitable<ByteView> Reading::read(runtime::RequestContext context, std::uint64_t offset,
                                        std::size_t bytes_max) {
  const auto number = offset / object_->frame_bytes();
  const auto skipped = static_cast<std::size_t>(offset % object_->frame_bytes());
  const auto frame = co_await object_->frame(context, number);
  if (!frame) {
    const auto now = co_await deps_.catalog.find_now(context, owner_, file_.id);
    if (now && now->object == object_id_) damaged(deps_, context, file_.id, frame.error().message);
    throw_failure({Errc::not_found, "the file was removed"});
  }
  const auto size = std::min(frame->size() - skipped, bytes_max);
  deps_.metrics.bytes_sent.Increment(static_cast<double>(size));
  co_return frame->subspan(skipped, size);
}

}  // namespace memseal::knowledge
