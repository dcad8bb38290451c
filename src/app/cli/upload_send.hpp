#pragma once
// Sends the files of one call, a few at a time.
#include "app/cli/service_answers.hpp"
#include "app/cli/upload_inputs.hpp"

#include <boost/json/object.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace memseal::app {

enum class UploadState {
  stored,
  unchanged,  ///< the user has this content under this name, and it was not sent
  failed,
  not_sent,  ///< because the service became unavailable, or denied the token
};

/// What became of one file.
struct UploadOutcome {
  UploadState state = UploadState::not_sent;
  boost::json::object file;       ///< as the service describes it; empty: it has none
  boost::json::object operation;  ///< of its indexing; empty: none
  boost::json::object index_error;
  std::optional<Error> error;  ///< why it failed
  int exit_code = 0;
  std::chrono::milliseconds took{0};
};

struct UploadPlan {
  std::vector<std::string> tags;
  bool index = false;
  bool wait = false;  ///< until the operations have ended
};

/// Sends `files` over `links`, each of which has a thread of its own. `take` gets the outcomes in
/// the order of the files, on the caller's thread; `look` is called there several times a second.
/// `sent` counts the bytes that were sent or found to be there.
void send_uploads(std::vector<ServiceLink>& links, const UploadPlan& plan,
                  const std::vector<UploadInput>& files, const StoredFiles& known,
                  std::atomic<std::uint64_t>& sent,
                  const std::function<void(std::size_t, const UploadOutcome&)>& take,
                  const std::function<void()>& look);

}  // namespace memseal::app
