#include "cases/knowledge/internal/object.hpp"

#include <algorithm>
#include <utility>

namespace memseal::knowledge {

namespace {

/// Sealed bytes that one call to the store reads.
constexpr std::size_t object_read_bytes = 1u << 20;

Error damaged_object(const char* cause) { return {Errc::open_failed, cause}; }

}  // namespace

OpenObject::OpenObject(const KnowledgeDeps& deps, crypto::Tenant owner, ports::FileKey object,
                       std::uint32_t key_id, crypto::StreamOpener opener,
                       crypto::StreamLayout layout)
    : deps_(deps),
      owner_(owner),
      object_(object),
      key_id_(key_id),
      opener_(std::move(opener)),
      layout_(layout),
      plain_(opener_.frame_bytes()) {}

OpenObject::~OpenObject() { wipe(plain_.data(), plain_.size()); }

asio::awaitable<Result<std::unique_ptr<OpenObject>>> OpenObject::open(
    const KnowledgeDeps& deps, runtime::RequestContext context, crypto::Tenant owner,
    const ports::FileRow& row) {
  const ports::FileKey name{row.content, row.object};
  const auto head = co_await deps.store.read(context, owner, name, 0, crypto::stream_header_bytes);
  if (!head) co_return damaged_object("the object is missing");
  const auto key_id = crypto::StreamOpener::key_id_of(head->bytes);
  if (!key_id) co_return damaged_object("the header is not one");
  const auto key = co_await deps.keys.opening_key(context, owner, *key_id);
  if (!key) co_return damaged_object("its key is not there");
  auto opener = crypto::StreamOpener::start(owner, *key, row.object, head->bytes);
  if (!opener) co_return damaged_object("the header does not fit");
  const auto layout = crypto::StreamLayout::of(head->total, opener->frame_bytes());
  if (!layout || layout->plain_bytes() != static_cast<std::uint64_t>(row.bytes))
    co_return damaged_object("the length is not that of the file");
  std::unique_ptr<OpenObject> object(
      new OpenObject(deps, owner, name, *key_id, std::move(*opener), *layout));
  const auto last = co_await object->frame(std::move(context), layout->frames() - 1);
  if (!last) co_return last.error();
  co_return object;
}

asio::awaitable<Result<ByteView>> OpenObject::frame(runtime::RequestContext context,
                                                    std::uint64_t number) {
  const auto at = layout_.frame(number);
  if (at.offset < sealed_from_ || at.offset + at.bytes > sealed_from_ + sealed_.size()) {
    // The key again, because a download may last longer than the tenant: the keys forget an erased
    // one.
    const auto key = co_await deps_.keys.opening_key(context, owner_, key_id_);
    if (!key) co_return damaged_object("its key is not there");
    auto piece = co_await deps_.store.read(context, owner_, object_, at.offset,
                                           std::max(object_read_bytes, at.bytes));
    if (!piece) co_return damaged_object("the object is missing");
    if (piece->bytes.size() < at.bytes) co_return damaged_object("the object was cut");
    sealed_ = std::move(piece->bytes);
    sealed_from_ = at.offset;
  }
  const auto from = static_cast<std::size_t>(at.offset - sealed_from_);
  const auto opened =
      opener_.open(number, at.final, ByteView(sealed_).subspan(from, at.bytes), plain_);
  if (!opened) co_return damaged_object("a frame does not open");
  co_return ByteView(plain_).first(*opened);
}

}  // namespace memseal::knowledge
