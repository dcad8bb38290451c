#include "http/routes/openapi.hpp"

#include "base/assert.hpp"

#include <string>

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

namespace {

std::string_view document() noexcept { return {memseal_openapi_begin, memseal_openapi_end}; }

void replace(std::string& text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  // People edit the document. An edit that these patches no longer fit must fail a test.
  MEMSEAL_ASSERT(at != std::string::npos);
  text.replace(at, what.size(), with);
}

/// The document as OpenAPI 3.2, which can describe the events of a stream one by one.
std::string make_document_3_2() {
  std::string text(document());
  replace(text, R"("openapi": "3.1.0")", R"("openapi": "3.2.0")");
  replace(text, R"("text/event-stream": { )",
          R"("text/event-stream": { "itemSchema": { "type": "object", "required": ["data"], )"
          R"("properties": { "id": { "type": "string" }, "event": { "type": "string" }, )"
          R"("data": { "type": "string", "contentMediaType": "application/json", )"
          R"("contentSchema": { "oneOf": [{ "$ref": "#/components/schemas/StartedEvent" }, )"
          R"({ "$ref": "#/components/schemas/StageEvent" }, )"
          R"({ "$ref": "#/components/schemas/ResultEvent" }, )"
          R"({ "$ref": "#/components/schemas/CompletedEvent" }, )"
          R"({ "$ref": "#/components/schemas/FailedEvent" }] } } } }, )");
  return text;
}

}  // namespace

std::optional<std::string_view> openapi_document(std::string_view version) {
  static const std::string document_3_2 = make_document_3_2();
  if (version.empty() || version == "3.1") return document();
  if (version == "3.2") return document_3_2;
  return {};
}

}  // namespace memseal::http
