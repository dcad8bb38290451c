#pragma once
// What an operator may set of the files of users.
#include "base/setting.hpp"
#include "cases/knowledge/files.hpp"

#include <cstdint>

namespace memseal::knowledge {

/// Of section `files`.
struct Settings {
  std::int64_t file_bytes_max = Limits{}.file_bytes_max;
  std::int64_t user_bytes_max = Limits{}.quota.bytes;
  std::int64_t user_files_max = Limits{}.quota.files;
  std::int64_t user_uploads_max = Limits{}.uploads_max;
  std::int64_t user_downloads_max = Limits{}.downloads_max;
  std::int64_t upload_bytes_per_s_min = Limits{}.upload_bytes_per_s_min;

  Limits limits() const {
    return {file_bytes_max,
            {user_bytes_max, user_files_max},
            user_uploads_max,
            user_downloads_max,
            upload_bytes_per_s_min};
  }
  static SettingRows<Settings> rows();
};

}  // namespace memseal::knowledge
