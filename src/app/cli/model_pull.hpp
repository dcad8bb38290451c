#pragma once
// Fetches a model from a hub into a place where its name finds it.
#include "adapters/model/hub/listing.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace memseal::app {

/// What to fetch, and from where.
struct ModelSource {
  std::string endpoint;    ///< base URL of the hub or mirror
  std::string token;       ///< sent to the endpoint alone; empty: none
  std::string repository;  ///< "owner/name"
  std::string revision;    ///< a branch, a tag or a commit
  /// The files are these and no others, each with its SHA-256, at this revision; nothing: the hub's
  /// word counts.
  std::optional<model::ModelLock> lock;
};

/// Hears how much of a file is there; `whole` is 0 where nobody said.
using PullProgress =
    std::function<void(const std::string& file, std::uint64_t bytes, std::uint64_t whole)>;

/// Fetches the files into a hidden folder beside `directory`, checks each one (fetch_hub_file()),
/// writes memseal.lock.json, brings all to the disk and gives the folder its name. What an earlier
/// call left of the same revision is not fetched again; a file that broke off is continued. One
/// call at a time: another process that fetches into the same folder is a bad_config.
/// Follows redirects, also to other hosts, but never from https to http. Goes through the proxy of
/// HTTPS_PROXY, http_proxy or ALL_PROXY, unless NO_PROXY names the host.
/// REQUIRES: `directory` does not exist.
/// Errors: unavailable, timeout (the hub cannot be reached: `how_by_hand` tells the rest),
/// unauthenticated, not_found, model_invalid (no such model, or other bytes than the hub or the
/// lock say), bad_config (the place cannot be written, an address, a certificate).
Result<model::ModelLock> pull_model(const ModelSource& source,
                                    const std::filesystem::path& directory,
                                    const PullProgress& progress);

/// What to do where the hub cannot be reached. One sentence.
std::string how_by_hand(const ModelSource& source, const std::filesystem::path& directory);

}  // namespace memseal::app
