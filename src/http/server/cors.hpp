#pragma once
// Which web pages may read the answers (Fetch standard, "CORS protocol"). Pure.
#include "http/server/message.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace memseal::http {

/// The origins of a comma-separated list. Errors: bad_config for what no browser sends as an
/// origin, such as `*`, a host without its scheme, or a URL with a path.
Result<std::vector<std::string>> parse_origins(std::string_view list);

/// Adds the fields that let a page of one of `origins` read the answer to `head`. A page of another
/// origin gets none, so that the browser keeps the answer from it. Origins are compared byte by
/// byte, as browsers send them: `https://app.example`.
void add_cors_fields(const std::vector<std::string>& origins, const RequestHead& head,
                     std::vector<OutField>& fields);

/// Adds the fields that answer a preflight request of a page of one of `origins`. `methods` is the
/// value of the Allow field of the path.
void add_preflight_fields(const std::vector<std::string>& origins, const RequestHead& head,
                          std::string_view methods, std::vector<OutField>& fields);

}  // namespace memseal::http
