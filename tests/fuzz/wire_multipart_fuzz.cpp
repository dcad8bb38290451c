// Any form in any pieces: it reads the same as in one piece, and holds no more than it was fed.
#include "base/assert.hpp"
#include "pure/wire/multipart.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using namespace memseal;
using namespace memseal::wire;

namespace {

using Step = MultipartReader::Step;

/// All that the form says, or how it ends.
std::string read(std::string_view body, std::size_t piece) {
  auto reader = MultipartReader::of("multipart/form-data; boundary=b").value();
  std::string all;
  for (;;) {
    const auto step = reader.next();
    if (!step) return all + "\nrefused: " + step.error().message;
    if (*step == Step::end) return all + "\nend";
    if (*step == Step::part) {
      all += "\npart " + reader.part().name + ' ' + reader.part().filename.value_or("-") + ' ' +
             reader.part().media_type + '\n';
    } else if (*step == Step::content) {
      MEMSEAL_ASSERT(!reader.content().empty());
      all += reader.content();
    } else {
      if (body.empty()) return all + "\ncut";
      reader.feed(body.substr(0, piece));
      body.remove_prefix(std::min(piece, body.size()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto whole = read(body, body.size() + 1);
  const auto pieces = read(body, 1 + data[0] % 16);
  // A form that is refused may have given some of a content before, in pieces.
  if (whole.find("refused") == whole.npos && pieces.find("refused") == pieces.npos)
    MEMSEAL_ASSERT(whole == pieces);
  MEMSEAL_ASSERT(whole.size() <= size + 200 * form_parts_max + 200);
  return 0;
}
