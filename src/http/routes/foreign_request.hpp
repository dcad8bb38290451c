#pragma once
// Requests that a web page of somebody else makes a browser send. Pure.
#include "http/server/message.hpp"

#include <optional>
#include <string_view>

namespace memseal::http {

/// Why a request may come from a foreign web page; empty for requests of programs and of pages of
/// this server. Looks at Origin and Sec-Fetch-Site, which browsers set, and at Host, because a page
/// can make its own name resolve to this machine (DNS rebinding). A Host may be an IP address,
/// `localhost` or a name without a dot, which nobody can register, or the name of this machine.
/// The text has static lifetime.
std::optional<std::string_view> foreign_request(const RequestHead& head);

}  // namespace memseal::http
