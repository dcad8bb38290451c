#pragma once
// One file of a model hub: fetched, and checked against what is known of it.
#include "adapters/model/hub/listing.hpp"
#include "app/cli/hub_client.hpp"
#include "app/cli/model_pull.hpp"
#include "base/result.hpp"

#include <filesystem>
#include <string>

namespace memseal::app {

struct HubFile {
  std::string name;    ///< of model::hub_files()
  std::string at_hub;  ///< path below the endpoint
  std::string sha256;  ///< that it must have; empty: what the hub says counts
};

/// Fetches what is missing of a file to `folder`/NAME.part with one request. A file that is whole
/// is brought to the disk and gets its name.
/// It must be as long as the hub says, and have the SHA-256 of `file`, that of the hub (of large
/// files), or the name that git gives it (of small ones). A file of which neither the length nor
/// one of these is known is refused.
/// Errors: unavailable, timeout (another request may get the rest), unauthenticated, not_found,
/// model_invalid (other bytes: they are thrown away), bad_config (the disk).
Result<model::LockedFile> fetch_hub_file(HubClient& hub, const HubFile& file,
                                         const std::filesystem::path& folder,
                                         const PullProgress& progress);

/// What the hub's status means for `what`.
Error refused_by_hub(const std::string& what, int status);

/// Error: bad_config, with the path.
Error unwritable_file(const std::filesystem::path& path, int error);

/// SHA-256 of a file, 64 lower-case hex digits. Error: bad_config.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace memseal::app
