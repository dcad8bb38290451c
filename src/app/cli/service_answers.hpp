#pragma once
// What commands ask of the service, and how they read its answers.
#include "app/cli/fetched_file.hpp"
#include "app/cli/http_call.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::app {

inline constexpr const char* files_path = "/api/v1/knowledge/files";
/// Runs `work` with a way to the service. Returns the exit code; a cause of failure was printed.
int with_link(const GlobalOptions& global, const ServiceOptions& options,
              const std::function<int(ServiceLink&)>& work);

/// The path of one file, or of what lies below it: "/content".
std::string path_of_file(const std::string& id, std::string_view below = {});

/// The object that a response holds; empty where it holds none.
std::optional<boost::json::object> object_in(const http_client::Response& response);
/// The member `name` that is an object; empty where there is none.
boost::json::object member_of(const boost::json::object& object, std::string_view name);
/// The Error of a response without an object.
Error no_json();
/// The exit code of a request without a response.
int exit_code_of(const Error& error);

/// A service that has no room says when it will; that is waited for, as long as `goes_on`. What it
/// answers in the end is returned.
Result<http_client::Response> call_patiently(ServiceLink& link, const ServiceRequest& request,
                                             const std::function<bool()>& goes_on);

/// What a request brought.
struct Asked {
  boost::json::object body;    ///< of a response of success
  std::optional<Error> error;  ///< why there is none
  int exit_code = 0;
  boost::json::object members = {};     ///< of a refusal
  std::vector<std::string> hints = {};  ///< of a refusal
};
/// Prints why there is none. Returns the exit code.
int print_failure(const Asked& asked);
/// Asks for JSON, see call_patiently(). The status 204 is an empty object.
Asked ask_for(ServiceLink& link, const ServiceRequest& request,
              const std::function<bool()>& goes_on = [] { return true; });

/// Calls `take` with each object in the member `list` of all pages of `path`, until it returns
/// false.
Asked each_item(ServiceLink& link, const std::string& path, std::string_view list,
                const std::function<bool(const boost::json::object&)>& take,
                const http_client::Headers& headers = {});

/// Fetches what lies at `path` into `fetched`, and gives it its name once `is_whole` finds nothing
/// amiss. `seen` is called with each piece. Shows progress. Returns the exit code; a cause of
/// failure was printed.
int fetch_content(const GlobalOptions& global, ServiceLink& link, const std::string& path,
                  FetchedFile& fetched, const std::function<void(std::string_view)>& seen,
                  const std::function<Result<void>()>& is_whole);

/// The files that the user has: (name, SHA-256 in hex) → the service's member `file`.
using StoredFiles = std::map<std::pair<std::string, std::string>, boost::json::object>;

}  // namespace memseal::app
