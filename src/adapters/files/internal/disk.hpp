#pragma once
// System calls on files, with their failures as Outage or Refused. Every function blocks.
#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace memseal::files {

/// What the failure `error` (errno) of a step means. A full disk and a fault of the device pass by
/// themselves (unavailable); a directory that is missing or closed to this process needs an
/// operator (bad_config). `step` reads as "write a file".
Error disk_error(std::string_view step, int error);
/// Throws disk_error() of errno.
[[noreturn]] void throw_disk_failure(std::string_view step);

/// Of open(): makes a file that must not be there, also not as a link.
extern const int new_file_flags;

void write_all(const Fd& file, ByteView bytes);
void sync(const Fd& file);
/// Makes names in `directory` survive a crash of the machine.
void sync_directory(const std::filesystem::path& directory);
/// Makes a directory (0700) below `parent` where it is missing, and syncs the parent in any case,
/// because another process may have made it and not synced yet.
void ensure_directory(const std::filesystem::path& parent, std::string_view name);
/// Throws Refused{bad_config} unless `directory` belongs to this user and others have none of the
/// rights `forbidden` (mode bits).
void judge_directory(const std::filesystem::path& directory, unsigned forbidden);
/// Bytes that a user may still write to the file system of `file`.
std::uint64_t free_bytes(const Fd& file);
/// False: another open file holds the lock.
bool try_lock(const Fd& file);
/// Length of a plain file; empty for anything else.
std::optional<std::uint64_t> size_of(const Fd& file);

}  // namespace memseal::files
