#include "adapters/openai/settings.hpp"

#include "adapters/openai/internal/endpoint.hpp"

namespace memseal::openai {

namespace {

Result<void> check_url(const std::string& value) {
  if (auto parsed = parse_endpoint(value); !parsed) return parsed.error();
  return {};
}

}  // namespace

SettingRows<Settings> Settings::rows() {
  using setting::path, setting::secret, setting::text;
  return {
      text("embedding.url",
           "base of an OpenAI-compatible endpoint that embeds instead and reads all texts, "
           "e.g. https://api.openai.com/v1; empty: texts stay in this process",
           &Settings::url, check_url),
      text("embedding.remote_model", "name of the endpoint's model, with embedding.url",
           &Settings::remote_model),
      secret("embedding.api_key", "bearer key of the endpoint; empty: none", &Settings::api_key),
      path("embedding.ca_file", "PEM file of an authority trusted beside the system's",
           &Settings::ca_file)};
}

}  // namespace memseal::openai
