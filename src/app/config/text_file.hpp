#pragma once
// Reading a small text file that an operator names.
#include "base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace memseal::app {

inline constexpr std::size_t config_file_bytes_max = 1u << 20, secret_file_bytes_max = 64u << 10;

/// The whole content of a file. A pipe is read too, because a shell's `<(command)` is one, but only
/// if its writer writes within a few seconds. A terminal is read until its user ends the input.
/// Errors: bad_config; the message names the file and the cause.
Result<std::string> read_text_file(const std::filesystem::path& file, std::size_t bytes_max);

/// The same for a file that holds a secret: a plain file that others may use is refused
/// (crypto::others_may_use says who may).
Result<std::string> read_secret_text(const std::filesystem::path& file, std::size_t bytes_max);

struct OpenText {
  std::string text;
  bool others_may_use = false;  ///< a plain file that is not its owner's alone
};

/// The same where only the text tells whether it holds a secret.
Result<OpenText> read_open_text(const std::filesystem::path& file, std::size_t bytes_max);

/// The error of a file that holds a secret and that others may use.
Error exposed(const std::filesystem::path& file);

/// The same for a file that may be long: returns the first `bytes_max` + 1 bytes of a longer file,
/// and waits for as long as the writer of a pipe is there, because `<(command)` may take its time.
Result<std::string> read_file_start(const std::filesystem::path& file, std::size_t bytes_max);

/// Creates a file of mode 0600, because it is to hold addresses with passwords. Nothing is
/// overwritten. Errors: bad_config; the message names the file and the cause.
Result<void> write_new_file(const std::filesystem::path& file, std::string_view text);

}  // namespace memseal::app
