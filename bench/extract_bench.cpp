// extract: pages a second of processor time that the service gets out of a PDF of 300 pages, by the
// process that reads a hostile file and has to be started, sandboxed and listened to, against bare
// PDFium in this process, which has the same file open its pages and gives their text.
// extract_small: what the start, the sandbox and the listening add to the time of bare PDFium for a
// PDF of one page, against that time.
#include "adapters/extractor/process_extractor.hpp"
#include "bench.hpp"
#include "prose.hpp"
#include "run_loop.hpp"

#include <dlfcn.h>
#include <sys/resource.h>

#include <cstdlib>
#include <stdexcept>

namespace {

using namespace memseal;
using namespace memseal::bench;
namespace asio = boost::asio;

constexpr int runs = 7, small_runs = 41, pages_of_the_big = 300, lines_a_page = 50;

/// Lines of this project's own documents, in ASCII, over and over.
class Lines {
 public:
  Lines() {
    for (const char* name : {"README.md", "ARCHITECTURE.md", "docs/kafka.md", "docs/search.md"}) {
      std::istringstream file(file_content(fs::path(MEMSEAL_SOURCE_DIR) / name));
      for (std::string line; std::getline(file, line);) {
        std::erase_if(line, [](char c) { return c < ' ' || c == '(' || c == ')' || c == '\\'; });
        if (line.size() > 20) lines_.push_back(line.substr(0, 100));
      }
    }
    if (lines_.empty()) throw std::runtime_error("the documents are missing");
  }
  const std::string& next() { return lines_[at_++ % lines_.size()]; }

 private:
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

/// A PDF (ISO 32000-1) with one font and a stream of text a page.
std::string make_pdf(int pages, Lines& lines) {
  std::vector<std::string> objects{"<</Type/Catalog/Pages 2 0 R>>", "",
                                   "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"};
  std::string kids;
  for (int page = 0; page < pages; ++page) {
    const auto number = objects.size() + 1;
    kids += std::to_string(number) + " 0 R ";
    std::string text = "BT /F 10 Tf 13 TL 60 740 Td ";
    for (int line = 0; line < lines_a_page; ++line) text += "(" + lines.next() + ") Tj T* ";
    text += "ET";
    objects.push_back("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents " +
                      std::to_string(number + 1) + " 0 R/Resources<</Font<</F 3 0 R>>>>>>");
    objects.push_back("<</Length " + std::to_string(text.size()) + ">>stream\n" + text +
                      "\nendstream");
  }
  objects[1] = "<</Type/Pages/Count " + std::to_string(pages) + "/Kids[" + kids + "]>>";
  std::string file = "%PDF-1.4\n", table;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    char place[32];
    std::snprintf(place, sizeof place, "%010zu 00000 n \n", file.size());
    table += place;
    file += std::to_string(i + 1) + " 0 obj" + objects[i] + "endobj\n";
  }
  const auto count = std::to_string(objects.size() + 1), at = std::to_string(file.size());
  return file + "xref\n0 " + count + "\n0000000000 65535 f \n" + table + "trailer<</Size " + count +
         "/Root 1 0 R>>\nstartxref\n" + at + "\n%%EOF\n";
}

/// PDFium as its own example programs use it: every page's text, in one call a page.
class BarePdfium {
 public:
  explicit BarePdfium(const fs::path& library) {
    library_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) throw std::runtime_error("PDFium is missing: scripts/deps --build");
    call<void>("FPDF_InitLibrary");
  }

  /// Number of UTF-16 units of text.
  std::size_t read(const std::string& file) {
    void* document = call<void*>("FPDF_LoadMemDocument64", file.data(), file.size(),
                                 static_cast<const char*>(nullptr));
    if (document == nullptr) throw std::runtime_error("PDFium does not open the file");
    std::size_t units = 0;
    const int pages = call<int>("FPDF_GetPageCount", document);
    for (int number = 0; number < pages; ++number) {
      void* page = call<void*>("FPDF_LoadPage", document, number);
      void* text = call<void*>("FPDFText_LoadPage", page);
      const int count = call<int>("FPDFText_CountChars", text);
      text_.resize(static_cast<std::size_t>(count) + 1);
      const int got = call<int>("FPDFText_GetText", text, 0, count, text_.data());
      units += static_cast<std::size_t>(got);
      call<void>("FPDFText_ClosePage", text);
      call<void>("FPDF_ClosePage", page);
    }
    call<void>("FPDF_CloseDocument", document);
    return units;
  }

