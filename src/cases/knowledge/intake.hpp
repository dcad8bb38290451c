#pragma once
#include "cases/knowledge/files.hpp"
#include "pure/crypto/content_hash.hpp"
#include "pure/crypto/sealed_stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace memseal::knowledge {

/// What a client says of a file. Texts are well-formed UTF-8.
struct FileFacts {
  std::string name;  ///< 1 to 255 bytes
  std::string media_type;
  std::vector<std::string> tags;
};

struct TakenFile {
  File file;
  bool is_new = true;  ///< false: the user had this content under this name; nothing was added
};

/// Takes one file in: seals it, stores it and adds its row, in constant memory.
/// Destroyed before finish(), it leaves nothing behind. Thread: one at a time.
class Intake {
 public:
  /// `length`: of the content, where the client says it; then a file that has no room is refused
  /// before its first byte.
  /// Errors: payload_too_large (file or quota; the message says what is left).
  /// Throws Failure when a port fails.
  static asio::awaitable<Result<std::unique_ptr<Intake>>> begin(
      const KnowledgeDeps& deps, runtime::RequestContext context, crypto::Tenant owner,
      FileFacts facts, std::optional<std::uint64_t> length);

  /// Takes the next bytes of the content. Error: payload_too_large.
  asio::awaitable<Result<void>> take(runtime::RequestContext context, ByteView piece);
  /// The file is stored and its row is there once this returns.
  /// Error: payload_too_large, where other uploads of the user took the room meanwhile.
  asio::awaitable<Result<TakenFile>> finish(runtime::RequestContext context);

 private:
  Intake(const KnowledgeDeps& deps, crypto::Tenant owner, FileFacts facts, Uuid id,
         ports::TenantKeyPtr key, crypto::StreamSealer sealer,
         std::unique_ptr<ports::FileUpload> upload, std::int64_t bytes_max);

  const KnowledgeDeps& deps_;
  const crypto::Tenant owner_;
  FileFacts facts_;
  const Uuid id_;
  const ports::TenantKeyPtr key_;
  crypto::StreamSealer sealer_;
  crypto::ContentHash hash_;
  const std::unique_ptr<ports::FileUpload> upload_;
  const std::int64_t bytes_max_;
  crypto::SealedPart part_;
};

}  // namespace memseal::knowledge
