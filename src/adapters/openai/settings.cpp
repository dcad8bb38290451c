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
  using setting::number, setting::path, setting::secret, setting::text;
  return {
      text("embedding.url",
           "base of an OpenAI-compatible endpoint that embeds instead and reads all texts, "
           "e.g. https://api.openai.com/v1; empty: texts stay in this process",
           &Settings::url, check_url),
      text("embedding.remote_model", "name of the endpoint's model, with embedding.url",
           &Settings::remote_model),
      secret("embedding.api_key", "bearer key of the endpoint; empty: none", &Settings::api_key),
      number("embedding.batch_texts",
             "texts of one request to the endpoint, at most; fewer where it refuses more", 1, 2'048,
             &Settings::batch_texts),
      path("embedding.ca_file", "PEM file of an authority trusted beside the system's",
           &Settings::ca_file)};
}

}  // namespace memseal::openai
