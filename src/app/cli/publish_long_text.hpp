#pragma once
// Texts for which an event has no room. The service keeps such a text as a file of the user, and
// the event refers to the file; once the document is stored the file is removed, so that a deletion
// of the document leaves nothing behind.
#include "app/cli/outgoing.hpp"
#include "app/cli/publish_fates.hpp"
#include "app/cli/service_answers.hpp"
#include "base/ids.hpp"

#include <optional>
#include <string>
#include <vector>

namespace memseal::app {

/// The tag of the files that hold such texts.
inline constexpr const char* long_text_tag = "memseal-publish";

/// What to do with a text that is longer than a document may be: the end of a sentence.
std::string way_of_longest_text();

class LongTexts {
 public:
  /// REQUIRES: all of them outlive this object.
  LongTexts(const Config& config, const ServiceOptions& options, const UserId& user)
      : config_(config), options_(options), user_(user) {}

  /// Whether the service can be asked for this user. Nothing is sent. Error: bad_config: what the
  /// call lacks, so that no text is to blame.
  Result<void> open();

  /// Stores the long texts of `events`, whose records then refer to their files. Returns an exit
  /// code: after a failure, or a signal between two texts, no text is stored, and the cause was
  /// printed. What may be stored all the same is named.
  /// REQUIRES: open() had no error, and an Interruptible lives.
  int store_all(std::vector<Outgoing>& events);
  /// Removes the files that nothing needs any more, and says which it leaves: an event that is not
  /// known to be stored, or became a dead letter that can be replayed, needs its file still.
  /// REQUIRES: an Interruptible lives.
  void remove_all(const std::vector<Outgoing>& events, const Fates& fates);

 private:
  Asked store(wire::UploadEvent& event);
  Asked remove(const Uuid& file);
  /// Removes the file of `event`, if the service has one.
  Asked remove_unanswered(const wire::UploadEvent& event);
  /// Removes what the service has of `event`, where `why` may mean that its answer was lost.
  void look_for_unanswered(const Outgoing& event, const Error& why);

  const Config& config_;
  const ServiceOptions& options_;
  const UserId& user_;
  std::optional<ServiceLink> link_;
};

}  // namespace memseal::app
