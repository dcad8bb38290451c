// Lists, shows and deletes what a user has stored, through the running service.
#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/url.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::string_view documents_path = "/api/v1/memory/documents";
constexpr std::string_view conversations_path = "/api/v1/memory/conversations";

std::string_view path_of(const MemoryOptions& options) {
  return options.conversation ? conversations_path : documents_path;
}

std::string path_of(const MemoryOptions& options, const std::string& id) {
  return std::string(path_of(options)) + "/" + codec::percent_encode(id);
}

std::string shown_text(const json::object& data, std::string_view key, std::size_t bytes_max) {
  return one_line(text_of(data, key), bytes_max);
}

/// "2026-03-04 05:06" of an RFC 3339 time.
std::string minute_of(const json::object& data, std::string_view key) {
  auto text = shown_text(data, key, 40).substr(0, 16);
  if (text.size() > 10) text[10] = ' ';
  return text;
}

void print_document(const json::object& item) {
  const auto name = shown_text(item, "name", 60);
  std::printf("%s  %6s  %s%s\n", minute_of(item, "updated_at").c_str(),
              shown_text(item, "chunks", 12).c_str(), shown_text(item, "doc_id", 255).c_str(),
              name.empty() || name == text_of(item, "doc_id") ? "" : ("  (" + name + ")").c_str());
}

void print_conversation(const json::object& item) {
  std::printf("%s  %6s  %s\n", minute_of(item, "last_turn_at").c_str(),
              shown_text(item, "chunks", 12).c_str(),
              shown_text(item, "conversation", 255).c_str());
}

void print_turn(const json::object& item) {
  const auto role = shown_text(item, "role", 20);
  std::printf("%s  %s: %s\n", minute_of(item, "created_at").c_str(),
              role.empty() ? "?" : role.c_str(), shown_text(item, "text", 100'000).c_str());
}

void print_chunk(const json::object& item) {
  std::printf("%s\n", escape_controls(text_of(item, "text")).c_str());
}

/// What became of `id`, as the operation of its deletion says.
void print_deletion(const json::object& operation, const std::string& id) {
  const auto state = text_of(operation, "state");
  if (state == "queued") {
    std::printf("%s will be deleted (operation %s)\n", id.c_str(),
                shown_text(operation, "id", 60).c_str());
  } else if (state == "superseded") {
    std::printf("%s was written again, and stays\n", id.c_str());
  } else {
    const auto deleted = member_of(operation, "deleted");
    const auto* count = deleted.if_contains("chunks");
    const auto chunks = count && count->is_int64() ? count->get_int64() : 0;
    std::printf("deleted %s of %s\n", count_of(static_cast<std::size_t>(chunks), "chunk").c_str(),
                id.c_str());
  }
}

}  // namespace

int cmd_ls(const GlobalOptions& global, const MemoryOptions& options) {
  return with_link(global, options.service, [&](ServiceLink& link) {
    std::size_t count = 0;
    const auto print = [&](const json::object& item) {
      ++count;
      if (global.json)
        print_json(item);
      else
        options.conversation ? print_conversation(item) : print_document(item);
      return std::ferror(stdout) == 0;
    };
    const auto asked = each_item(link, std::string(path_of(options)),
                                 options.conversation ? "conversations" : "documents", print);
    if (asked.error) return print_failure(asked);
    if (count == 0)
      hint(options.conversation ? "this user has no conversation"
                                : "this user has no document; conversations: --conversations");
    return static_cast<int>(exit_ok);
  });
}

int cmd_show(const GlobalOptions& global, const MemoryOptions& options) {
  return with_link(global, options.service, [&](ServiceLink& link) {
    const auto print = [&](const json::object& item) {
      if (global.json)
        print_json(item);
      else
        options.conversation ? print_turn(item) : print_chunk(item);
      return std::ferror(stdout) == 0;
    };
    const auto path = path_of(options, options.id) + (options.conversation ? "/turns" : "/chunks");
    const auto asked = each_item(link, path, options.conversation ? "turns" : "chunks", print);
    return asked.error ? print_failure(asked) : static_cast<int>(exit_ok);
  });
}

int cmd_rm(const GlobalOptions& global, const MemoryOptions& options) {
  return with_link(global, options.service, [&](ServiceLink& link) {
    auto path = path_of(options, options.id) + (options.no_wait ? "?wait=0" : "?wait=30");
    if (!options.before.empty()) path += "&before=" + codec::percent_encode(options.before);
    const auto asked = ask_for(link, {.method = "DELETE", .path = std::move(path)});
    if (asked.error) return print_failure(asked);
    const auto operation = member_of(asked.body, "operation");
    if (global.json) print_json(operation);
    if (text_of(operation, "state") == "failed") {
      complain({Errc::internal, "the deletion failed: " + shown_text(operation, "error", 200)});
      return static_cast<int>(exit_failed);
    }
    if (!global.json) print_deletion(operation, one_line(options.id, 255));
    return static_cast<int>(exit_ok);
  });
}

}  // namespace memseal::app
