#include "http/routes/export_lines.hpp"

#include "http/routes/answer_json.hpp"
#include "http/routes/files.hpp"
#include "http/routes/stored_json.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

namespace memseal::http {

namespace {

using ports::MemoryKind;

constexpr std::size_t items_at_once = 50;

/// Writes one export and counts what it wrote.
class Export {
 public:
  Export(const ExportSource& source, const LineSink& sink) : source_(source), sink_(sink) {}

  asio::awaitable<void> run() {
    json::object head{{"version", 1},
                      {"user_id", nullptr},
                      {"exported_at", codec::format_rfc3339(source_.now_ms)}};
    if (!source_.user_id.empty()) head["user_id"] = source_.user_id;
    add("export", head);
    co_await write_all(MemoryKind::document);
    co_await write_all(MemoryKind::conversation);
    if (source_.knowledge != nullptr) co_await write_files();
    // The counts tell a reader that nothing is missing: an export that broke off has no such line.
    add("end", {{"documents", documents_},
                {"chunks", chunks_},
                {"conversations", conversations_},
                {"turns", turns_},
                {"files", files_},
                {"unopened", unopened_}});
    co_await flush();
  }

 private:
  void add(std::string_view type, const json::object& members) {
    json::object line{{"type", type}};
    for (const auto& member : members) line.emplace(member.key(), member.value());
    lines_ += json::serialize(line) + '\n';
  }

  asio::awaitable<void> flush() {
    auto lines = std::exchange(lines_, {});
    if (!lines.empty()) co_await sink_(std::move(lines));
  }

  asio::awaitable<void> write_all(MemoryKind kind) {
    std::string after;
    for (bool more = true; more;) {
      const auto page = co_await query::list_memory(source_.browse, source_.step(), source_.who,
                                                    kind, after, items_at_once);
      for (const auto& shown : page.items) co_await write_one(kind, shown);
      more = page.more && !page.items.empty();
      if (more) after = page.items.back().memory.id;
    }
  }

  asio::awaitable<void> write_one(MemoryKind kind, const query::Shown& shown) {
    const auto id = DocId::parse(shown.memory.id);
    if (!id) co_return;
    ports::ChunkRange range{.kind = kind, .id = *id, .limit = items_at_once};
    for (bool first = true; first || range.after; first = false) {
      const auto page =
          co_await query::read_memory(source_.browse, source_.step(), source_.who, range);
      if (!page) co_return;  // deleted since it was listed
      if (first) add_head(kind, shown, *page);
      for (const auto& passage : page->passages) add_text(kind, passage);
      // Counted and not passed over in silence: a person is told that something of theirs could not
      // be opened.
      unopened_ += page->unopened;
      co_await flush();
      range.after = page->next;
    }
  }

  void add_head(MemoryKind kind, const query::Shown& shown, const query::TextPage& page) {
    if (kind == MemoryKind::conversation) {
      ++conversations_;
      return add("conversation", listed_conversation(shown));
    }
    ++documents_;
    auto document = listed_document(shown);
    add_meta(document, page.passages.empty() ? std::string() : page.passages[0].meta_json());
    add("document", document);
  }

  void add_text(MemoryKind kind, const crypto::Passage& passage) {
    const bool is_turn = kind == MemoryKind::conversation;
    json::object line{{is_turn ? "conversation" : "doc_id", passage.from().doc_id}};
    const auto members = is_turn ? listed_turn(passage) : listed_chunk(passage);
    for (const auto& member : members) line.emplace(member.key(), member.value());
    if (!is_turn) line["meta"] = meta_json(passage.meta_json());
    ++(is_turn ? turns_ : chunks_);
    add(is_turn ? "turn" : "chunk", line);
  }

  asio::awaitable<void> write_files() {
    knowledge::FileQuery query{.files_max = items_at_once};
    do {
      const auto page =
          co_await knowledge::list_files(*source_.knowledge, source_.step(), source_.who, query);
      for (const auto& file : page.files) add("file", file_json(file));
      files_ += page.files.size();
      co_await flush();
      query.after = page.next;
    } while (query.after);
  }

  const ExportSource& source_;
  const LineSink& sink_;
  std::string lines_;
  std::size_t documents_ = 0, chunks_ = 0, conversations_ = 0, turns_ = 0, files_ = 0;
  std::size_t unopened_ = 0;
};

}  // namespace

asio::awaitable<void> export_lines(const ExportSource& source, const LineSink& sink) {
  Export all(source, sink);
  co_await all.run();
}

}  // namespace memseal::http
