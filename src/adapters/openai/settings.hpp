#pragma once
// What an operator may set of an embedding endpoint elsewhere.
#include "base/setting.hpp"

namespace memseal::openai {

/// Of section `embedding`.
struct Settings {
  std::string url;           ///< of an OpenAI-compatible endpoint; empty: the model embeds here
  std::string remote_model;  ///< what that endpoint calls its model
  std::string api_key, ca_file;
  std::int64_t batch_texts = 64;  ///< texts of one request, at most

  static SettingRows<Settings> rows();
};

}  // namespace memseal::openai
