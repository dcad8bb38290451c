#pragma once
// The sealed content of one file, opened frame by frame.
#include "cases/knowledge/files.hpp"
#include "pure/crypto/sealed_stream.hpp"

#include <cstdint>
#include <memory>

namespace memseal::knowledge {

/// Error of every function: open_failed, for an object that is missing or damaged; the message says
/// what was found. Throws Failure when a port fails. Thread: one at a time.
class OpenObject {
 public:
  /// Opens the header and the final frame, which show that the object is whole and as long as its
  /// row says.
  static asio::awaitable<Result<std::unique_ptr<OpenObject>>> open(const KnowledgeDeps& deps,
                                                                   runtime::RequestContext context,
                                                                   crypto::Tenant owner,
                                                                   const ports::FileRow& row);
  ~OpenObject();

  std::uint64_t frames() const noexcept { return layout_.frames(); }
  std::size_t frame_bytes() const noexcept { return opener_.frame_bytes(); }
  /// The plaintext of a frame. The view holds until the next call.
  asio::awaitable<Result<ByteView>> frame(runtime::RequestContext context, std::uint64_t number);

 private:
  OpenObject(const KnowledgeDeps& deps, crypto::Tenant owner, ports::FileKey object,
             std::uint32_t key_id, crypto::StreamOpener opener, crypto::StreamLayout layout);

  const KnowledgeDeps& deps_;
  const crypto::Tenant owner_;
  const ports::FileKey object_;
  const std::uint32_t key_id_;
  crypto::StreamOpener opener_;
  const crypto::StreamLayout layout_;
  Bytes sealed_;  // whole frames, from sealed_from_ on
  std::uint64_t sealed_from_ = 0;
  Bytes plain_;  // one frame
};

}  // namespace memseal::knowledge
