#include "cases/knowledge/file_text.hpp"

#include "pure/codec/media_type.hpp"
#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace memseal::knowledge {

namespace {

std::string_view characters(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Whether the first line may be one of a mail's header, or of a mailbox.
bool may_be_mail(std::string_view first) {
  if (first.starts_with("From ") || first.starts_with("X-")) return true;
  for (const std::string_view field :
       {"Return-Path:", "Received:", "Delivered-To:", "DKIM-Signature:", "ARC-", "Message-ID:",
        "Message-Id:", "MIME-Version:", "Mime-Version:", "From:", "To:", "Date:", "Subject:"})
    if (first.starts_with(field)) return true;
  return false;
}

/// Whether a file with these first bytes may be a text that is taken as it is. The others go to the
/// extractor, which looks closely: documents, and what begins like HTML.
bool may_be_plain(std::string_view first) {
  constexpr std::size_t header_within = 1'024;  // of a PDF
  if (first.find('\0') != first.npos || first.starts_with("PK\x03\x04") ||
      first.starts_with("{\\rtf") || first.substr(0, header_within).find("%PDF-") != first.npos)
    return false;
  if (first.starts_with("\xef\xbb\xbf")) first.remove_prefix(3);
  if (may_be_mail(first)) return false;
  const auto begin = first.find_first_not_of(" \t\r\n\f");
  return begin == first.npos || first[begin] != '<';
}

std::string plain_type(const FileFacts& facts) {
  if (facts.media_type == codec::markdown_type) return facts.media_type;
  return std::string(codec::text_type_of(facts.name));
}

Error no_text(bool with_extractor) {
  return {Errc::unsupported_media_type,
          with_extractor ? "the file is neither a text nor a document that can be read here"
                         : "the file is no text in UTF-8, and nothing else is indexed here"};
}

/// Whether a file with these first bytes may be something that the extractor reads. Only what has
/// a mark of its own may hold a zero byte: an archive, UTF-16, an encrypted or old office document,
/// of which the extractor says so, a PDF.
bool may_be_document(std::string_view first) {
  constexpr std::size_t header_within = 1'024;  // of a PDF
  return first.find('\0') == first.npos || first.starts_with("PK\x03\x04") ||
         first.starts_with("\xff\xfe") || first.starts_with("\xfe\xff") ||
         first.starts_with("\xd0\xcf\x11\xe0") ||
         first.substr(0, header_within).find("%PDF-") != first.npos;
}

/// Whether the bytes are UTF-8, but for a character that their end cuts.
bool begins_as_utf8(std::string_view first) {
  constexpr int cut_bytes_max = 3;
  for (int cut = 0; cut <= cut_bytes_max && !first.empty(); ++cut, first.remove_suffix(1))
    if (codec::is_utf8(first)) return true;
  return false;
}

/// What the first bytes of a file promise.
enum class Look { plain, document, neither };

Look look_at(std::string_view first, bool with_extractor) {
  if (begins_as_utf8(first) && first.find('\0') == first.npos &&
      (!with_extractor || may_be_plain(first)))
    return Look::plain;
  return with_extractor && may_be_document(first) ? Look::document : Look::neither;
}

Look look_at(std::string_view first, bool with_extractor, bool as_it_is) {
  const bool may_be_text = as_it_is && !first.starts_with("%PDF-");
  const auto look = may_be_text ? look_at(first, false) : Look::neither;
  return look == Look::neither ? look_at(first, with_extractor) : look;
}

Error without_text(std::size_t pages) {
  if (pages == 0) return {Errc::file_without_text, "the file holds no text"};
  return {Errc::file_without_text,
          "the " + std::to_string(pages) + " pages of the file hold no text, as scans do"};
}

Error too_large(std::string_view what, std::uint64_t most, std::uint64_t has) {
  return {Errc::payload_too_large, std::string(what) + " has at most " + std::to_string(most) +
                                       " bytes, this one has " + std::to_string(has)};
}

constexpr std::size_t first_bytes_max = 65'536;

class TextOfFile {
 public:
  TextOfFile(const KnowledgeDeps& deps, runtime::RequestContext context, Reading& reading,
             std::size_t text_bytes_max, bool as_it_is)
      : deps_(deps),
        context_(std::move(context)),
        reading_(reading),
        bytes_(static_cast<std::uint64_t>(reading.file().bytes)),
        text_bytes_max_(text_bytes_max),
        as_it_is_(as_it_is) {}

  asio::awaitable<Result<FileText>> read() {
    if (bytes_ == 0) co_return without_text(0);
    const auto piece = co_await reading_.read(context_, 0, first_bytes_max);
    // Kept, because the next piece takes the memory of this one.
    const Bytes first(piece.begin(), piece.end());
    const bool with_extractor = deps_.extractor != nullptr;
    const auto look = look_at(characters(first), with_extractor, as_it_is_);
    if (look == Look::neither) co_return no_text(with_extractor);
    if (look == Look::plain) {
      auto plain = co_await read_plain(first);
      if (plain || !with_extractor || plain.error().code != Errc::unsupported_media_type)
        co_return plain;
    }
    co_return co_await extract();
  }

 private:
  static constexpr std::size_t piece_bytes_max = 1u << 20;

  /// Error: unsupported_media_type where the file is no text in UTF-8.
  asio::awaitable<Result<FileText>> read_plain(const Bytes& first) {
    if (bytes_ > text_bytes_max_) co_return too_large("a text to index", text_bytes_max_, bytes_);
    std::string text(characters(first));
    text.reserve(static_cast<std::size_t>(bytes_));
    while (text.size() < bytes_) {
      const auto piece = co_await reading_.read(context_, text.size(),
                                                static_cast<std::size_t>(bytes_) - text.size());
      text += characters(piece);
    }
    if (text.find('\0') != text.npos || !codec::is_utf8(text))
      co_return no_text(deps_.extractor != nullptr);
    if (codec::is_blank(text)) co_return without_text(0);
    co_return FileText{std::move(text), plain_type(reading_.file().facts)};
  }

  asio::awaitable<Result<FileText>> extract() {
    const auto most = deps_.extractor->file_bytes_max();
    if (bytes_ > most) co_return too_large("a document to index", most, bytes_);
    const auto extraction = deps_.extractor->begin(bytes_);
    for (std::uint64_t at = 0; at < bytes_;) {
      const auto piece = co_await reading_.read(context_, at, piece_bytes_max);
      extraction->append(piece);
      at += piece.size();
    }
    auto found = co_await extraction->finish(context_, text_bytes_max_);
    if (!found) co_return found.error();
    if (codec::is_blank(found->text)) co_return without_text(found->pages.size());
    auto type = found->is_plain ? plain_type(reading_.file().facts) : "text/markdown";
    co_return FileText{std::move(found->text), std::move(type), std::move(found->pages),
                       found->is_whole};
  }

  const KnowledgeDeps& deps_;
  const runtime::RequestContext context_;
  Reading& reading_;
  const std::uint64_t bytes_;
  const std::size_t text_bytes_max_;
  const bool as_it_is_;
};

}  // namespace

asio::awaitable<Result<FileText>> file_text(const KnowledgeDeps& deps,
                                            runtime::RequestContext context, Reading& reading,
                                            std::size_t text_bytes_max, bool as_it_is) {
  TextOfFile text(deps, std::move(context), reading, text_bytes_max, as_it_is);
  co_return co_await text.read();
}

asio::awaitable<Result<FileKind>> kind_of(const KnowledgeDeps& deps,
                                          runtime::RequestContext context, Reading& reading,
                                          std::size_t text_bytes_max) {
  const auto bytes = static_cast<std::uint64_t>(reading.file().bytes);
  if (bytes == 0) co_return without_text(0);
  const auto piece = co_await reading.read(std::move(context), 0, first_bytes_max);
  const auto look = look_at(characters(piece), deps.extractor != nullptr);
  if (look == Look::plain) {
    if (bytes > text_bytes_max) co_return too_large("a text to index", text_bytes_max, bytes);
    co_return FileKind{true, plain_type(reading.file().facts)};
  }
  if (look == Look::neither) co_return no_text(deps.extractor != nullptr);
  const auto most = deps.extractor->file_bytes_max();
  if (bytes > most) co_return too_large("a document to index", most, bytes);
  co_return FileKind{false, std::string(codec::markdown_type)};
}

asio::awaitable<Result<ports::SourceText>> FileTexts::text_of(runtime::RequestContext context,
                                                              crypto::Tenant owner, Uuid file,
                                                              std::size_t bytes_max,
                                                              bool as_it_is) {
  auto reading = co_await Reading::begin(deps_, context, owner, file);
  if (!reading) co_return Error{Errc::not_found, "the file was removed, or never stored"};
  auto found = co_await file_text(deps_, std::move(context), **reading, bytes_max, as_it_is);
  if (!found) co_return found.error();
  Outline outline{std::move(found->pages), found->media_type == codec::markdown_type};
  co_return ports::SourceText{std::move(found->text), std::move(outline)};
}

}  // namespace memseal::knowledge
