#include "app/cli/commands.hpp"
#include "app/service/wiring.hpp"

#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"
#include "runtime/task_group.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

namespace memseal::app {

namespace json = boost::json;
namespace asio = boost::asio;

namespace {

constexpr std::string_view cli_source = "/memseal/cli";

struct Outgoing {
  std::string label;  ///< names the document or conversation in messages
  std::string event_id;
  std::string topic;
  ports::OutRecord record;
};

Result<std::string> read_all(const std::string& path) {
  if (path == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Errc::bad_request, "cannot read " + path};
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::string mime_of(const std::string& path, const std::string& given) {
  if (!given.empty()) return given;
  return path.ends_with(".md") || path.ends_with(".markdown") ? "text/markdown" : "text/plain";
}

std::vector<std::pair<std::string, std::string>> event_headers() {
  std::vector<std::pair<std::string, std::string>> headers;
  headers.emplace_back("content-type", "application/cloudevents+json");
  return headers;
}

// Refuses what ingest would refuse, before the event is sent.
Result<void> check(const Outgoing& out) {
  const auto headers = out.record.headers;
  const auto parsed = wire::parse_event(
      {out.topic, out.record.key, out.record.value, &headers, runtime::unix_ms()});
  if (parsed) return {};
  auto error = parsed.error();
  error.message = out.label + ": " + error.message;
  return error;
}

asio::awaitable<void> publish_all(kafka::KafkaSink& sink, const std::vector<Outgoing>& all,
                                  bool quiet) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const runtime::RequestContext context{all[i].event_id,
                                          runtime::Deadline::after(std::chrono::seconds(15))};
    co_await sink.publish(context, all[i].record);
    if (!quiet && all.size() > 1) std::fprintf(stderr, "\rpublished %zu of %zu", i + 1, all.size());
  }
  if (!quiet && all.size() > 1) std::fprintf(stderr, "\n");
  sink.request_stop();
}

int send(const GlobalOptions& global, const Config& config, const std::vector<Outgoing>& all,
         bool print_only) {
  for (const auto& out : all)
    if (auto sound = check(out); !sound) {
      complain(sound.error());
      return exit_failed;
    }
  if (print_only) {
    for (const auto& out : all) std::printf("%s\n", out.record.value.c_str());
    return exit_ok;
  }
  if (config.kafka.brokers.empty()) {
    complain(
        {Errc::bad_config, "kafka.brokers is not set (env " + env_name("kafka.brokers") + ")"});
    return exit_usage;
  }
  runtime::Metrics metrics;
  asio::io_context io(1);
  auto sink = kafka::KafkaSink::open(io.get_executor(), sink_options(config), metrics);
  if (!sink) {
    complain(sink.error());
    return exit_usage;
  }
  std::exception_ptr failure;
  auto run_and_publish = [](kafka::KafkaSink& out, const std::vector<Outgoing>& records,
                 bool quiet) -> asio::awaitable<void> {
    runtime::TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(out.run());
    group.spawn(publish_all(out, records, quiet));
    co_await group.join();
  };
  asio::co_spawn(io, run_and_publish(**sink, all, global.quiet),
                 [&failure](std::exception_ptr thrown) { failure = thrown; });
  io.run();
  if (failure) std::rethrow_exception(failure);
  for (const auto& out : all) {
    if (global.json)
      std::printf("%s\n", json::serialize(json::object{{"event_id", out.event_id},
                                                       {"topic", out.topic},
                                                       {"what", out.label}})
                              .c_str());
    else if (!global.quiet && all.size() == 1)
      std::printf("published %s as event %s on %s\n", out.label.c_str(), out.event_id.c_str(),
                  out.topic.c_str());
  }
  return exit_ok;
}

Result<std::vector<wire::ChatMessage>> read_messages(const PublishOptions& options) {
  std::vector<wire::ChatMessage> messages;
  for (const auto& turn : options.messages) {
    const auto colon = turn.find(':');
    if (colon == std::string::npos)
      return Error{Errc::bad_request, "a turn is role:content, e.g. \"user:I like tea\""};
    messages.push_back({turn.substr(0, colon), turn.substr(colon + 1), 0});
  }
  if (options.messages_file.empty()) return messages;
  const auto text = read_all(options.messages_file);
  if (!text) return text.error();
  boost::system::error_code failure;
  const auto value = json::parse(*text, failure);
  const Error malformed{Errc::bad_json,
                        options.messages_file + ": not a JSON array of {\"role\", \"content\"}"};
  if (failure || !value.is_array()) return malformed;
  for (const auto& item : value.as_array()) {
    const auto* object = item.if_object();
    const auto* role = object ? object->if_contains("role") : nullptr;
    const auto* content = object ? object->if_contains("content") : nullptr;
    if (!role || !role->is_string() || !content || !content->is_string()) return malformed;
    messages.push_back({std::string(role->as_string()), std::string(content->as_string()), 0});
  }
  return messages;
}

Result<Outgoing> upload_of(const Config& config, const PublishOptions& options, const UserId& user,
                           const std::string& path) {
  auto text = read_all(path);
  if (!text) return text.error();
  const auto name =
      path == "-" ? std::string("stdin") : std::filesystem::path(path).filename().string();
  const auto doc =
      DocId::parse(options.doc_id.empty() ? (path == "-" ? name : path) : options.doc_id);
  if (!doc) return doc.error();
  const auto now_ms = runtime::unix_ms();
  wire::UploadEvent event{
      .head = {crypto::random_uuid().to_string(), std::string(cli_source), user, now_ms},
      .doc_id = *doc,
      .name = name,
      .mime_type = mime_of(path, options.mime_type),
      .text = std::move(*text),
      .revision = now_ms,
      .tags = options.tags,
      .attributes_json = "",
      .origin = Origin::upload};
  return Outgoing{
      path,
      event.head.id,
      config.kafka.upload_topic,
      {ports::Channel::upload, user.value(), wire::make_upload_event(event), event_headers()}};
}

}  // namespace

