#pragma once
#include <string_view>

namespace memseal::text {

/// Whether an English word only joins others, and so tells nothing of what a text is about. Parts
/// of contractions count too ("ll", "don"), because words end at an apostrophe.
/// REQUIRES: lower case.
bool is_stop_word(std::string_view word) noexcept;

}  // namespace memseal::text
