#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/hub_client.hpp"
#include "app/cli/model_pull.hpp"
#include "app/cli/progress_line.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/model_paths.hpp"
#include "app/config/text_file.hpp"

#include <boost/json/object.hpp>

#include <unistd.h>

#include <cstdio>

namespace memseal::app {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr const char* hub_address = "https://huggingface.co";

/// The folder that names are looked for in and that can be written.
Result<fs::path> place_for_models(const std::string& given) {
  if (!given.empty()) return fs::path(given);
  if (const auto own = hub_environment("MEMSEAL_MODELS"); !own.empty()) return fs::path(own);
  std::error_code none;
  for (const auto& place : model_places())
    if (fs::is_directory(place, none) && ::access(place.c_str(), W_OK) == 0)
      return fs::weakly_canonical(place, none);
  return Error{Errc::bad_config,
               "there is no folder for models that can be written: set MEMSEAL_MODELS, or give "
               "--to DIR",
               "--to"};
}

Result<ModelSource> source_of(const PullOptions& options) {
  ModelSource source{.endpoint = hub_environment("HF_ENDPOINT"), .revision = options.revision};
  if (source.endpoint.empty()) source.endpoint = hub_address;
  while (source.endpoint.ends_with('/')) source.endpoint.pop_back();
  if (!options.lock.empty()) {
    const auto text = read_text_file(options.lock, 1 << 16);
    if (!text) return text.error();
    auto lock = model::parse_model_lock(*text);
    if (!lock) return Error{Errc::bad_config, options.lock + " " + lock.error().message, "--lock"};
    source.lock = std::move(*lock);
  }
  const auto repository = options.model.empty() && source.lock
                              ? std::optional(source.lock->repository)
                              : model::repository_of(options.model);
  if (!repository)
    return Error{Errc::bad_config, "\"" + options.model +
                                       "\" is no model of a hub: give OWNER/NAME, as the hub "
                                       "shows it"};
  if (source.lock && source.lock->repository != *repository)
    return Error{Errc::bad_config, options.lock + " is of " + source.lock->repository, "--lock"};
  source.repository = *repository;
  if (!options.token_file.empty()) {
    auto token = read_token({.token_file = options.token_file});
    if (!token) return token.error();
    source.token = std::move(*token);
  } else {
    source.token = hub_environment("HF_TOKEN");
  }
  return source;
}

void print_fact(const char* name, const std::string& value) {
  std::printf("%-5s %s\n", name, value.c_str());
}

int exit_code_of(Errc code) {
  switch (code) {
    case Errc::unavailable:
    case Errc::timeout:
      return exit_not_ready;
    case Errc::unauthenticated:
      return exit_denied;
    case Errc::not_found:
      return exit_not_found;
    case Errc::bad_config:
      return exit_usage;
    default:
      return exit_failed;
  }
}

int tell_pulled(const GlobalOptions& global, const model::ModelLock& lock,
                const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& file : lock.files) bytes += file.bytes;
  if (global.json) {
    print_json(json::object{{"name", directory.filename().string()},
                            {"path", directory.string()},
                            {"repository", lock.repository},
                            {"revision", lock.revision},
                            {"files", lock.files.size()},
                            {"bytes", bytes}});
    return exit_ok;
  }
  print_fact("name", directory.filename().string());
  print_fact("from", lock.repository + " at " + lock.revision);
  print_fact("size", megabytes(bytes) + " in " + count_of(lock.files.size(), "file"));
  print_fact("path", directory.string());
  hint("check it with `memseal models verify " + directory.filename().string() + "`");
  return exit_ok;
}

}  // namespace

int cmd_models_pull(const GlobalOptions& global, const PullOptions& options) {
  const auto fail = [](const Error& error) {
    complain(error);
    return exit_code_of(error.code);
  };
  const auto source = source_of(options);
  if (!source) return fail(source.error());
  const auto place = place_for_models(options.to);
  if (!place) return fail(place.error());
  const auto directory = *place / source->repository.substr(source->repository.find('/') + 1);
  std::error_code none;
  if (fs::exists(directory, none))
    return fail(
        {Errc::bad_config, directory.string() + " is there already: remove it to fetch it again"});
  fs::create_directories(*place, none);
  ProgressLine line(shows_progress(global));
  const auto pulled = pull_model(
      *source, directory, [&](const std::string& name, std::uint64_t bytes, std::uint64_t whole) {
        line.show(name + ": " + megabytes(bytes) + (whole == 0 ? "" : " of " + megabytes(whole)));
      });
  line.clear();
  if (pulled) return tell_pulled(global, *pulled, directory);
  const int code = fail(pulled.error());
  if (code == exit_not_ready) hint(how_by_hand(*source, directory));
  return code;
}

}  // namespace memseal::app
