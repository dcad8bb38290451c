// Stores files through the running service.
#include "app/cli/console.hpp"
#include "app/cli/progress_line.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/cli/upload_send.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::string text_of_time(std::chrono::milliseconds took) {
  if (took < std::chrono::seconds(10)) return std::to_string(took.count()) + " ms";
  return std::to_string(took.count() / 1'000) + " s";
}

/// "stored, 3 chunks, 120 ms".
std::string text_of_outcome(const UploadOutcome& outcome) {
  std::string text = outcome.state == UploadState::stored ? "stored" : "unchanged";
  const auto state = text_of(outcome.operation, "state");
  const auto chunks = text_of(outcome.operation, "chunks");
  if (state == "succeeded")
    text += ", " + count_of(static_cast<std::size_t>(std::atoll(chunks.c_str())), "chunk");
  else if (!state.empty())
    text += ", indexing is " + one_line(state, 20);
  if (!outcome.index_error.empty())
    text += ", not indexed: " + one_line(text_of(outcome.index_error, "detail"), 300);
  const auto advice = text_of(outcome.index_error, "suggestion");
  if (!advice.empty()) text += " (" + one_line(advice, 300) + ")";
  return text + ", " + text_of_time(outcome.took);
}

const char* name_of(UploadState state) {
  switch (state) {
    case UploadState::stored:
      return "stored";
    case UploadState::unchanged:
      return "unchanged";
    case UploadState::failed:
      return "failed";
    case UploadState::not_sent:
      return "not_sent";
  }
  return "";
}

json::object json_of(const UploadInput& input, const UploadOutcome& outcome) {
  const auto or_null = [](const json::object& object) {
    return object.empty() ? json::value(nullptr) : json::value(object);
  };
  json::object line{{"path", input.path},
                    {"name", input.name},
                    {"state", name_of(outcome.state)},
                    {"file", or_null(outcome.file)},
                    {"operation", or_null(outcome.operation)},
                    {"index_error", or_null(outcome.index_error)},
                    {"error", nullptr},
                    {"ms", outcome.took.count()}};
  if (outcome.error)
    line["error"] =
        json::object{{"code", errc_name(outcome.error->code)}, {"message", outcome.error->message}};
  return line;
}

/// Says what became of each file, and of all together.
class UploadReport {
 public:
  UploadReport(const GlobalOptions& global, const UploadInputs& inputs)
      : global_(global), inputs_(inputs), progress_(shows_progress(global) && !global.json) {
    for (const auto& file : inputs.files) bytes_ += file.bytes;
  }

  void take(std::size_t index, const UploadOutcome& outcome) {
    const auto& input = inputs_.files[index];
    ++counts_[static_cast<std::size_t>(outcome.state)];
    ++ended_;
    progress_.clear();
    // What was not sent has no line of its own: thousands of them would hide the cause.
    if (global_.json) {
      print_json(json_of(input, outcome));
    } else if (outcome.state == UploadState::stored || outcome.state == UploadState::unchanged) {
      const auto path = one_line(input.path, 300), id = one_line(text_of(outcome.file, "id"), 60);
      std::printf("%s: %s (%s)\n", path.c_str(), text_of_outcome(outcome).c_str(), id.c_str());
    }
    if (outcome.error) complain(*outcome.error);
    if (outcome.exit_code == exit_ok) return;
    ++failed_;
    exit_code_ = std::max(exit_code_, outcome.exit_code);
  }

  void look(std::uint64_t sent) {
    const auto part =
        bytes_ == 0 ? 1.0 : std::min(1.0, static_cast<double>(sent) / static_cast<double>(bytes_));
    constexpr std::size_t width = 24;
    const auto full = static_cast<std::size_t>(part * width);
    progress_.show("[" + std::string(full, '#') + std::string(width - full, ' ') + "]  " +
                   std::to_string(ended_) + " of " + std::to_string(inputs_.files.size()) +
                   " files, " + megabytes(std::min(sent, bytes_)) + " of " + megabytes(bytes_));
  }

  int end() {
    progress_.clear();
    const auto not_sent = counts_[static_cast<std::size_t>(UploadState::not_sent)];
    if (not_sent > 0)
      hint("not sent: " + count_of(not_sent, "file") + "; the same command goes on");
    if (!global_.quiet && !global_.json && inputs_.files.size() > 1)
      std::fprintf(stderr, "memseal: %zu stored, %zu unchanged, %zu failed\n",
                   counts_[static_cast<std::size_t>(UploadState::stored)],
                   counts_[static_cast<std::size_t>(UploadState::unchanged)], failed_);
    return exit_code_;
  }

 private:
  const GlobalOptions& global_;
  const UploadInputs& inputs_;
  ProgressLine progress_;
  std::uint64_t bytes_ = 0;
  std::size_t counts_[4] = {}, ended_ = 0, failed_ = 0;
  int exit_code_ = exit_ok;
};

int refuse_uploads(const std::vector<Error>& refused) {
  for (const auto& error : refused) complain({error.code, one_line(error.message, 1'000)});
  std::fprintf(stderr, "memseal: nothing was sent\n");
  return exit_failed;
}

/// One way to the service for each upload at one time. Error: bad_config.
Result<std::vector<ServiceLink>> open_links(const Config& config, const ServiceOptions& options,
                                            const std::string& token, std::size_t count) {
  std::vector<ServiceLink> links;
  links.reserve(count);
  while (links.size() < count) {
    auto link = ServiceLink::open(config, options, token);
    if (!link) return link.error();
    links.push_back(std::move(*link));
  }
  return Result<std::vector<ServiceLink>>(std::move(links));
}

}  // namespace

int cmd_upload(const GlobalOptions& global, const UploadOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto token = read_token(options.service);
  if (!token) {
    complain(token.error());
    return exit_usage;
  }
  if (!options.name.empty() && options.files.size() > 1) {
    complain({Errc::bad_request, "--name names one file: give one with it"});
    return exit_usage;
  }
  auto inputs = find_uploads(options.files, options.name);
  if (!global.quiet) report_skipped(inputs.skipped, inputs.hidden);
  if (inputs.files.empty() && inputs.refused.empty())
    inputs.refused.push_back({Errc::bad_request, "no file is left to upload"});
  if (!inputs.refused.empty()) return refuse_uploads(inputs.refused);
  const auto parallel = std::min(static_cast<std::size_t>(options.parallel), inputs.files.size());
  auto links = open_links(*config, options.service, *token, parallel);
  if (!links) {
    complain(links.error());
    return exit_usage;
  }
  StoredFiles known;
  const auto listed =
      each_item(links->front(), files_path, "files", [&known](const json::object& file) {
        auto sha256 = text_of(file, "sha256");
        if (!sha256.empty())
          known.emplace(std::pair(text_of(file, "name"), std::move(sha256)), file);
        return true;
      });
  if (listed.error) {
    complain(*listed.error);
    return listed.exit_code;
  }
  const UploadPlan plan{options.tags, options.index, options.wait};
  UploadReport report(global, inputs);
  std::atomic<std::uint64_t> sent{0};
  send_uploads(
      *links, plan, inputs.files, known, sent,
      [&](std::size_t index, const UploadOutcome& outcome) { report.take(index, outcome); },
      [&] { report.look(sent); });
  return report.end();
}

}  // namespace memseal::app
