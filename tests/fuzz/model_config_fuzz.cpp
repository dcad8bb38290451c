// The small JSON files of a model directory. The first byte chooses the reader.
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/tokenizer_file.hpp"

#include <cstdlib>

using namespace memseal;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void read_config(std::string_view text) {
  const auto config = model::BertConfig::parse(text);
  if (!config) return check(config.error().message.starts_with("config.json "));
  check(config->heads > 0 && config->hidden % config->heads == 0);
  check(config->head_size() * config->heads == config->hidden);
  check(config->positions >= 8 && config->layers > 0 && config->vocabulary > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0: read_config(text); break;
    case 1: (void)model::check_pooling(text, "f"); break;
    case 2: (void)model::check_modules(text, "f"); break;
    case 3: (void)model::parse_max_seq_length(text, "f"); break;
    case 4: (void)model::check_tokenizer_config(text, "f"); break;
    default:
      if (const auto lines = model::vocabulary_of_tokenizer(text))
        check(lines->empty() || lines->back() == '\n');
  }
  return 0;
}
