#include "cases/knowledge/intake.hpp"

#include "cases/knowledge/internal/name.hpp"
#include "pure/crypto/random.hpp"

#include <algorithm>
#include <utility>

namespace memseal::knowledge {

namespace {

/// Sealed bytes that go to the store at once: large enough that the way to its thread costs little.
constexpr std::size_t part_bytes = 1u << 20;

Error too_large(const Limits& limits) {
  return {Errc::payload_too_large,
          "a file has at most " + std::to_string(limits.file_bytes_max) + " bytes"};
}

Error over_quota(const Limits& limits, const ports::FileUse& use) {
  const auto left = [](std::int64_t quota, std::int64_t used) {
    return std::to_string(std::max<std::int64_t>(quota - used, 0));
  };
  return {Errc::payload_too_large,
          "the file does not fit your quota: " + left(limits.quota.bytes, use.bytes) +
              " bytes and " + left(limits.quota.files, use.files) +
              " files are left; delete files to make room"};
}

bool fits(const Limits& limits, const ports::FileUse& use, std::int64_t bytes) {
  return use.files < limits.quota.files && bytes <= limits.quota.bytes - use.bytes;
}

}  // namespace

Intake::Intake(const KnowledgeDeps& deps, crypto::Tenant owner, FileFacts facts, Uuid id,
               ports::TenantKeyPtr key, crypto::StreamSealer sealer,
               std::unique_ptr<ports::FileUpload> upload, std::int64_t bytes_max)
    : deps_(deps),
      owner_(owner),
      facts_(std::move(facts)),
      id_(id),
      key_(std::move(key)),
      sealer_(std::move(sealer)),
      hash_(*key_),
      upload_(std::move(upload)),
      bytes_max_(bytes_max) {}

asio::awaitable<Result<std::unique_ptr<Intake>>> Intake::begin(
    const KnowledgeDeps& deps, runtime::RequestContext context, crypto::Tenant owner,
    FileFacts facts, std::optional<std::uint64_t> length) {
  const auto& limits = deps.limits;
  if (length && *length > static_cast<std::uint64_t>(limits.file_bytes_max))
    co_return too_large(limits);
  const auto use = co_await deps.catalog.use(context, owner);
  if (!fits(limits, use, static_cast<std::int64_t>(length.value_or(0))))
    co_return over_quota(limits, use);
  auto key = co_await deps.keys.sealing_key(context, owner);
  // Random, so that no later upload writes the object that a removal is about to take away.
  const auto id = crypto::random_uuid();
  auto sealer = crypto::StreamSealer::start(owner, *key, id);
  if (!sealer) co_return sealer.error();
  auto upload = co_await deps.store.begin(context, owner);
  // What the user has left bounds the upload too: add() decides at its end, but a client must not
  // fill the disk until then.
  const auto bytes_max = std::min(limits.file_bytes_max, limits.quota.bytes - use.bytes);
  co_return std::unique_ptr<Intake>(new Intake(deps, owner, std::move(facts), id, std::move(key),
                                               std::move(*sealer), std::move(upload), bytes_max));
}

asio::awaitable<Result<void>> Intake::take(runtime::RequestContext context, ByteView piece) {
  if (sealer_.plain_bytes() + piece.size() > static_cast<std::uint64_t>(bytes_max_)) {
    if (bytes_max_ == deps_.limits.file_bytes_max) co_return too_large(deps_.limits);
    const auto use = co_await deps_.catalog.use(context, owner_);
    co_return over_quota(deps_.limits, use);
  }
  hash_.update(piece);
  if (auto sealed = sealer_.write(piece, part_); !sealed) co_return sealed;
  if (part_.size() < part_bytes) co_return Result<void>();
  co_await upload_->append(context, std::exchange(part_, crypto::SealedPart()));
  co_return Result<void>();
}

// The object first, because a row without its object would be a file that was lost. An object
// without a row is one for the sweep.
asio::awaitable<Result<TakenFile>> Intake::finish(runtime::RequestContext context) {
  if (auto sealed = sealer_.finish(part_); !sealed) co_return sealed.error();
  auto name = seal_name(owner_, *key_, id_, facts_.name);
  if (!name) co_return name.error();
  co_await upload_->append(context, std::exchange(part_, crypto::SealedPart()));
  const ports::FileKey object{hash_.finish(), id_};
  co_await upload_->commit(context, object);

  ports::FileRow row;
  row.id = id_;
  row.name_mac = deps_.ids.event_id(owner_, "memseal/file-name", facts_.name);
  row.name_cipher = std::move(*name);
  row.media_type = facts_.media_type;
  row.tags = facts_.tags;
  row.bytes = static_cast<std::int64_t>(sealer_.plain_bytes());
  row.content = object.content;
  // Where this throws, the row may be there or not: the object stays, and the sweep looks later.
  auto added = co_await deps_.catalog.add(context, owner_, std::move(row), deps_.limits.quota);
  if (added.outcome != ports::FileAdded::added)
    co_await deps_.store.remove(context, owner_, object);
  if (added.outcome == ports::FileAdded::over_quota) co_return over_quota(deps_.limits, added.use);
  auto file = co_await file_of(deps_, context, owner_, std::move(added.row));
  co_return TakenFile{std::move(file), added.outcome == ports::FileAdded::added};
}

}  // namespace memseal::knowledge
