#include "http/routes/openapi.hpp"

// The assembler finds the file along the include path, whose folder include/ lies next to config/.
asm(R"(
  .pushsection .rodata
  .global memseal_openapi_begin
  .global memseal_openapi_end
memseal_openapi_begin:
  .incbin "../config/openapi.json"
memseal_openapi_end:
  .popsection
)");

extern "C" const char memseal_openapi_begin[];
extern "C" const char memseal_openapi_end[];

namespace memseal::http {

std::string_view openapi_document() noexcept {
  return {memseal_openapi_begin, memseal_openapi_end};
}

}  // namespace memseal::http
