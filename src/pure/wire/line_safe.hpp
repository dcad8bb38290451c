#pragma once
// JSON that readers may cut into lines by whatever rule they have.
#include <string>

namespace memseal::wire {

/// Writes U+0085, U+2028 and U+2029 as escapes, because many readers of event streams split lines
/// there (Python's str.splitlines, for one). REQUIRES: `json` is JSON in UTF-8. It means the same
/// afterwards, because these characters stand only inside strings.
std::string line_safe(std::string json);

}  // namespace memseal::wire
