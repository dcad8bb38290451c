// Lists, shows, fetches and deletes a user's files, through the running service.
#include "app/cli/citation.hpp"
#include "app/cli/console.hpp"
#include "app/cli/fetched_file.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/url.hpp"
#include "pure/wire/file_request.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::string line_of(const json::object& file, std::string_view key, std::size_t bytes_max) {
  return one_line(text_of(file, key), bytes_max);
}

void print_file_line(const json::object& file) {
  auto time = line_of(file, "created_at", 40).substr(0, 16);
  if (time.size() > 10) time[10] = ' ';
  std::printf("%s  %11s  %s  %s\n", time.c_str(), line_of(file, "bytes", 20).c_str(),
              line_of(file, "id", 60).c_str(), line_of(file, "name", 255).c_str());
}

void print_facts(const json::object& file) {
  std::string tags;
  const auto* list = file.if_contains("tags");
  if (list != nullptr && list->is_array())
    for (const auto& tag : list->get_array())
      if (tag.is_string()) {
        if (!tags.empty()) tags += ", ";
        tags += one_line(std::string(tag.get_string()), 64);
      }
  for (const auto* key : {"id", "name", "media_type", "bytes", "sha256", "created_at"})
    std::printf("%-10s  %s\n", key, line_of(file, key, 300).c_str());
  std::printf("%-10s  %s\n", "tags", tags.c_str());
}

void print_piece(const json::object& chunk) {
  const auto place = citation_of(chunk);
  std::printf("[%s-%s]%s%s\n%s\n", line_of(chunk, "char_start", 20).c_str(),
              line_of(chunk, "char_end", 20).c_str(), place.empty() ? "" : " ", place.c_str(),
              escape_controls(text_of(chunk, "text")).c_str());
}

Asked file_of(ServiceLink& link, const std::string& id) {
  const ServiceRequest request{.path = path_of_file(id)};
  auto asked = ask_for(link, request);
  if (!asked.error) asked.body = member_of(asked.body, "file");
  return asked;
}

/// A directory gets the file under its own name, of which a stranger decides nothing but the last
/// part.
Result<std::string> place_of(const std::string& output, const std::string& name) {
  std::error_code unknown;
  if (output.empty() || !std::filesystem::is_directory(output, unknown)) return output;
  const std::string last(wire::last_of_path(name));
  if (last.empty() || last == "." || last == "..")
    return Error{Errc::bad_request,
                 "the name of this file cannot be used here: give one with -o"};
  return (std::filesystem::path(output) / last).string();
}

/// Whether what arrived is what was stored.
Result<void> check_whole(const json::object& file, FetchedFile& fetched) {
  const auto bytes = std::to_string(fetched.bytes());
  const auto wanted = text_of(file, "bytes");
  if (bytes != wanted)
    return Error{Errc::unavailable,
                 bytes + " bytes arrived and " + wanted + " were stored; ask again"};
  const auto sha256 = text_of(file, "sha256");
  if (!sha256.empty() && sha256 != fetched.sha256())
    return Error{Errc::open_failed, "what arrived has another SHA-256 than what was stored"};
  return {};
}

/// Asks the person at the terminal.
bool confirms(const json::object& file) {
  std::fprintf(stderr, "memseal: delete %s (%s)? [y/N] ", line_of(file, "name", 255).c_str(),
               line_of(file, "id", 60).c_str());
  std::fflush(stderr);
  char answer[16] = {};
  if (std::fgets(answer, sizeof answer, stdin) == nullptr) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

int remove_one(const GlobalOptions& global, const FilesOptions& options, ServiceLink& link,
               const std::string& id) {
  const auto file = file_of(link, id);
  if (file.error) return print_failure(file);
  if (!options.yes && !confirms(file.body)) {
    hint(one_line(id, 60) + " stays");
    return exit_ok;
  }
  const ServiceRequest request{.method = "DELETE", .path = path_of_file(id)};
  const auto removed = ask_for(link, request);
  if (removed.error) return print_failure(removed);
  if (global.json)
    print_json(json::object{{"id", id}, {"deleted", true}});
  else
    std::printf("deleted %s (%s)\n", line_of(file.body, "name", 255).c_str(),
                one_line(id, 60).c_str());
  return exit_ok;
}

}  // namespace

