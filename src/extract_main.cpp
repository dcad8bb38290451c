// memseal-extract: reads one file from descriptor 0 and writes what is text in it to descriptor 1,
// as frames (extract/protocol.hpp). The service starts one for each file. It has no settings, no
// keys and no network, and takes every further right from itself before it looks at the file.
#include "extract/formats.hpp"
#include "extract/pdf.hpp"
#include "extract/sandbox.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace {

using namespace memseal::extract;

/// Writes frames in large pieces. A reader that is gone ends the process by SIGPIPE.
class Output {
 public:
  void frame(Frame type, unsigned level, std::string_view payload) {
    const auto size = static_cast<std::uint32_t>(payload.size());
    const char head[frame_head_bytes] = {static_cast<char>(type),
                                         static_cast<char>(level),
                                         0,
                                         0,
                                         static_cast<char>(size),
                                         static_cast<char>(size >> 8),
                                         static_cast<char>(size >> 16),
                                         static_cast<char>(size >> 24)};
    waiting_.append(head, sizeof head);
    waiting_ += payload;
    constexpr std::size_t piece = 65'536;
    if (waiting_.size() >= piece) flush();
  }

  void flush() {
    for (std::string_view left = waiting_; !left.empty();) {
      const auto written = ::write(STDOUT_FILENO, left.data(), left.size());
      if (written <= 0) _exit(125);
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    waiting_.clear();
  }

 private:
  std::string waiting_;
};

/// The library beside this program, or where a package puts it; empty: nowhere.
std::string pdfium_path() {
  char self[4'096];
  const auto size = ::readlink("/proc/self/exe", self, sizeof self - 1);
  std::string path(self, size > 0 ? static_cast<std::size_t>(size) : 0);
  path.resize(path.rfind('/') == path.npos ? 0 : path.rfind('/'));
  for (const char* place : {"/libpdfium.so", "/../lib/memseal/libpdfium.so"})
    if (::access((path + place).c_str(), R_OK) == 0) return path + place;
  return {};
}

/// Memory that was freed is kept for the next page: given back and taken anew, its page faults cost
/// a quarter of the time of a PDF. The sandbox bounds all of it.
void keep_freed_memory() {
  constexpr int for_ever = 1 << 30, largest = 32 << 20, step = 1 << 20;
  ::mallopt(M_TRIM_THRESHOLD, for_ever);
  ::mallopt(M_MMAP_THRESHOLD, largest);
  ::mallopt(M_TOP_PAD, step);
}

}  // namespace

int main() {
  keep_freed_memory();
  struct stat file {};
  if (::fstat(STDIN_FILENO, &file) != 0 || !S_ISREG(file.st_mode)) {
    std::fputs("memseal-extract reads a file for memseal: it is not for use by hand\n", stderr);
    return 2;
  }
  const auto size = static_cast<std::size_t>(file.st_size);
  const void* data =
      size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
  if (data == MAP_FAILED) return 2;
  const auto pdfium = Pdfium::load(pdfium_path());
  enter_sandbox();
  Output output;
  std::string begin(1, protocol_version);
  if (pdfium) begin += "\tpdfium";
  output.frame(Frame::begin, 0, begin);
  output.flush();
  Blocks blocks([&](Frame type, unsigned level,
                    std::string_view payload) { output.frame(type, level, payload); },
                output_bytes_max(size));
  const auto end = extract({static_cast<const char*>(data), size}, pdfium.get(), blocks);
  output.frame(Frame::end, static_cast<unsigned>(end), {});
  output.flush();
  _exit(0);  // nothing is torn down: the kernel does it
}
