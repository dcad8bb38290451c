#include "adapters/http_client/internal/tls.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace memseal::http_client {

Result<asio::ssl::context> make_tls_context(const ClientOptions& options, bool used) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(asio::ssl::verify_peer);
  boost::system::error_code no_store;  // Without a system store the CA file alone is trusted.
  if (used) tls.set_default_verify_paths(no_store);
  boost::system::error_code failure;
  if (!options.ca_file.empty()) tls.load_verify_file(options.ca_file, failure);
  if (failure)
    return Error{Errc::bad_config, "cannot read certificates from " + options.ca_file,
                 options.ca_setting};
  return tls;
}

bool expect_host(SSL* connection, const std::string& host) {
  // A certificate holds addresses in entries of their own. SNI carries names only (RFC 6066 §3), so
  // an address is not sent.
  boost::system::error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  if (!not_an_address)
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.c_str()) == 1;
  // A wildcard stands for a whole label: `*.example.com`, not `a*.example.com`.
  SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(connection, host.c_str()) == 1 &&
         SSL_set_tlsext_host_name(connection, host.c_str()) == 1;
}

std::string why_untrusted(SSL* connection) {
  return X509_verify_cert_error_string(SSL_get_verify_result(connection));
}

bool is_certificate_failure(const boost::system::error_code& failure) {
  return failure.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(failure.value())) ==
             SSL_R_CERTIFICATE_VERIFY_FAILED;
}

}  // namespace memseal::http_client
