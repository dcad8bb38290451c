#pragma once
// The keys by which the command line signs events.
#include "app/cli/commands.hpp"
#include "app/config/config.hpp"
#include "pure/producers/signature.hpp"

#include <filesystem>
#include <optional>

namespace memseal::app {

/// Reads a producer's private key, from a file that nobody but its owner may read.
/// Errors: bad_config, key_invalid; the message names the file.
Result<crypto::SigningKey> read_signing_key(const std::filesystem::path& file);

/// What signs the events of `memseal publish`: the producer's key that is named; else, where
/// kafka.producers is "signed" and the keyring is at hand, the service's own; else nothing.
Result<std::optional<producers::Signer>> publish_signer(const Config& config,
                                                        const PublishOptions& options);

}  // namespace memseal::app