 private:
  template <class Returned, class... Arguments>
  Returned call(const char* name, Arguments... arguments) {
    const auto function =
        reinterpret_cast<Returned (*)(Arguments...)>(::dlsym(library_, name));
    if (function == nullptr) throw std::runtime_error(std::string("PDFium lacks ") + name);
    return function(arguments...);
  }

  void* library_ = nullptr;
  std::vector<unsigned short> text_;
};

/// Seconds of processor time that this process and the children it has waited for took.
double processor_s() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const auto& time : {used.ru_utime, used.ru_stime})
      sum += double(time.tv_sec) + 1e-6 * double(time.tv_usec);
  }
  return sum;
}

template <class Work>
double processor_seconds(Work&& work) {
  const double before = processor_s();
  work();
  return processor_s() - before;
}

class Service {
 public:
  explicit Service(fs::path program) : extractor_({.program = std::move(program)}, metrics_) {}

  std::size_t read(const std::string& file) {
    std::size_t bytes = 0;
    run_to_end(loop_, read(file, bytes));
    return bytes;
  }

 private:
  asio::awaitable<void> read(const std::string& file, std::size_t& bytes) {
    const runtime::RequestContext context{"bench"};
    const auto extraction = extractor_.begin(file.size());
    extraction->append({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
    constexpr std::size_t text_bytes_max = 50u << 20;
    const auto text = co_await extraction->finish(context, text_bytes_max);
    bytes = text.value().text.size();
  }

  asio::io_context loop_{1};  // outlives the extractor
  runtime::Metrics registry_;
  extractor::ExtractorMetrics metrics_{registry_};
  extractor::ProcessExtractor extractor_;
};

void require_alike(std::size_t ours, std::size_t theirs) {
  if (ours < theirs / 2 || theirs == 0) throw std::runtime_error("a part of the text is missing");
}

void measure_big(Service& service, BarePdfium& bare, const std::string& file) {
  std::vector<double> ours_s, rival_s;
  for (int run = 0; run < runs; ++run) {
    std::size_t ours = 0, theirs = 0;
    ours_s.push_back(processor_seconds([&] { ours = service.read(file); }));
    rival_s.push_back(processor_seconds([&] { theirs = bare.read(file); }));
    require_alike(ours, theirs);
  }
  const double ours = pages_of_the_big / median(ours_s);
  const double theirs = pages_of_the_big / median(rival_s);
  print({.id = "extract", .ours = ours, .rival = theirs,
         .rival_name = "bare PDFium, the text of every page", .ratio = ours / theirs,
         .unit = "pages/CPU s", .better = "higher", .runs = runs});
}

void measure_small(Service& service, BarePdfium& bare, const std::string& file) {
  std::vector<double> ours_ms, rival_ms;
  for (int run = 0; run < small_runs; ++run) {
    ours_ms.push_back(1e3 * seconds([&] { keep(service.read(file)); }));
    rival_ms.push_back(1e3 * seconds([&] { keep(bare.read(file)); }));
  }
  const double theirs = median(rival_ms), ours = median(ours_ms) - theirs;
  print({.id = "extract_small", .ours = ours, .rival = theirs,
         .rival_name = "bare PDFium, already loaded", .ratio = ours / theirs, .unit = "ms",
         .better = "lower", .runs = small_runs});
}

}  // namespace

int main() {
  const auto programs = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
  Lines lines;
  const auto big = make_pdf(pages_of_the_big, lines), small = make_pdf(1, lines);
  Service service(programs / "memseal-extract");
  BarePdfium bare(programs / "libpdfium.so");
  measure_big(service, bare, big);
  measure_small(service, bare, small);
  return 0;
}
