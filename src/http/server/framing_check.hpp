#pragma once
// Refuses what Beast's parser accepts but two implementations could read in two ways, because such
// a request can be smuggled past a proxy (RFC 9112 §§2.2, 3.2, 6.1, 6.3; RFC 9110 §7.2). Pure.
#include "http/server/message.hpp"

#include <optional>
#include <string_view>

namespace memseal::http {

/// Why a request is refused; the connection closes after the answer.
struct Refusal {
  int status = 400;
  std::string_view detail;                ///< static lifetime, names no input

  friend bool operator==(const Refusal&, const Refusal&) = default;
};

/// Looks at raw bytes before any parser does: line ends, control bytes, folded lines, size.
/// `raw` is a head with its final empty line, or as much of it as has arrived; its first `seen`
/// bytes passed before.
std::optional<Refusal> check_raw_head(std::string_view raw, std::size_t seen = 0) noexcept;

/// Looks at the Host fields: exactly one, but for HTTP/1.0, which may have none.
std::optional<Refusal> check_host(const RequestHead& head) noexcept;

/// Looks at a parsed head. `head.fields` holds every field line in order.
/// REQUIRES: the target is not in absolute-form any more.
std::optional<Refusal> check_head(const RequestHead& head) noexcept;

}  // namespace memseal::http