int cmd_files_list(const GlobalOptions& global, const FilesOptions& options) {
  return with_link(global, options.service, [&](ServiceLink& link) {
    std::string tags;
    for (const auto& tag : options.tags)
      tags += (tags.empty() ? "" : ",") + codec::percent_encode(tag);
    http_client::Headers headers;
    if (!tags.empty()) headers.emplace_back("X-Memseal-Tags", tags);
    std::size_t count = 0;
    const auto print = [&](const json::object& file) {
      ++count;
      global.json ? print_json(file) : print_file_line(file);
      return std::ferror(stdout) == 0;
    };
    const auto asked = each_item(link, files_path, "files", print, headers);
    if (asked.error) return print_failure(asked);
    if (count == 0) hint(tags.empty() ? "this user has no file" : "no file has these tags");
    return static_cast<int>(exit_ok);
  });
}

int cmd_files_show(const GlobalOptions& global, const FilesOptions& options) {
  return with_link(global, options.service, [&](ServiceLink& link) {
    if (!options.chunks) {
      const auto file = file_of(link, options.id);
      if (file.error) return print_failure(file);
      global.json ? print_json(file.body) : print_facts(file.body);
      return static_cast<int>(exit_ok);
    }
    std::size_t count = 0;
    const auto print = [&](const json::object& chunk) {
      ++count;
      global.json ? print_json(chunk) : print_piece(chunk);
      return std::ferror(stdout) == 0;
    };
    const auto asked = each_item(link, path_of_file(options.id, "/chunks"), "chunks", print);
    if (asked.error) return print_failure(asked);
    if (count == 0) hint("the file has no text that can be found: `memseal upload --index`");
    return static_cast<int>(exit_ok);
  });
}

int cmd_files_get(const GlobalOptions& global, const FilesOptions& options) {
  // A terminal obeys bytes that a file of a stranger may hold, and --json has its own output.
  if (options.output.empty() && (global.json || ::isatty(STDOUT_FILENO) != 0)) {
    complain({Errc::bad_request, "the content goes to a file: give one with -o, or use a pipe"});
    return exit_usage;
  }
  return with_link(global, options.service, [&](ServiceLink& link) {
    const auto file = file_of(link, options.id);
    if (file.error) return print_failure(file);
    const auto place = place_of(options.output, text_of(file.body, "name"));
    if (!place) return print_failure({{}, place.error(), exit_usage});
    auto fetched = FetchedFile::open(*place);
    if (!fetched) return print_failure({{}, fetched.error(), exit_usage});
    const int code =
        fetch_content(global, link, path_of_file(text_of(file.body, "id"), "/content"), *fetched,
                      [](std::string_view) {}, [&] { return check_whole(file.body, *fetched); });
    if (code != exit_ok) return code;
    if (global.json)
      print_json(json::object{{"path", *place}, {"file", file.body}});
    else if (!place->empty() && !global.quiet)
      std::fprintf(stderr, "memseal: wrote %s\n", one_line(*place, 1'000).c_str());
    return code;
  });
}

int cmd_files_rm(const GlobalOptions& global, const FilesOptions& options) {
  if (!options.yes && (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0)) {
    complain({Errc::bad_request, "without a terminal nobody can be asked: give --yes"});
    return exit_usage;
  }
  return with_link(global, options.service, [&](ServiceLink& link) {
    int code = exit_ok;
    for (const auto& id : options.ids)
      if (const int failure = remove_one(global, options, link, id); failure != exit_ok)
        code = failure;
    return code;
  });
}

}  // namespace memseal::app
