#include "cases/knowledge/files.hpp"

#include "cases/knowledge/internal/facts.hpp"

#include <utility>

namespace memseal::knowledge {

asio::awaitable<std::optional<File>> find_file(const KnowledgeDeps& deps,
                                               runtime::RequestContext context,
                                               crypto::Tenant owner, Uuid id) {
  const auto row = co_await find_row(deps.catalog, context, owner, id);
  if (!row) co_return std::nullopt;
  co_return co_await file_of(deps, std::move(context), owner, *row);
}

asio::awaitable<FilePage> list_files(const KnowledgeDeps& deps, runtime::RequestContext context,
                                     crypto::Tenant owner, FileQuery query) {
  // One more than asked for tells whether a page follows.
  ports::FileListing listing{.after = query.after, .rows_max = query.files_max + 1};
  for (const auto& tag : query.tags) listing.tag_macs.push_back(deps.hasher.tag(owner, tag));
  if (query.from_ms) listing.from_us = *query.from_ms * 1'000;
  if (query.until_ms) listing.until_us = *query.until_ms * 1'000;
  auto rows = co_await deps.catalog.list(context, owner, std::move(listing));
  FilePage page;
  if (rows.size() > query.files_max) {
    rows.resize(query.files_max);
    page.next = ports::FileMark{rows.back().created_at_us, rows.back().id};
  }
  for (const auto& row : rows) {
    auto file = co_await file_of(deps, context, owner, row);
    page.files.push_back(std::move(file));
  }
  co_return page;
}

asio::awaitable<bool> remove_file(const KnowledgeDeps& deps, runtime::RequestContext context,
                                  crypto::Tenant owner, Uuid id) {
  const auto row = co_await deps.catalog.remove(context, owner, id);
  if (!row) co_return false;
  const ports::FileKey object{row->content, row->object};
  co_await drop_object(deps, std::move(context), owner, object);
  co_return true;
}

}  // namespace memseal::knowledge
