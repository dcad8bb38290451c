#include "app/cli/commands.hpp"
#include "app/cli/document_text.hpp"
#include "app/cli/console.hpp"
#include "app/cli/publish_inputs.hpp"
#include "app/cli/publish_long_text.hpp"
#include "app/cli/publish_send.hpp"
#include "app/cli/terminal_text.hpp"

#include "pure/codec/json.hpp"
#include "pure/codec/media_type.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"
#include "runtime/log.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <unistd.h>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::vector<std::pair<std::string, std::string>> event_headers() {
  std::vector<std::pair<std::string, std::string>> headers;
  headers.emplace_back("content-type", "application/cloudevents+json");
  return headers;
}

wire::EventHead new_head(const PublishOptions& options, const UserId& user) {
  return {crypto::random_uuid().to_string(), source_of(options), user, runtime::unix_ms()};
}

ports::OutRecord record_of(ports::Channel channel, const wire::EventHead& head, std::string event) {
  return {.channel = channel,
          .key = head.user.value(),
          .value = std::move(event),
          .headers = event_headers(),
          .event_id = head.id,
          .event_source = head.source};
}

/// The client library's own messages stay out of a person's way: what matters of them is said in
/// one sentence. `log.level: debug` shows them.
void quieten_log(const Config& config) {
  const bool wanted = config.log.level == "debug";
  runtime::log_setup(wanted ? runtime::LogLevel::debug : runtime::LogLevel::error,
                     runtime::LogFormat::text);
}

