#include "adapters/model/hub/listing.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace memseal::model {

namespace json = boost::json;

namespace {

constexpr std::size_t name_bytes_max = 96;

/// One half of "owner/name".
bool is_part(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= name_bytes_max && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), allowed);
}

bool is_repository(std::string_view text) {
  const auto slash = text.find('/');
  return slash != text.npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

Error invalid(const char* what) { return {Errc::model_invalid, what}; }

std::string text_in(const json::object& object, std::string_view key) {
  const auto* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// The members of a JSON object. Repeated keys are refused, because readers differ about them.
Result<json::object> object_in(std::string_view text) {
  auto value = codec::parse_json(text, Errc::model_invalid);
  if (!value) return invalid("is no JSON");
  if (!value->is_object()) return invalid("is no JSON object");
  return std::move(value->get_object());
}

std::optional<std::uint64_t> number_of(std::string_view digits) noexcept {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

bool is_known(std::string_view name) {
  return std::find(hub_files().begin(), hub_files().end(), name) != hub_files().end();
}

std::optional<LockedFile> locked_file(const json::value& value) {
  if (!value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  LockedFile file{text_in(object, "name"), text_in(object, "sha256")};
  const auto* const bytes = object.if_contains("bytes");
  if (!is_known(file.name) || !is_hex(file.sha256, 64) || bytes == nullptr || !bytes->is_int64() ||
      bytes->get_int64() < 0)
    return std::nullopt;
  file.bytes = static_cast<std::uint64_t>(bytes->get_int64());
  return file;
}

}  // namespace

const std::vector<std::string>& hub_files() {
  static const std::vector<std::string> names{"config.json",           "vocab.txt",
                                              "tokenizer.json",        "tokenizer_config.json",
                                              "modules.json",          "sentence_bert_config.json",
                                              "1_Pooling/config.json", "model.safetensors"};
  return names;
}

bool is_hex(std::string_view text, std::size_t digits) noexcept {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::optional<std::string> repository_of(std::string_view name) {
  if (name.find('/') != name.npos)
    return is_repository(name) ? std::optional(std::string(name)) : std::nullopt;
  for (const std::string_view known :
       {"sentence-transformers/all-MiniLM-L6-v2", "cross-encoder/ms-marco-TinyBERT-L2-v2",
        "cross-encoder/ms-marco-MiniLM-L2-v2", "cross-encoder/ms-marco-MiniLM-L4-v2",
        "cross-encoder/ms-marco-MiniLM-L6-v2", "cross-encoder/ms-marco-MiniLM-L12-v2"})
    if (known.substr(known.find('/') + 1) == name) return std::string(known);
  return std::nullopt;
}

std::optional<std::string> missing_in(const std::vector<std::string>& files) {
  const auto has = [&](std::string_view name) {
    return std::find(files.begin(), files.end(), name) != files.end();
  };
  if (!has("config.json") || !has("model.safetensors"))
    return "has no config.json or no model.safetensors, which memseal needs";
  if (!has("vocab.txt") && !has("tokenizer.json"))
    return "has neither vocab.txt nor tokenizer.json";
  return std::nullopt;
}

ContentRange parse_content_range(std::string_view field) noexcept {
  constexpr std::string_view unit = "bytes ";
  const auto dash = field.find('-'), slash = field.find('/');
  if (!field.starts_with(unit) || slash == field.npos) return {};
  return {dash < slash ? number_of(field.substr(unit.size(), dash - unit.size())) : std::nullopt,
          number_of(field.substr(slash + 1))};
}

Result<HubListing> parse_hub_listing(std::string_view text) {
  const auto object = object_in(text);
  if (!object) return object.error();
  HubListing listing{text_in(*object, "sha"), {}};
  // The commit, not the branch: files of two commits must not be mixed while somebody pushes.
  if (!is_hex(listing.revision, 40)) return invalid("names no commit");
  const auto* const siblings = object->if_contains("siblings");
  if (siblings == nullptr || !siblings->is_array()) return invalid("lists no files");
  std::vector<std::string> all;
  for (const auto& sibling : siblings->get_array())
    if (sibling.is_object()) all.push_back(text_in(sibling.get_object(), "rfilename"));
  for (const auto& wanted : hub_files())
    // Only the files that memseal reads. A repository may also hold code, which must not come
    // along.
    if (std::find(all.begin(), all.end(), wanted) != all.end()) listing.files.push_back(wanted);
  if (const auto missing = missing_in(listing.files)) return invalid(missing->c_str());
  return listing;
}

const LockedFile* ModelLock::find(std::string_view name) const noexcept {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const LockedFile& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

Result<ModelLock> parse_model_lock(std::string_view text) {
  const auto object = object_in(text);
  if (!object) return object.error();
  ModelLock lock{text_in(*object, "repository"), text_in(*object, "revision"), {}};
  if (!is_repository(lock.repository)) return invalid("names no repository");
  if (!is_hex(lock.revision, 40)) return invalid("names no commit");
  const auto* const files = object->if_contains("files");
  if (files == nullptr || !files->is_array()) return invalid("lists no files");
  for (const auto& value : files->get_array()) {
    auto file = locked_file(value);
    // Two lines for one file could name two contents, and either would be "locked".
    if (!file || lock.find(file->name) != nullptr)
      return invalid("lists a file without name, SHA-256 and size, or one of them twice");
    lock.files.push_back(std::move(*file));
  }
  return lock;
}

std::string to_json(const ModelLock& lock) {
  json::array files;
  for (const auto& file : lock.files)
    files.push_back(json::object{{"name", file.name},
                                 {"sha256", file.sha256},
                                 {"bytes", static_cast<std::int64_t>(file.bytes)}});
  return json::serialize(json::object{
             {"repository", lock.repository}, {"revision", lock.revision}, {"files", files}}) +
         "\n";
}

}  // namespace memseal::model
