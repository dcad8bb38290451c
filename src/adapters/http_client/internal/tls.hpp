#pragma once
#include "adapters/http_client/client.hpp"

#include <boost/asio/ssl/context.hpp>

#include <string>

namespace memseal::http_client {

/// What a client trusts: the CA file, if one is named, and the system's store. Without `used` only
/// the CA file is read, to check it, because the store takes tens of milliseconds to read.
/// Errors: bad_config (the file cannot be read or holds no certificate).
Result<asio::ssl::context> make_tls_context(const ClientOptions& options, bool used);

/// Sets up one connection's verification: the certificate must be for `host`, a name or an address.
/// A name is also sent (SNI), so that a server of many names can choose its certificate; RFC 6066
/// forbids to send an address. Returns false if `host` cannot stand in a certificate.
bool expect_host(SSL* connection, const std::string& host);

/// Why OpenSSL did not trust the certificate of `connection`, e.g. "hostname mismatch".
std::string why_untrusted(SSL* connection);

/// True if a handshake failed for want of trust, and for no other reason.
bool is_certificate_failure(const boost::system::error_code& failure);

}  // namespace memseal::http_client
