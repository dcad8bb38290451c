#pragma once
// What an operator may set of the models that this process computes.
#include "base/setting.hpp"

namespace memseal::model {

/// Section `model`.
struct DeviceSettings {
  std::string device = "auto";  ///< what computes the models; see parse_device()

  static SettingRows<DeviceSettings> rows();
};

/// Of section `embedding`.
struct EmbedderSettings {
  std::string model = "all-MiniLM-L6-v2";  ///< directory, or a name in the model path

  static SettingRows<EmbedderSettings> rows();
};

/// Of section `rerank`.
struct RerankerSettings {
  std::string model;  ///< directory or name; empty: search order is kept
  std::string precision = "fp32";

  static SettingRows<RerankerSettings> rows();
};

/// Of section `runtime`.
struct PoolSettings {
  std::int64_t cpu_threads = 0;  ///< model threads; 0: as many as cores

  static SettingRows<PoolSettings> rows();
};

}  // namespace memseal::model
