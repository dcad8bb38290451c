#pragma once
#include "cases/knowledge/reading.hpp"
#include "ports/text_extractor.hpp"
#include "ports/text_source.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace memseal::knowledge {

/// What of a file can be indexed.
struct FileText {
  std::string text;        ///< well-formed UTF-8 without zero bytes, not blank
  std::string media_type;  ///< text/markdown where `#` lines are headings, else text/plain
  std::vector<PageStart> pages = {};  ///< of a document that has them
  bool is_whole = true;                      ///< false: parts of the file could not be read
};

/// The text of a whole file. The content decides what it is, and not the name: UTF-8 is taken as it
/// is, everything else by deps.extractor, in a process of its own. What is UTF-8 and looks like a
/// mail or a page of HTML goes to the extractor too, unless `as_it_is`.
/// Errors: payload_too_large (the file, or a text of more than `text_bytes_max` bytes),
/// unsupported_media_type, file_encrypted, file_damaged, file_without_text. Throws as
/// Reading::read(), TextExtractor::begin() and TextExtraction::finish().
/// REQUIRES: `deps` and `reading` outlive the call.
asio::awaitable<Result<FileText>> file_text(const KnowledgeDeps& deps,
                                            runtime::RequestContext context, Reading& reading,
                                            std::size_t text_bytes_max, bool as_it_is = false);

/// What the first bytes of a file promise.
struct FileKind {
  bool is_plain = true;    ///< text in UTF-8; false: a document for the extractor
  std::string media_type;  ///< that its text will have
};

/// What a file seems to be, for one that is too long to be read before an answer.
/// Errors: payload_too_large, unsupported_media_type. Throws as Reading::read().
asio::awaitable<Result<FileKind>> kind_of(const KnowledgeDeps& deps,
                                          runtime::RequestContext context, Reading& reading,
                                          std::size_t text_bytes_max);

/// The stored files as texts for ingest. Thread: any that `deps` allow; `deps` outlive it.
class FileTexts final : public ports::TextSource {
 public:
  explicit FileTexts(const KnowledgeDeps& deps) : deps_(deps) {}
  asio::awaitable<Result<ports::SourceText>> text_of(runtime::RequestContext context,
                                                     crypto::Tenant owner, Uuid file,
                                                     std::size_t bytes_max,
                                                     bool as_it_is) override;

 private:
  const KnowledgeDeps& deps_;
};

}  // namespace memseal::knowledge
