#pragma once
// Port: the texts of stored files that events refer to.
#include "base/ids.hpp"
#include "base/place.hpp"
#include "base/result.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <string>

namespace memseal::ports {

namespace asio = boost::asio;

struct SourceText {
  std::string text;  ///< UTF-8
  Outline outline = {};
};

class TextSource {
 public:
  virtual ~TextSource() = default;
  /// The whole text of a file of `owner`. `as_it_is`: of a file in UTF-8 the characters themselves,
  /// whatever they look like; else the content decides whether it is a text or a document.
  /// Errors, which no other try helps: not_found (this user has no such file, or no more),
  /// payload_too_large (more than `bytes_max`), unsupported_media_type (no text).
  /// Throws Failure where the file cannot be read now, or is damaged.
  virtual asio::awaitable<Result<SourceText>> text_of(runtime::RequestContext context,
                                                      crypto::Tenant owner, Uuid file,
                                                      std::size_t bytes_max, bool as_it_is) = 0;
};

}  // namespace memseal::ports