int cmd_publish_upload(const GlobalOptions& global, const PublishOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto user = UserId::parse(options.user);
  if (!user) {
    complain(user.error());
    return exit_usage;
  }
  if (!options.doc_id.empty() && options.files.size() > 1) {
    complain({Errc::bad_request, "--doc-id names one document: give one file with it"});
    return exit_usage;
  }
  std::vector<Outgoing> all;
  for (const auto& path : options.files) {
    auto out = upload_of(*config, options, *user, path);
    if (!out) {
      complain(out.error());
      return exit_failed;
    }
    all.push_back(std::move(*out));
  }
  return send(global, *config, all, options.print_only);
}

int cmd_publish_chat(const GlobalOptions& global, const PublishOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto user = UserId::parse(options.user);
  const auto conversation = DocId::parse(options.conversation);
  auto messages = read_messages(options);
  if (!user || !conversation || !messages) {
    complain(!user ? user.error() : !conversation ? conversation.error() : messages.error());
    return exit_usage;
  }
  if (messages->empty()) {
    complain({Errc::bad_request, "no turns: give role:content, or --file with a JSON array"});
    return exit_usage;
  }
  wire::ChatEvent event{.head = {crypto::random_uuid().to_string(), std::string(cli_source), *user,
                                 runtime::unix_ms()},
                        .conversation_id = *conversation,
                        .messages = std::move(*messages),
                        .tags = options.tags,
                        .attributes_json = ""};
  std::vector<Outgoing> all;
  all.push_back(
      {"conversation " + conversation->value(),
       event.head.id,
       config->kafka.chat_topic,
       {ports::Channel::chat, user->value(), wire::make_chat_event(event), event_headers()}});
  return send(global, *config, all, options.print_only);
}

}  // namespace memseal::app
