// Writes everything that is stored of a user, through the running service.
#include "app/cli/console.hpp"
#include "app/cli/export_check.hpp"
#include "app/cli/fetched_file.hpp"
#include "app/cli/service_answers.hpp"
#include "app/cli/terminal_text.hpp"

#include <boost/json/object.hpp>

#include <unistd.h>

#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

int cmd_export(const GlobalOptions& global, const ExportOptions& options) {
  // A terminal obeys characters that a stranger's text may hold, and --json has its own output.
  if (options.output.empty() && (global.json || ::isatty(STDOUT_FILENO) != 0)) {
    complain({Errc::bad_request, "the export goes to a file: give one with -o, or use a pipe"});
    return exit_usage;
  }
  return with_link(global, options.service, [&](ServiceLink& link) {
    auto fetched = FetchedFile::open(options.output);
    if (!fetched) return print_failure({{}, fetched.error(), exit_usage});
    ExportCheck check;
    const int code = fetch_content(
        global, link, "/api/v1/me/export", *fetched,
        [&](std::string_view piece) { check.add(piece); }, [&] { return check.finish(); });
    if (code != exit_ok) return code;
    if (global.json)
      print_json(json::object{{"path", options.output}, {"lines", check.lines()}});
    else if (!options.output.empty() && !global.quiet)
      std::fprintf(stderr, "memseal: wrote %s to %s\n",
                   count_of(static_cast<std::size_t>(check.lines()), "line").c_str(),
                   one_line(options.output, 1'000).c_str());
    return code;
  });
}

}  // namespace memseal::app
