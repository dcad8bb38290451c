#include "app/cli/console.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/model_paths.hpp"

#include "adapters/model/inspect.hpp"
#include "runtime/context.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace memseal::app {

namespace json = boost::json;
namespace fs = std::filesystem;
using model::ModelInfo;

namespace {

const char* kind_of(const ModelInfo& info) {
  return model::is_cross_encoder(info) ? "cross-encoder" : "embedder";
}

std::uintmax_t bytes_of(const fs::path& directory) {
  std::error_code code;
  std::uintmax_t sum = 0;
  for (fs::recursive_directory_iterator entry(directory, code), end; !code && entry != end;
       entry.increment(code))
    if (std::error_code ignored; entry->is_regular_file(ignored))
      if (const auto size = entry->file_size(ignored); !ignored) sum += size;
  return sum;
}

std::string millions(std::size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f M", static_cast<double>(number) / 1e6);
  return text;
}

std::string mebibytes(std::uintmax_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

json::object to_json(const ModelInfo& info, const fs::path& directory) {
  json::object object{{"name", info.name},
                      {"kind", kind_of(info)},
                      {"architecture", info.architecture},
                      {"layers", info.layers},
                      {"hidden", info.hidden},
                      {"heads", info.heads},
                      {"parameters", info.parameters},
                      {"tokens_max", info.tokens_max},
                      {"vocabulary", info.vocabulary},
                      {"bytes", bytes_of(directory)},
                      {"path", directory.string()}};
  if (!info.backend.empty()) {
    object["backend"] = info.backend;
    object["isa"] = info.isa;
  }
  return object;
}

/// Every directory that a name finds. Of several with one name, the first hides the others.
std::vector<fs::path> known_models() {
  std::vector<fs::path> found;
  std::set<std::string> names;
  for (const auto& place : model_places()) {
    std::error_code code;
    std::set<fs::path> here;
    for (fs::directory_iterator entry(place, code), end; !code && entry != end;
         entry.increment(code))
      if (std::error_code ignored; entry->is_directory(ignored)) here.insert(entry->path());
    for (const auto& directory : here)
      if (std::error_code ignored; names.insert(directory.filename().string()).second)
        found.push_back(fs::weakly_canonical(directory, ignored));
  }
  return found;
}

int not_found(const Error& error) {
  complain(error);
  hint("`memseal models list` shows the models that a name finds");
  return exit_usage;
}

void print_field(const char* name, const std::string& value) {
  std::printf("%-13s %s\n", name, value.c_str());
}

void print_models(const std::vector<ModelInfo>& models, const std::vector<fs::path>& paths) {
  std::size_t widest = 4;
  for (const auto& info : models) widest = std::max(widest, info.name.size());
  const auto width = static_cast<int>(widest);
  std::printf("%-*s  %-13s  %-10s  %10s  %6s  %10s  %s\n", width, "name", "kind", "shape",
              "parameters", "tokens", "size", "path");
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto& info = models[i];
    const auto shape = std::to_string(info.layers) + " x " + std::to_string(info.hidden);
    std::printf("%-*s  %-13s  %-10s  %10s  %6zu  %10s  %s\n", width, info.name.c_str(),
                kind_of(info), shape.c_str(), millions(info.parameters).c_str(), info.tokens_max,
                mebibytes(bytes_of(paths[i])).c_str(), paths[i].c_str());
  }
}

const char* verdict(const model::Agreement& found) {
  if (found.agrees) return "the numbers are those of double precision, within the tolerance";
  if (!found.finite)
    return "this backend gives numbers that are not finite; do not serve this model";
  return "this backend's numbers differ from double precision; do not serve this model";
}

void print_agreement(const model::Agreement& found) {
  const auto& info = found.info;
  print_field("model", info.describe());
  print_field("probe",
              count_of(found.sequences, "sequence") + ", " + count_of(found.tokens, "token"));
  std::printf("%-13s %.3g of a %s (at most %.3g)\n", "max |delta|", found.delta_max,
              model::is_cross_encoder(info) ? "logit" : "vector's number", found.tolerance);
  std::printf("%s: %s\n", found.agrees ? "sound" : "WRONG", verdict(found));
}

}  // namespace

