#include "cases/knowledge/intake.hpp"

#include "cases/knowledge/internal/facts.hpp"
#include "cases/knowledge/internal/object.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace memseal::knowledge {

namespace {

/// Sealed bytes that go to the store at once: large enough that the way to its thread costs little.
constexpr std::size_t part_bytes = 1u << 20;
/// How often a twin may change while it is looked at.
constexpr int settle_tries = 4;
/// For the row of an object that is stored.
constexpr std::chrono::seconds settle_time{10};

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

Error too_many(const Limits& limits) {
  return {Errc::rate_limited, "you have " + std::to_string(limits.uploads_max) +
                                  " uploads under way, which is the most at one time: wait for "
                                  "one to end"};
}

Error ended() { return {Errc::internal, "the upload has failed or ended before"}; }

/// What is wrong with a sample of a stored file; empty: nothing.
asio::awaitable<std::string> sample_damage(const KnowledgeDeps& deps,
                                           runtime::RequestContext context, crypto::Tenant owner,
                                           ports::FileRow row) {
  const auto object = co_await OpenObject::open(deps, context, owner, row);
  if (!object) co_return object.error().message;
  const auto before_last = (*object)->frames() - 1;
  if (before_last == 0) co_return std::string();
  const auto chosen = crypto::random_uuid().bytes[0] * before_last / 256;
  const auto frame = co_await (*object)->frame(std::move(context), chosen);
  co_return frame ? std::string() : frame.error().message;
}

/// Whether an upload of `bytes` may be a file that the user has already, which takes no room.
bool may_be_twin(const ports::FileRoom& room, std::int64_t bytes) {
  return room.namesake_bytes && bytes <= *room.namesake_bytes;
}

}  // namespace

Intake::Intake(const KnowledgeDeps& deps, crypto::Tenant owner, UploadRequest request,
               Transfers::Ticket ticket, ports::FileRoom room, ports::TenantKeyPtr key, Uuid object,
               crypto::StreamSealer sealer, std::unique_ptr<ports::FileUpload> upload)
    : deps_(deps),
      owner_(owner),
      facts_(std::move(request.facts)),
      ticket_(std::move(ticket)),
      room_(std::move(room)),
      key_(std::move(key)),
      id_(request.key.empty() ? crypto::random_uuid()
                              : deps.hasher.id_of_request(owner, request.key)),
      object_(object),
      sealer_(std::move(sealer)),
      hash_(deps.hasher.content(owner)),
      upload_(std::move(upload)) {
  if (!facts_.sha256.empty()) sha256_.emplace();
  deps_.metrics.uploads_active.Increment();
}

Intake::~Intake() { deps_.metrics.uploads_active.Decrement(); }

asio::awaitable<Result<std::unique_ptr<Intake>>> Intake::begin(const KnowledgeDeps& deps,
                                                               runtime::RequestContext context,
                                                               crypto::Tenant owner,
                                                               UploadRequest request) {
  const auto& limits = deps.limits;
  const auto refuse = [&deps](Error error) {
    deps.metrics.taken_refused.Increment();
    return error;
  };
  if (request.length && *request.length > static_cast<std::uint64_t>(limits.file_bytes_max))
    co_return refuse(too_large(limits));
  auto ticket = deps.uploads.admit(owner, limits.uploads_max);
  if (!ticket) co_return refuse(too_many(limits));
  const auto name_mac = deps.hasher.name(owner, request.facts.name);
  auto room = co_await deps.catalog.room(context, owner, name_mac);
  const auto bytes = static_cast<std::int64_t>(request.length.value_or(0));
  const bool fits =
      room.use.files < limits.quota.files && bytes <= limits.quota.bytes - room.use.bytes;
  if (!fits && !may_be_twin(room, bytes)) co_return refuse(over_quota(limits, room.use));
  auto key = co_await deps.keys.sealing_key(context, owner);
  // Random, so that no later upload writes the object that a removal is about to take away.
  const auto object = crypto::random_uuid();
  auto sealer = crypto::StreamSealer::start(owner, *key, object);
  if (!sealer) co_return sealer.error();
  auto upload = co_await deps.store.begin(std::move(context), owner);
  co_return std::unique_ptr<Intake>(new Intake(deps, owner, std::move(request), std::move(*ticket),
                                               std::move(room), std::move(key), object,
                                               std::move(*sealer), std::move(upload)));
}

