#pragma once
#include "base/result.hpp"

#include <string>

namespace memseal::app {

/// The text of a file's bytes, as an upload event carries it: well-formed UTF-8 without a byte
/// order mark. UTF-16 is decoded where a byte order mark announces it.
/// Errors: bad_request, a sentence that goes on after the file's name: what the bytes are instead
/// (PDF, an archive, binary, another encoding, nothing but white space) and what to do.
Result<std::string> document_text(std::string bytes);

}  // namespace memseal::app