int cmd_models_list(const GlobalOptions& global) {
  std::vector<ModelInfo> sound;
  std::vector<fs::path> paths;
  json::array all;
  for (const auto& directory : known_models()) {
    const auto info = model::inspect(directory);
    if (!info) {
      if (global.json)
        all.push_back(json::object{{"name", directory.filename().string()},
                                   {"path", directory.string()},
                                   {"error", info.error().message}});
      else
        complain(info.error());
      continue;
    }
    all.push_back(to_json(*info, directory));
    sound.push_back(*info);
    paths.push_back(directory);
  }
  if (global.json) {
    print_json(all);
  } else if (!sound.empty()) {
    print_models(sound, paths);
  } else {
    std::printf("no models; looked in");
    for (const auto& place : model_places()) std::printf(" %s", place.lexically_normal().c_str());
    std::printf("\nput a Hugging Face directory into one of them, or set MEMSEAL_MODELS\n");
  }
  return exit_ok;
}

int cmd_models_show(const GlobalOptions& global, const std::string& name) {
  const auto directory = find_model(name);
  if (!directory) return not_found(directory.error());
  const auto start = runtime::Clock::now();
  const auto loaded = model::Workload::load(*directory);
  const std::chrono::duration<double, std::milli> took = runtime::Clock::now() - start;
  if (!loaded) {
    complain(loaded.error());
    return exit_failed;
  }
  const auto& info = loaded->info();
  if (global.json) {
    auto object = to_json(info, *directory);
    object["load_ms"] = took.count();
    print_json(object);
    return exit_ok;
  }
  print_field("name", info.name);
  print_field("kind", std::string(kind_of(info)) + " (" + info.architecture + ")");
  print_field("shape", count_of(info.layers, "layer") + " x " + std::to_string(info.hidden) + ", " +
                           count_of(info.heads, "head"));
  print_field("parameters", millions(info.parameters));
  print_field("tokens", std::to_string(info.tokens_max) + " at most, special ones included");
  print_field("vocabulary", std::to_string(info.vocabulary) + " tokens");
  print_field("computed by", info.backend + "/" + info.isa);
  print_field("ready in", std::to_string(std::llround(took.count())) + " ms");
  print_field("size", mebibytes(bytes_of(*directory)));
  print_field("path", directory->string());
  print_field("use it by", env_name(model::is_cross_encoder(info) ? "rerank.model"
                                                                  : "embedding.model") +
                               "=" + name);
  return exit_ok;
}

int cmd_models_verify(const GlobalOptions& global, const std::string& name,
                      const std::string& device) {
  const auto directory = find_model(name);
  if (!directory) return not_found(directory.error());
  const auto report_step = [&](std::string_view step) {
    if (shows_progress(global))
      std::fprintf(stderr, "%.*s …\n", static_cast<int>(step.size()), step.data());
  };
  const auto found =
      model::verify(*directory, report_step, {.device = *model::parse_device(device)});
  if (!found) {
    complain(found.error());
    if (global.json)
      print_failed_report({{"ok", false}, {"path", directory->string()}}, found.error(),
                          exit_failed);
    return exit_failed;
  }
  if (global.json) {
    auto object = to_json(found->info, *directory);
    object["ok"] = found->agrees;
    object["finite"] = found->finite;
    object["delta_max"] = found->delta_max;
    object["tolerance"] = found->tolerance;
    object["probe_sequences"] = found->sequences;
    object["probe_tokens"] = found->tokens;
    if (found->agrees)
      print_json(object);
    else
      print_failed_report(std::move(object), {Errc::model_invalid, verdict(*found)}, exit_failed);
  } else {
    print_agreement(*found);
  }
  return found->agrees ? exit_ok : exit_failed;
}

}  // namespace memseal::app