/// What the call lacks is wrong usage; what an input lacks is not.
int refuse(const std::vector<Error>& refused) {
  bool is_usage = false;
  for (const auto& error : refused) {
    complain({error.code, one_line(error.message, 1'000)});
    is_usage = is_usage || error.code == Errc::bad_config;
  }
  std::fprintf(stderr, "memseal: nothing was sent\n");
  return is_usage ? exit_usage : exit_failed;
}

/// The bytes of the events; on a terminal the characters that command it are escaped.
int print_events(const std::vector<Outgoing>& events) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  for (const auto& event : events) {
    const auto& value = event.record.value;
    std::printf("%s\n", (terminal ? escape_controls(value) : value).c_str());
    if (event.long_upload)
      hint(one_line(event.label + " is too long for an event: its text would be stored first, and "
                                  "content.ref would name the file", 1'000));
  }
  return exit_ok;
}

wire::UploadEvent upload_of(const PublishOptions& options, const UserId& user,
                            InputDocument document) {
  auto head = new_head(options, user);
  auto mime_type = options.mime_type.empty() ? std::string(codec::text_type_of(document.name))
                                             : options.mime_type;
  return {.head = std::move(head),
          .doc_id = document.doc_id,
          .name = std::move(document.name),
          .mime_type = std::move(mime_type),
          .text = std::move(document.text),
          .tags = options.tags,
          .attributes_json = "",
          .origin = Origin::upload};
}

bool has_room(const Outgoing& event) {
  const auto bytes = wire::event_bytes(
      {event.topic, event.record.key, event.record.value, &event.record.headers, 0});
  return bytes <= limits::event_bytes_max;
}

/// Makes of an event that has no room for its text one that will refer to a file. Returns why that
/// cannot be.
std::optional<Error> refer_to_file(Outgoing& event, wire::UploadEvent upload,
                                   const PublishOptions& options, LongTexts& long_texts) {
  const auto bytes = upload.text.size();
  const auto has = event.label + " has " + std::to_string(bytes) + " bytes of text, ";
  if (bytes > limits::referenced_text_bytes_max)
    return Error{Errc::event_too_large, has + "and " + way_of_longest_text()};
  if (!options.print_only)
    if (auto open = long_texts.open(); !open)
      return Error{open.error().code, has + "for which an event has no room, so it has to go "
                                                "to the service first: " + open.error().message};
  upload.file = Uuid{};  // until the text is stored
  event.record.value = wire::make_upload_event(upload);
  event.long_upload = std::move(upload);
  event.long_text_bytes = bytes;
  return std::nullopt;
}

/// The events of the documents. What is wrong with a document that a walk found moves it to
/// `skipped`; everything else moves to `refused`, also what the call lacks for a long text.
std::vector<Outgoing> uploads_of(const Config& config, const PublishOptions& options,
                                 const UserId& user, Inputs& inputs, LongTexts& long_texts) {
  std::vector<Outgoing> events;
  for (auto& document : inputs.documents) {
    const bool walked = document.walked;
    const auto label = document.label;
    auto upload = upload_of(options, user, std::move(document));
    Outgoing event{
        label, upload.head.id, config.kafka.upload_topic,
        record_of(ports::Channel::upload, upload.head, wire::make_upload_event(upload))};
    std::optional<Error> fault;
    if (!has_room(event)) fault = refer_to_file(event, std::move(upload), options, long_texts);
    if (!fault)
      if (auto sound = check_event(event); !sound) fault = sound.error();
    if (!fault)
      events.push_back(std::move(event));
    else if (walked && fault->code == Errc::event_too_large)
      inputs.skipped.push_back({label, fault->message.substr(label.size() + 1)});
    else
      inputs.refused.push_back(*fault);
  }
  return events;
}

Result<wire::ChatMessage> message_of(std::string role, std::string content, std::size_t number) {
  if (codec::is_blank(content))
    return Error{Errc::bad_request,
                 "turn " + std::to_string(number) + " (" + role + ") says nothing"};
  return wire::ChatMessage{std::move(role), std::move(content), 0};
}

Result<void> read_messages_file(const std::string& path,
                                std::vector<wire::ChatMessage>& messages) {
  const auto text = read_input(path, limits::event_bytes_max,
                               "the turns of one call are one event, which has at most " +
                                   std::to_string(limits::event_bytes_max));
  if (!text) return text.error();
  const auto value = codec::parse_json(*text, Errc::bad_json);
  const Error malformed{Errc::bad_json, path + ": not a JSON array of {\"role\", \"content\"}"};
  if (!value || !value->is_array()) return malformed;
  for (const auto& item : value->get_array()) {
    const auto* object = item.if_object();
    const auto* role = object ? object->if_contains("role") : nullptr;
    const auto* content = object ? object->if_contains("content") : nullptr;
    if (!role || !role->is_string() || !content || !content->is_string()) return malformed;
    auto message = message_of(std::string(role->as_string()), std::string(content->as_string()),
                              messages.size() + 1);
    if (!message) return message.error();
    messages.push_back(std::move(*message));
  }
  return {};
}

Result<std::vector<wire::ChatMessage>> read_messages(const PublishOptions& options) {
  std::vector<wire::ChatMessage> messages;
  for (const auto& turn : options.messages) {
    const auto colon = turn.find(':');
    if (colon == std::string::npos)
      return Error{Errc::bad_request, "a turn is role:content, e.g. \"user:I like tea\""};
    auto message = message_of(turn.substr(0, colon), turn.substr(colon + 1), messages.size() + 1);
    if (!message) return message.error();
    messages.push_back(std::move(*message));
  }
  if (!options.messages_file.empty())
    if (auto read = read_messages_file(options.messages_file, messages); !read)
      return read.error();
  if (messages.empty())
    return Error{Errc::bad_request, "no turns: give role:content, or --file with a JSON array"};
  return messages;
}

}  // namespace

int cmd_publish_upload(const GlobalOptions& global, const PublishOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  quieten_log(*config);
  const auto user = UserId::parse(options.user);
  if (!user) {
    complain(user.error());
    return exit_usage;
  }
  if (!options.doc_id.empty() && options.files.size() > 1) {
    complain({Errc::bad_request, "--doc-id names one document: give one file with it"});
    return exit_usage;
  }
  auto inputs = read_inputs(options.files, options.doc_id);
  LongTexts long_texts(*config, options.service, *user);
  auto events = uploads_of(*config, options, *user, inputs, long_texts);
  if (!global.quiet) report_skipped(inputs.skipped, inputs.hidden);
  if (events.empty() && inputs.refused.empty())
    inputs.refused.push_back({Errc::bad_request, "no file is left to publish"});
  if (!inputs.refused.empty()) return refuse(inputs.refused);
  if (options.print_only) return print_events(events);
  return send_events(global, *config, options, std::move(events), &long_texts);
}

int cmd_publish_chat(const GlobalOptions& global, const PublishOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  quieten_log(*config);
  const auto user = UserId::parse(options.user);
  const auto conversation = DocId::parse(options.conversation);
  auto messages = read_messages(options);
  if (!user || !conversation || !messages) {
    complain(!user ? user.error() : !conversation ? conversation.error() : messages.error());
    return exit_usage;
  }
  const wire::ChatEvent event{.head = new_head(options, *user),
                              .conversation_id = *conversation,
                              .messages = std::move(*messages),
                              .tags = options.tags,
                              .attributes_json = ""};
  std::vector<Outgoing> events;
  events.push_back(
      {"conversation " + conversation->value(),
       event.head.id,
       config->kafka.chat_topic,
       record_of(ports::Channel::chat, event.head, wire::make_chat_event(event))});
  if (auto sound = check_event(events[0]); !sound) return refuse({sound.error()});
  if (options.print_only) return print_events(events);
  return send_events(global, *config, options, std::move(events), nullptr);
}

}  // namespace memseal::app
