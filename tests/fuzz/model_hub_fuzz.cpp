// What a model hub answers, and lock files. The first byte chooses the reader.
#include "adapters/model/hub/listing.hpp"

#include <cstdlib>
#include <string>

using namespace memseal;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      if (const auto listing = model::parse_hub_listing(text)) {
        check(model::is_hex(listing->revision, 40) && listing->files.size() >= 3);
        for (const auto& file : listing->files) check(file.find("..") == file.npos);
      }
      break;
    case 1:
      if (const auto lock = model::parse_model_lock(text))
        check(model::parse_model_lock(model::to_json(*lock)).value() == *lock);
      break;
    case 3: {
      const auto range = model::parse_content_range(text);
      check(text.starts_with("bytes ") || range == model::ContentRange{});
      if (range.whole) check(text.ends_with(std::to_string(*range.whole)));
      break;
    }
    default:
      if (const auto repository = model::repository_of(text))
        check(repository->find('/') != repository->npos && repository->front() != 0x2e);
  }
  return 0;
}