// add() decides at the end. Until then a client must not fill the disk, so all uploads of the
// tenant that go on are held against the quota together.
asio::awaitable<Result<void>> Intake::take(runtime::RequestContext context, ByteView piece) {
  if (!std::exchange(open_, false)) co_return ended();
  const auto& limits = deps_.limits;
  const auto size = static_cast<std::int64_t>(piece.size());
  const auto own = static_cast<std::int64_t>(sealer_.plain_bytes()) + size;
  const auto under_way = ticket_.charge(size);
  const bool is_over = under_way > limits.quota.bytes - room_.use.bytes && !may_be_twin(room_, own);
  if (own > limits.file_bytes_max || is_over) {
    deps_.metrics.taken_refused.Increment();
    co_return own > limits.file_bytes_max ? too_large(limits) : over_quota(limits, room_.use);
  }
  deps_.metrics.bytes_taken.Increment(static_cast<double>(size));
  hash_.update(piece);
  if (sha256_) sha256_->update(piece);
  if (auto sealed = sealer_.write(piece, part_); !sealed) co_return sealed;
  if (part_.size() >= part_bytes) {
    const auto room = part_.size() + part_bytes / 8;
    co_await upload_->append(std::move(context), std::exchange(part_, crypto::SealedPart()));
    part_.reserve(room);  // only now, because most files are smaller than one part
  }
  open_ = true;
  co_return Result<void>();
}

/// Makes the object whole and gives it its name. Returns the row that names it.
asio::awaitable<Result<ports::FileRow>> Intake::store(runtime::RequestContext context) {
  if (sha256_ && to_hex(sha256_->finish().data(), sizeof(crypto::Digest)) != facts_.sha256) {
    deps_.metrics.taken_refused.Increment();
    co_return Error{Errc::invalid_field, "is not the digest of the content that arrived",
                    "Content-Digest"};
  }
  if (auto sealed = sealer_.finish(part_); !sealed) co_return sealed.error();
  auto facts = seal_facts(owner_, *key_, id_, facts_);
  if (!facts) co_return facts.error();
  co_await upload_->append(context, std::exchange(part_, crypto::SealedPart()));
  ports::FileRow row;
  row.id = id_;
  row.object = object_;
  row.name_mac = deps_.hasher.name(owner_, facts_.name);
  for (const auto& tag : facts_.tags) row.tag_macs.push_back(deps_.hasher.tag(owner_, tag));
  row.facts_cipher = std::move(*facts);
  row.bytes = static_cast<std::int64_t>(sealer_.plain_bytes());
  row.content = hash_.finish();
  const ports::FileKey object{row.content, object_};
  co_await upload_->commit(std::move(context), object);
  co_return row;
}

/// Opens the ends of the object and one frame between them, as a later reader will. Throws
/// Outage{unavailable} where that fails, and the object is gone then: a client whose upload was
/// answered deletes its own copy.
asio::awaitable<void> Intake::require_readable(runtime::RequestContext context,
                                               ports::FileRow row) {
  const ports::FileKey key{row.content, row.object};
  std::string damage;
  std::exception_ptr failure;
  try {
    damage = co_await sample_damage(deps_, context, owner_, row);
  } catch (const Failure&) {
    failure = std::current_exception();
  }
  if (!failure && damage.empty()) co_return;
  co_await drop_object(deps_, context, owner_, key);
  if (failure) std::rethrow_exception(failure);
  // Throws for a tenant who was erased meanwhile, whose key is gone for that reason.
  co_await deps_.keys.sealing_key(context, owner_);
  deps_.metrics.damaged.Increment();
  runtime::log(runtime::LogLevel::error, "knowledge.upload_unreadable",
               {{"request_id", context.id}, {"file", row.id.to_string()}, {"cause", damage}});
  throw_failure({Errc::unavailable, "the stored file could not be read back: send it again"});
}

