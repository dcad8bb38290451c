#include "app/cli/publish_long_text.hpp"

#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/terminal_text.hpp"
#include "base/limits.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/url.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/wire/file_request.hpp"

#include <utility>

namespace memseal::app {

namespace {

using namespace std::chrono_literals;

/// Leaves room for what tells two calls apart: the service knows a file again by name and content,
/// and one of two calls at once must not remove the text of the other.
constexpr std::size_t name_bytes_max = 180;

std::string file_name_of(const wire::UploadEvent& event) {
  return one_line(wire::last_of_path(event.name), name_bytes_max) + " (publish " + event.head.id +
         ")";
}

bool goes_on() { return !was_interrupted(); }

/// Why the file of a long text must stay; empty where nothing will read it again.
std::string why_needed(const Fate& fate) {
  const bool is_unsent = !fate.end && fate.delivery == Delivery::not_sent;
  if (fate.ended_for_good() || fate.refused_for_good() || is_unsent) return "";
  return fate.end ? "its dead letter refers to it" : "it is not known to be a document yet";
}

}  // namespace

std::string way_of_longest_text() {
  return "a document has at most " + std::to_string(limits::referenced_text_bytes_max) +
         " bytes of text: split the file";
}

Result<void> LongTexts::open() {
  if (link_) return {};
  auto token = read_token(options_);
  if (!token) return token.error();
  if (token->empty())
    return Error{Errc::bad_config,
                 "no token is given: use --token-file FILE or $MEMSEAL_TOKEN", "--token"};
  const auto owner = claim_of(*token, "sub");
  if (owner != user_.value())
    return Error{Errc::bad_config, "the token is not one of the user that --user names",
                 "--token"};
  auto link = ServiceLink::open(config_, options_, std::move(*token));
  if (!link) return link.error();
  link_.emplace(std::move(*link));
  return {};
}

Asked LongTexts::store(wire::UploadEvent& event) {
  const auto digest = crypto::sha256(bytes_of(event.text));
  const ServiceRequest request{
      .method = "POST",
      .path = files_path,
      .headers = {{"X-Memseal-Name", codec::percent_encode(file_name_of(event))},
                  {"X-Memseal-Tags", long_text_tag},
                  {"Content-Type", event.mime_type},
                  {"Content-Digest",
                   "sha-256=:" + codec::encode_base64(digest, codec::Base64::standard) + ":"}},
      .body = std::move(event.text),
      .silence_max = 60s,
      .total_max = 10min};
  auto asked = ask_for(*link_, request, goes_on);
  if (asked.error) return asked;
  const auto file = Uuid::parse(text_of(member_of(asked.body, "file"), "id"));
  if (!file) return {{}, no_json(), exit_failed};
  event.file = *file;
  event.text.clear();
  return asked;
}

Asked LongTexts::remove(const Uuid& file) {
  return ask_for(*link_, {.method = "DELETE", .path = path_of_file(file.to_string())}, goes_on);
}

Asked LongTexts::remove_unanswered(const wire::UploadEvent& event) {
  std::vector<Uuid> found;
  const auto name = file_name_of(event);
  auto asked = each_item(*link_, files_path, "files", [&](const boost::json::object& file) {
    const auto id = Uuid::parse(text_of(file, "id"));
    if (id && text_of(file, "name") == name) found.push_back(*id);
    return found.empty();
  });
  if (asked.error || found.empty()) return asked;
  return remove(found.front());
}

void LongTexts::look_for_unanswered(const Outgoing& event, const Error& why) {
  for (const auto code : {Errc::timeout, Errc::unavailable, Errc::bad_json})
    if (why.code == code) {
      const auto removed = remove_unanswered(*event.long_upload);
      if (!removed.error) return;
      // A service that fails twice in one way is not there, so that it has nothing.
      if (code == Errc::unavailable && removed.error->message == why.message) return;
      const auto sentence =
          "the text of " + event.label + " may be stored all the same: " + removed.error->message;
      hint(one_line(sentence, outgoing_sentence_max) + "; `memseal files list` shows it as " +
           file_name_of(*event.long_upload));
    }
}

int LongTexts::store_all(std::vector<Outgoing>& events) {
  for (auto& event : events) {
    if (!event.long_upload) continue;
    if (was_interrupted()) {
      complain({Errc::cancelled, "stopped by a signal; nothing was published"});
      remove_all(events, Fates(events.size()));
      return exit_failed;
    }
    auto stored = store(*event.long_upload);
    if (!stored.error) {
      event.record.value = wire::make_upload_event(*event.long_upload);
      continue;
    }
    const auto cause = *stored.error;
    const auto why = "the text of " + event.label + " is not stored: " + stored.error->message;
    stored.error->message = one_line(why, outgoing_sentence_max) + "; nothing was published";
    if (stored.error->code == Errc::bad_config)
      stored.hints.push_back("does the service keep files? its files.directory must be set");
    remove_all(events, Fates(events.size()));
    look_for_unanswered(event, cause);
    return print_failure(stored);
  }
  return exit_ok;
}

void LongTexts::remove_all(const std::vector<Outgoing>& events, const Fates& fates) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& upload = events[i].long_upload;
    if (!upload || *upload->file == Uuid{}) continue;
    auto why = why_needed(fates[i]);
    if (why.empty()) {
      const auto removed = remove(*upload->file);
      if (!removed.error) continue;
      why = "it could not be removed (" + removed.error->message + ")";
    }
    const auto stays = "the text of " + events[i].label + " stays stored: " + why;
    hint(one_line(stays, outgoing_sentence_max) + "; `memseal files rm " +
         upload->file->to_string() + "` removes it");
  }
}

}  // namespace memseal::app
