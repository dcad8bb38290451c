#pragma once
// The address of an embedding endpoint.
#include "base/result.hpp"
#include "pure/codec/url.hpp"

#include <string>

namespace memseal::openai {

/// Errors: bad_config. The message is a clause without a subject ("must begin with …").
Result<codec::Url> parse_endpoint(const std::string& text);

}  // namespace memseal::openai
