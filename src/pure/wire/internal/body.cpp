#include "pure/wire/internal/body.hpp"

#include "base/limits.hpp"

#include <string>

namespace memseal::wire {

Result<json::object> object_of(std::string_view body) {
  // The listener knows the limit that is set; this is the most that can be set.
  if (body.size() > limits::http_body_bytes_wall)
    return Error{Errc::payload_too_large,
                 "a body has at most " + std::to_string(limits::http_body_bytes_wall) + " bytes"};
  auto parsed = codec::parse_json(body, Errc::bad_json);
  if (!parsed) return parsed.error();
  auto* object = parsed->if_object();
  if (object == nullptr) return Error{Errc::bad_json, "must be a JSON object"};
  return std::move(*object);
}

}  // namespace memseal::wire
