// Lists, shows and deletes what a user has stored, through the running service.
#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/url.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdio>
#include <functional>
#include <optional>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::string_view documents_path = "/api/v1/memory/documents";
constexpr std::string_view conversations_path = "/api/v1/memory/conversations";

std::string_view path_of(const MemoryOptions& options) {
  return options.conversation ? conversations_path : documents_path;
}

/// One user, asking the service several times.
class Asker {
 public:
  Asker(const GlobalOptions& global, const ServiceOptions& service, std::string token)
      : global_(global), service_(service), token_(std::move(token)) {}

  /// The answer's object; nothing after the cause was printed, and then `code` is the exit code.
  std::optional<json::object> ask(const std::string& method, std::string path) {
    const ServiceRequest request{.method = method, .path = std::move(path), .token = token_};
    const auto outcome = http_call(global_, service_, request);
    if (const auto* failed = std::get_if<int>(&outcome)) return code = *failed, std::nullopt;
    const auto& response = std::get<http_client::Response>(outcome);
    if (response.status != 200 && response.status != 202)
      return code = print_refusal(response, token_), std::nullopt;
    auto body = object_in(response);
    if (body) return body;
    complain(no_json());
    return code = exit_failed, std::nullopt;
  }

  /// Calls `take` for each item of a list, page by page. False after a failure.
  bool each(const std::string& path, std::string_view name,
            const std::function<void(const json::object&)>& take) {
    std::string cursor;
    do {
      const auto page = ask("GET", path + "?limit=100" + cursor);
      if (!page) return false;
      const auto* items = page->if_contains(name);
      if (items && items->is_array())
        for (const auto& item : items->get_array())
          if (item.is_object()) take(item.get_object());
      const auto next = text_of(*page, "next_cursor");
      cursor = next.empty() ? "" : "&cursor=" + codec::percent_encode(next);
    } while (!cursor.empty() && std::ferror(stdout) == 0);
    return true;
  }

  int code = exit_ok;

 private:
  const GlobalOptions& global_;
  const ServiceOptions& service_;
  const std::string token_;
};

/// Runs `work` with the token of `options`.
int with_asker(const GlobalOptions& global, const MemoryOptions& options,
               const std::function<void(Asker&)>& work) {
  const auto token = read_token(options.service);
  if (!token) {
    complain(token.error());
    return exit_usage;
  }
  Asker asker(global, options.service, *token);
  work(asker);
  return asker.code;
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

}  // namespace

int cmd_ls(const GlobalOptions& global, const MemoryOptions& options) {
  return with_asker(global, options, [&](Asker& asker) {
    std::size_t count = 0;
    const bool whole = asker.each(
        std::string(path_of(options)), options.conversation ? "conversations" : "documents",
        [&](const json::object& item) {
          ++count;
          if (global.json) return print_json(item);
          options.conversation ? print_conversation(item) : print_document(item);
        });
    if (whole && count == 0)
      hint(options.conversation ? "this user has no conversation"
                                : "this user has no document; conversations: --conversations");
  });
}

int cmd_show(const GlobalOptions& global, const MemoryOptions& options) {
  return with_asker(global, options, [&](Asker& asker) {
    const auto path = std::string(path_of(options)) + "/" + codec::percent_encode(options.id);
    asker.each(path + (options.conversation ? "/turns" : "/chunks"),
               options.conversation ? "turns" : "chunks", [&](const json::object& item) {
                 if (global.json) return print_json(item);
                 options.conversation ? print_turn(item) : print_chunk(item);
               });
  });
}

int cmd_rm(const GlobalOptions& global, const MemoryOptions& options) {
  return with_asker(global, options, [&](Asker& asker) {
    auto path = std::string(path_of(options)) + "/" + codec::percent_encode(options.id) +
                (options.no_wait ? "?wait=0" : "?wait=30");
    if (!options.before.empty()) path += "&before=" + codec::percent_encode(options.before);
    const auto answer = asker.ask("DELETE", std::move(path));
    if (!answer) return;
    const auto* operation = answer->if_contains("operation");
    if (operation == nullptr || !operation->is_object()) return;
    if (global.json) print_json(*operation);
    const auto& data = operation->get_object();
    const auto state = text_of(data, "state"), id = one_line(options.id, 255);
    if (state == "failed") {
      complain({Errc::internal, "the deletion failed: " + shown_text(data, "error", 200)});
      asker.code = exit_failed;
    } else if (!global.json && state == "queued") {
      std::printf("%s will be deleted (operation %s)\n", id.c_str(),
                  shown_text(data, "id", 60).c_str());
    } else if (!global.json && state == "superseded") {
      std::printf("%s was written anew, and stays\n", id.c_str());
    } else if (!global.json) {
      const auto* deleted = data.if_contains("deleted");
      const auto* counts = deleted ? deleted->if_object() : nullptr;
      const auto* count = counts ? counts->if_contains("chunks") : nullptr;
      const auto chunks = count && count->is_int64() ? count->get_int64() : 0;
      std::printf("deleted %s of %s\n",
                  count_of(static_cast<std::size_t>(chunks), "chunk").c_str(), id.c_str());
    }
  });
}

}  // namespace memseal::app
