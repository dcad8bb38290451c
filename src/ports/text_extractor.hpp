#pragma once
// What is text in a file of any format. The files are hostile, so this works apart from the keys.
#include "base/place.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// The text of one file: well-formed UTF-8 without control characters but line feed and tab.
struct ExtractedText {
  std::string text;  ///< headings are lines with `#`, as in Markdown; empty lines part paragraphs
  std::string title = {};  ///< as the document says it, at most 1,000 bytes; may be empty
  std::vector<PageStart> pages = {};  ///< in order
  bool is_whole = true;               ///< false: parts of the file could not be read
  bool is_plain = false;  ///< the file is a text as it is: lines with `#` need not be headings
};

/// One file on its way. Destroyed early, it ends what it began.
class TextExtraction {
 public:
  virtual ~TextExtraction() = default;
  /// The next bytes. Does not block.
  virtual void append(ByteView bytes) = 0;
  /// Reads the whole file; call once. Ends early where the caller is cancelled.
  /// Errors: file_encrypted, file_damaged, unsupported_media_type, payload_too_large (also a text
  /// of more than `text_bytes_max` bytes). A text may be blank. Throws Refused{bad_config} where
  /// this machine cannot read hostile files safely.
  virtual asio::awaitable<Result<ExtractedText>> finish(runtime::RequestContext context,
                                                        std::size_t text_bytes_max) = 0;
};

/// Thread: any executor.
class TextExtractor {
 public:
  virtual ~TextExtractor() = default;
  /// The largest file that it takes.
  virtual std::uint64_t file_bytes_max() const = 0;
  /// Throws Outage{overloaded} where too many files wait already.
  virtual std::unique_ptr<TextExtraction> begin(std::uint64_t file_bytes) = 0;
};

}  // namespace memseal::ports
