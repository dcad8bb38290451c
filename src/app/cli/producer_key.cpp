#include "app/cli/producer_key.hpp"

#include "app/config/text_file.hpp"
#include "app/service/keys.hpp"
#include "app/service/producers.hpp"
#include "base/on_exit.hpp"

namespace memseal::app {

namespace fs = std::filesystem;

Result<crypto::SigningKey> read_signing_key(const fs::path& file) {
  auto text = read_secret_text(file, secret_file_bytes_max);
  if (!text) return text.error();
  const OnExit clean([&] { wipe(text->data(), text->size()); });
  auto key = crypto::SigningKey::parse(*text);
  if (!key) return Error{key.error().code, file.string() + ": " + key.error().message};
  return key;
}

Result<std::optional<producers::Signer>> publish_signer(const Config& config,
                                                        const PublishOptions& options) {
  std::optional<producers::Signer> signer;
  if (!options.producer_key_file.empty()) {
    auto key = read_signing_key(options.producer_key_file);
    if (!key) return key.error();
    auto id = producers::key_id_of(key->verifying_key());
    signer.emplace(std::move(id), std::move(*key));
    return signer;
  }
  const bool has_keyring = !config.seal.keyring_file.empty() || !config.seal.encryption_key.empty();
  if (config.kafka.producers != ingest::producers_signed || !has_keyring) return signer;
  const auto keyring = load_keyring(config);
  if (!keyring)
    return Error{keyring.error().code, "the events cannot be signed: " + keyring.error().message +
                                           "; or sign by --producer and --producer-key-file"};
  signer.emplace(own_signer(*keyring));
  return signer;
}

}  // namespace memseal::app
