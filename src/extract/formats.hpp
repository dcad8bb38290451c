#pragma once
// The parsers of formats. Each reads `bytes`, which are hostile, and throws Stop where it cannot go
// on; Blocks bounds what they put out, the sandbox their memory and time.
#include "extract/blocks.hpp"
#include "extract/zip.hpp"

#include <string>
#include <string_view>

namespace memseal::extract {

/// Where PDF is read: pdf.hpp. Null: PDFium is not installed.
class Pdfium;

/// Reads a file of any format that is known. The content decides, and not a name.
/// Returns how it ended, and never throws.
End extract(std::string_view bytes, const Pdfium* pdfium, Blocks& out) noexcept;

/// HTML by a tokenizer alone, because every builder of trees takes more than linear time on some
/// input. Leaves out scripts, styles, navigation, footers and what is hidden.
void read_html(std::string_view bytes, Blocks& out);
void read_rtf(std::string_view bytes, Blocks& out);
/// DOCX, PPTX, XLSX, ODT, ODS, ODP, EPUB.
void read_archive(std::string_view bytes, Blocks& out);
/// One mail, or a mailbox of many, each a page: subject, who to whom and when, text, attachments
/// that are documents (no PDF).
void read_mail(std::string_view bytes, Blocks& out);
/// Anything else that is text.
void read_text(std::string_view bytes, Blocks& out);

bool is_html(std::string_view bytes);
bool is_mail(std::string_view bytes);

// Of an archive. `main` is the part that its relations name.
void read_word(Zip& zip, const std::string& main, Blocks& out);
void read_slides(Zip& zip, const std::string& main, Blocks& out);
void read_sheets(Zip& zip, const std::string& main, Blocks& out);
/// Texts of shapes, and what pictures show in words (alternative text).
void read_drawing(Zip& zip, const std::string& part, Blocks& out);
/// Titles and values.
void read_chart(Zip& zip, const std::string& part, Blocks& out);
void read_open_document(Zip& zip, std::string_view media_type, Blocks& out);
void read_epub(Zip& zip, Blocks& out);

}  // namespace memseal::extract
