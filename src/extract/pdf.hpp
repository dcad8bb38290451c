#pragma once
// PDF by PDFium. The library comes beside the program and is loaded by name, because no
// distribution packages it and a service without it still reads everything else.
#include "extract/blocks.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace memseal::extract {

struct PdfiumCalls;

/// The library, set up. Load it before enter_sandbox(): afterwards no file opens.
/// Lifetime: for ever, because PDFium's own tear-down is of no use in a process that ends.
class Pdfium {
 public:
  /// Null where there is no such library or it lacks a function.
  static std::unique_ptr<Pdfium> load(const std::string& path);
  ~Pdfium();
  const PdfiumCalls& calls() const { return *calls_; }

 private:
  explicit Pdfium(std::unique_ptr<PdfiumCalls> calls);
  std::unique_ptr<PdfiumCalls> calls_;
};

/// Pages with their labels, headings by the size of letters, notes and the values of forms.
void read_pdf(const Pdfium& pdfium, std::string_view bytes, Blocks& out);

}  // namespace memseal::extract
