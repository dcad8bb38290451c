#include "cases/knowledge/reading.hpp"

#include "runtime/log.hpp"

#include <algorithm>
#include <utility>

namespace memseal::knowledge {

namespace {

/// Sealed bytes that one call to the store reads.
constexpr std::size_t read_bytes = 1u << 20;

[[noreturn]] void damaged(const runtime::RequestContext& context, const Uuid& file,
                          const char* cause) {
  runtime::log(runtime::LogLevel::error, "knowledge.file_damaged",
               {{"request_id", context.id}, {"file", file.to_string()}, {"cause", cause}});
  throw_failure({Errc::open_failed, "the stored file does not open"});
}

}  // namespace

Reading::Reading(const KnowledgeDeps& deps, crypto::Tenant owner, File file, ports::FileKey object,
                 crypto::StreamOpener opener, crypto::StreamLayout layout)
    : deps_(deps),
      owner_(owner),
      file_(std::move(file)),
      object_(object),
      opener_(std::move(opener)),
      layout_(layout),
      plain_(opener_.frame_bytes()) {}

Reading::~Reading() { wipe(plain_.data(), plain_.size()); }

asio::awaitable<std::optional<std::unique_ptr<Reading>>> Reading::begin(
    const KnowledgeDeps& deps, runtime::RequestContext context, crypto::Tenant owner, Uuid id) {
  auto row = co_await deps.catalog.find(context, owner, id);
  if (!row) co_return std::nullopt;
  const ports::FileKey object{row->content, row->id};
  const auto head =
      co_await deps.store.read(context, owner, object, 0, crypto::stream_header_bytes);
  if (!head) damaged(context, id, "the object is missing");
  const auto key_id = crypto::StreamOpener::key_id_of(head->bytes);
  if (!key_id) damaged(context, id, "the header is not one");
  const auto key = co_await deps.keys.opening_key(context, owner, *key_id);
  if (!key) damaged(context, id, "its key is not there");
  auto opener = crypto::StreamOpener::start(owner, *key, id, head->bytes);
  if (!opener) damaged(context, id, "the header does not fit");
  const auto layout = crypto::StreamLayout::of(head->total, opener->frame_bytes());
  if (!layout || layout->plain_bytes() != static_cast<std::uint64_t>(row->bytes))
    damaged(context, id, "the length is not that of the file");
  auto file = co_await file_of(deps, context, owner, std::move(*row));
  std::unique_ptr<Reading> reading(
      new Reading(deps, owner, std::move(file), object, std::move(*opener), *layout));
  // The final frame now, because the length goes out before the last byte is read.
  co_await reading->open_frame(context, layout->frames() - 1);
  co_return reading;
}

/// Opens a frame into plain_ and returns its length.
asio::awaitable<std::size_t> Reading::open_frame(runtime::RequestContext context,
                                                 std::uint64_t number) {
  const auto at = layout_.frame(number);
  if (at.offset < sealed_from_ || at.offset + at.bytes > sealed_from_ + sealed_.size()) {
    auto piece = co_await deps_.store.read(context, owner_, object_, at.offset,
                                           std::max(read_bytes, at.bytes));
    if (!piece || piece->bytes.size() < at.bytes) damaged(context, file_.id, "the object was cut");
    sealed_ = std::move(piece->bytes);
    sealed_from_ = at.offset;
  }
  const auto from = static_cast<std::size_t>(at.offset - sealed_from_);
  const auto opened =
      opener_.open(number, at.final, ByteView(sealed_).subspan(from, at.bytes), plain_);
  if (!opened) damaged(context, file_.id, "a frame does not open");
  co_return *opened;
}

asio::awaitable<ByteView> Reading::read(runtime::RequestContext context, std::uint64_t offset,
                                        std::size_t bytes_max) {
  const auto number = offset / opener_.frame_bytes();
  const auto skipped = static_cast<std::size_t>(offset % opener_.frame_bytes());
  const auto size = co_await open_frame(std::move(context), number);
  co_return ByteView(plain_).subspan(skipped, std::min(size - skipped, bytes_max));
}

}  // namespace memseal::knowledge
