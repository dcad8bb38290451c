#pragma once
#include "cases/knowledge/files.hpp"
#include "pure/crypto/content_hash.hpp"
#include "pure/crypto/sealed_stream.hpp"
#include "pure/crypto/sha256_stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace memseal::knowledge {

/// What is known of an upload that begins.
struct UploadRequest {
  FileFacts facts;
  std::optional<std::uint64_t> length = {};  ///< of the content, where the client says it
  /// The client's Idempotency-Key; empty: none. It decides the id of the file.
  std::string key = {};
};

struct TakenFile {
  File file;
  bool is_new = true;  ///< false: the user had this content under this name; nothing was added
};

/// Takes one file in: seals it, stores it and adds its row, in constant memory.
/// Destroyed before finish(), it leaves nothing behind. After an error or an exception every
/// further call fails. Thread: one at a time.
class Intake {
 public:
  /// A file that has no room is refused before its first byte, unless it may be one that the user
  /// has already.
  /// Errors: payload_too_large (file or quota; the message says what is left), rate_limited (too
  /// many uploads at one time).
  /// Throws Failure when a port fails.
  static asio::awaitable<Result<std::unique_ptr<Intake>>> begin(const KnowledgeDeps& deps,
                                                                runtime::RequestContext context,
                                                                crypto::Tenant owner,
                                                                UploadRequest request);
  ~Intake();

  /// What finish() writes. A form may name them behind the content.
  FileFacts& facts() noexcept { return facts_; }
  /// Takes the next bytes of the content. Error: payload_too_large.
  asio::awaitable<Result<void>> take(runtime::RequestContext context, ByteView piece);
  /// The file is stored, a sample of it was read back, and its row is there once this returns.
  /// Where the user has a file of this name and content, that one is returned; its content is
  /// replaced where it is damaged.
  /// Errors: payload_too_large, where other uploads of the user took the room meanwhile;
  /// invalid_field, where the key of the request was another file's, or where the content is not
  /// the one that FileFacts::sha256 names.
  asio::awaitable<Result<TakenFile>> finish(runtime::RequestContext context);

 private:
  Intake(const KnowledgeDeps& deps, crypto::Tenant owner, UploadRequest request,
         Transfers::Ticket ticket, ports::FileRoom room, ports::TenantKeyPtr key, Uuid object,
         crypto::StreamSealer sealer, std::unique_ptr<ports::FileUpload> upload);
  asio::awaitable<Result<ports::FileRow>> store(runtime::RequestContext context);
  asio::awaitable<ports::AddedFile> add(runtime::RequestContext context, ports::FileRow row);
  asio::awaitable<void> require_readable(runtime::RequestContext context, ports::FileRow row);
  asio::awaitable<Result<TakenFile>> settle(runtime::RequestContext context, ports::FileRow row);
  asio::awaitable<bool> replace_twin(runtime::RequestContext context, ports::FileRow twin,
                                        ports::FileKey object);

  const KnowledgeDeps& deps_;
  const crypto::Tenant owner_;
  FileFacts facts_;
  Transfers::Ticket ticket_;
  const ports::FileRoom room_;
  const ports::TenantKeyPtr key_;
  const Uuid id_, object_;
  crypto::StreamSealer sealer_;
  crypto::ContentHash hash_;
  std::optional<crypto::Sha256Stream> sha256_;  // where the client said what it will be
  const std::unique_ptr<ports::FileUpload> upload_;
  crypto::SealedPart part_;
  bool open_ = true;  // false after a failure and after finish()
};

}  // namespace memseal::knowledge
