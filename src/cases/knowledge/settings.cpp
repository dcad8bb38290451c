#include "cases/knowledge/settings.hpp"

namespace memseal::knowledge {

SettingRows<Settings> Settings::rows() {
  using setting::number;
  constexpr std::int64_t wall = std::int64_t{64} << 30;
  return {
      number("files.file_bytes_max", "bytes of one file", 1, wall, &Settings::file_bytes_max),
      number("files.user_bytes_max", "bytes of all files of one user", 1, wall * 1'024,
             &Settings::user_bytes_max),
      number("files.user_files_max", "files of one user", 1, 10'000'000, &Settings::user_files_max),
      number("files.user_uploads_max", "uploads of one user at one time, in each process", 1, 1'000,
             &Settings::user_uploads_max),
      number("files.user_downloads_max", "downloads of one user at one time, in each process", 1,
             1'000, &Settings::user_downloads_max),
      number("files.upload_bytes_per_s_min",
             "an upload that is slower on average is ended after its first 30 seconds", 0,
             1'000'000, &Settings::upload_bytes_per_s_min)};
}

}  // namespace memseal::knowledge