/// Adds the row. After an Outage it may be there or not: the object stays, and the sweep looks
/// later.
asio::awaitable<ports::AddedFile> Intake::add(runtime::RequestContext context, ports::FileRow row) {
  const ports::FileKey object{row.content, row.object};
  std::exception_ptr refused;
  try {
    co_return co_await deps_.catalog.add(context, owner_, std::move(row), deps_.limits.quota);
  } catch (const Refused&) {
    refused = std::current_exception();
  }
  co_await drop_object(deps_, std::move(context), owner_, object);
  std::rethrow_exception(refused);
}

/// True: the twin has the new object now. False: it changed meanwhile.
/// A client that hears of the twin deletes its own copy. The new object was written and synced a
/// moment ago; the twin's own may have a damaged frame anywhere. So the new one always stays.
asio::awaitable<bool> Intake::replace_twin(runtime::RequestContext context, ports::FileRow twin,
                                           ports::FileKey object) {
  std::string damage;  // what a look at the twin's object finds
  try {
    const auto opened = co_await OpenObject::open(deps_, context, owner_, twin);
    if (!opened) damage = opened.error().message;
  } catch (const Failure& failed) {
    damage = failed.error().message;
  }
  const bool replaced =
      co_await deps_.catalog.replace_object(context, owner_, twin.id, twin.object, object.file);
  if (!replaced) co_return false;
  if (damage.empty()) {
    deps_.metrics.taken_twin.Increment();
  } else {
    runtime::log(runtime::LogLevel::error, "knowledge.file_repaired",
                 {{"request_id", context.id}, {"file", twin.id.to_string()}, {"cause", damage}});
    deps_.metrics.taken_repaired.Increment();
  }
  const ports::FileKey before{twin.content, twin.object};
  co_await drop_object(deps_, std::move(context), owner_, before);
  co_return true;
}

asio::awaitable<Result<TakenFile>> Intake::settle(runtime::RequestContext context,
                                                  ports::FileRow row) {
  const ports::FileKey object{row.content, row.object};
  for (int tried = 0; tried < settle_tries; ++tried) {
    auto added = co_await add(context, row);
    if (added.outcome == ports::FileAdded::added) {
      deps_.metrics.taken_new.Increment();
      auto file = co_await file_of(deps_, std::move(context), owner_, added.row);
      co_return TakenFile{std::move(file), true};
    }
    if (added.outcome == ports::FileAdded::twin) {
      const bool settled = co_await replace_twin(context, added.row, object);
      if (!settled) continue;
      auto file = co_await file_of(deps_, std::move(context), owner_, added.row);
      co_return TakenFile{std::move(file), false};
    }
    co_await drop_object(deps_, context, owner_, object);
    deps_.metrics.taken_refused.Increment();
    if (added.outcome == ports::FileAdded::over_quota)
      co_return over_quota(deps_.limits, added.use);
    co_return Error{Errc::invalid_field, "was sent before with another file: use a new key",
                    "Idempotency-Key"};
  }
  co_await drop_object(deps_, std::move(context), owner_, object);
  throw_failure({Errc::unavailable, "other requests change the same file: try again"});
}

// The object first, because a row without its object would be a file that was lost. An object
// without a row is one for the sweep.
asio::awaitable<Result<TakenFile>> Intake::finish(runtime::RequestContext context) {
  if (!std::exchange(open_, false)) co_return ended();
  auto row = co_await store(context);
  if (!row) co_return row.error();
  // However long the disk took: without its row the object would be the sweep's.
  context.deadline = runtime::Deadline::after(settle_time);
  co_await require_readable(context, *row);
  co_return co_await settle(std::move(context), std::move(*row));
}

}  // namespace memseal::knowledge
