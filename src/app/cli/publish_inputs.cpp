#include "app/cli/publish_inputs.hpp"

#include "app/cli/document_text.hpp"
#include "app/cli/publish_long_text.hpp"
#include "app/config/text_file.hpp"
#include "base/limits.hpp"
#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>

namespace memseal::app {

namespace fs = std::filesystem;

namespace {

/// UTF-16 takes up to twice the bytes of the UTF-8 that it becomes.
constexpr std::size_t file_bytes_max = 2 * limits::referenced_text_bytes_max;
/// All texts of one call are checked before the first is sent, so they lie in memory together.
constexpr std::size_t call_bytes_max = std::size_t{256} << 20;

constexpr std::size_t not_kept = SIZE_MAX;

Error refusal(std::string sentence) { return {Errc::bad_request, std::move(sentence)}; }

/// Whether an event may carry this name of a file.
bool is_fit(const std::string& name) { return codec::is_utf8(name) && !codec::has_control(name); }

/// Collects the documents of one call.
class Reader {
 public:
  explicit Reader(std::string doc_id) : doc_id_(std::move(doc_id)) {}

  void read(const std::string& path) {
    std::error_code failure;
    if (path != "-" && fs::is_directory(path, failure))
      walk(path);
    else if (auto document = open(path))
      add(std::move(*document));
    else
      inputs.refused.push_back(document.error());
  }

  Inputs inputs;

 private:
  void walk(const std::string& directory) {
    if (!doc_id_.empty())
      return inputs.refused.push_back(
          refusal("--doc-id names one document, and " + directory + " is a directory"));
    auto found = walk_directory(directory, FileLinks::read);
    inputs.hidden += found.hidden;
    std::ranges::move(found.skipped, std::back_inserter(inputs.skipped));
    std::size_t texts = 0;
    for (const auto& path : found.files)
      if (read_walked(path)) ++texts;
    if (!found.failure.empty())
      inputs.refused.push_back(refusal(std::move(found.failure)));
    else if (texts == 0)
      inputs.refused.push_back(refusal(directory + " holds no text file"));
  }

  /// Returns whether the file holds a document.
  bool read_walked(const std::string& path) {
    auto document = open(path);
    if (document) {
      document->walked = true;
      add(std::move(*document));
      return true;
    }
    auto why = document.error().message;
    if (why.starts_with(path + " ")) why.erase(0, path.size() + 1);
    inputs.skipped.push_back({path, std::move(why)});
    return false;
  }

  Result<InputDocument> open(const std::string& path) {
    const bool standard_input = path == "-";
    if (standard_input && doc_id_.empty())
      return refusal("standard input has no name: give the document one with --doc-id");
    const auto label = standard_input ? std::string("standard input") : path;
    const auto name = doc_id_.empty() ? document_path(path) : doc_id_;
    if (!codec::is_utf8(name))
      return refusal(label + " has a name that is not UTF-8: use --doc-id");
    auto doc_id = DocId::parse(name);
    if (!doc_id)
      return refusal(label + " gives no document id (" + doc_id.error().message +
                     "): use --doc-id");
    auto bytes = read_input(path, file_bytes_max, way_of_longest_text());
    if (!bytes) return bytes.error();
    auto text = document_text(std::move(*bytes));
    if (!text) return refusal(label + " " + text.error().message);
    auto file_name = fs::path(path).filename().string();
    const bool named_by_id = standard_input || !is_fit(file_name);
    return InputDocument{label, std::move(*doc_id), named_by_id ? name : std::move(file_name),
                         std::move(*text)};
  }

  void add(InputDocument document) {
    const auto [known, fresh] = seen_.emplace(document.doc_id.value(), not_kept);
    if (!fresh) {
      // The same file twice. A file that is named, too, must not be skipped for a fault.
      if (known->second != not_kept && !document.walked)
        inputs.documents[known->second].walked = false;
      return;
    }
    bytes_ += document.text.size();
    if (bytes_ > call_bytes_max && !full_) {
      full_ = true;
      inputs.refused.push_back(refusal("the texts have more than " +
                                       std::to_string(call_bytes_max) +
                                       " bytes together: publish them in several calls"));
    }
    if (full_) return;
    known->second = inputs.documents.size();
    inputs.documents.push_back(std::move(document));
  }

  const std::string doc_id_;
  std::map<std::string, std::size_t> seen_;  ///< document id → index in `documents`, or not_kept
  std::size_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace

std::string document_path(const std::string& path) {
  std::error_code failure;
  const auto working = fs::current_path(failure);
  const auto full = fs::absolute(path, failure).lexically_normal();
  // The folder's links are followed, because $PWD may name the working directory by one. The file's
  // own are not: it is called what it was called.
  auto folder = fs::weakly_canonical(full.parent_path(), failure);
  if (failure) folder = full.parent_path();
  const auto place = folder / full.filename();
  const auto relative = place.lexically_relative(working);
  const bool below = !relative.empty() && *relative.begin() != "..";
  return below ? relative.string() : place.string();
}

namespace {

/// Waits without a limit, as `cat` does: a person may be typing.
Result<std::string> read_standard_input(std::size_t bytes_max) {
  std::string bytes;
  char part[65'536];
  while (bytes.size() <= bytes_max) {
    const auto got = std::fread(part, 1, sizeof part, stdin);
    bytes.append(part, got);
    if (got == 0) break;
  }
  if (std::ferror(stdin) == 0) return bytes;
  return refusal("cannot read standard input: " + std::generic_category().message(errno));
}

}  // namespace

Result<std::string> read_input(const std::string& path, std::size_t bytes_max,
                               const std::string& limit) {
  const bool standard_input = path == "-";
  auto bytes =
      standard_input ? read_standard_input(bytes_max) : read_file_start(path, bytes_max);
  if (!bytes) return refusal(bytes.error().message);
  if (bytes->size() <= bytes_max) return bytes;
  std::error_code failure;
  const auto size = standard_input ? 0 : fs::file_size(path, failure);
  const auto label = standard_input ? std::string("standard input") : path;
  const auto seen = failure || size == 0 ? bytes->size() : size;
  return refusal(label + " has " + std::to_string(seen) + " bytes, and " + limit);
}

Inputs read_inputs(const std::vector<std::string>& paths, const std::string& doc_id) {
  Reader reader(doc_id);
  for (const auto& path : paths) reader.read(path);
  return std::move(reader.inputs);
}

}  // namespace memseal::app
