#pragma once
// Certificates that a test makes for itself.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <utility>

namespace memseal::test {

/// A key and a certificate that it signed itself, both PEM.
struct Identity {
  std::string key, certificate;

  /// `names` as in "DNS:localhost,IP:127.0.0.1".
  static Identity make(const std::string& names) {
    Identity made;
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
    X509_set_pubkey(certificate, key);
    auto* const subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("memseal test"), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    for (const auto& [kind, value] : {std::pair(NID_basic_constraints, std::string("CA:TRUE")),
                                      std::pair(NID_subject_alt_name, names)}) {
      auto* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
      X509_add_ext(certificate, extension, -1);
      X509_EXTENSION_free(extension);
    }
    X509_sign(certificate, key, EVP_sha256());
    made.key = pem([&](BIO* out) {
      PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    made.certificate = pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
  }

 private:
  template <class Write>
  static std::string pem(Write write) {
    BIO* const memory = BIO_new(BIO_s_mem());
    write(memory);
    char* data = nullptr;
    const auto size = BIO_get_mem_data(memory, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(memory);
    return text;
  }
};

/// A file of `content` that is removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    static int made = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("memseal-test-" + std::to_string(::getpid()) + "-" + std::to_string(made++));
    std::ofstream(path_) << content;
    std::filesystem::permissions(path_, std::filesystem::perms(0600));  // may hold a secret
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace memseal::test
