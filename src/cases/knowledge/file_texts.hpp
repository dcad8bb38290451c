#pragma once
#include "cases/knowledge/reading.hpp"
#include "ports/text_source.hpp"

namespace memseal::knowledge {

/// The text of the file that `reading` reads. The content decides whether it is one, and not the
/// name. Errors: payload_too_large, unsupported_media_type. Throws as Reading::read().
asio::awaitable<Result<std::string>> text_of(Reading& reading, runtime::RequestContext context,
                                             std::size_t bytes_max);

/// Whether the beginning of the file is that of a text, for a file that is too long to read whole
/// before an answer. Throws as Reading::read().
asio::awaitable<bool> begins_as_text(Reading& reading, runtime::RequestContext context);

/// The Error of a file that is no text.
Error no_text();

/// The stored files as texts for ingest. Thread: any that `deps` allow; `deps` outlive it.
class FileTexts final : public ports::TextSource {
 public:
  explicit FileTexts(const KnowledgeDeps& deps) : deps_(deps) {}
  asio::awaitable<Result<std::string>> text_of(runtime::RequestContext context,
                                               crypto::Tenant owner, Uuid file,
                                               std::size_t bytes_max) override;

 private:
  const KnowledgeDeps& deps_;
};

}  // namespace memseal::knowledge
