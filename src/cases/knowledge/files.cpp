#include "cases/knowledge/files.hpp"

#include "cases/knowledge/internal/name.hpp"
#include "runtime/log.hpp"

#include <utility>

namespace memseal::knowledge {

asio::awaitable<File> file_of(const KnowledgeDeps& deps, runtime::RequestContext context,
                              crypto::Tenant owner, ports::FileRow row) {
  auto name = co_await open_name(deps.keys, std::move(context), owner, row);
  co_return File{.id = row.id,
                 .name = std::move(name),
                 .media_type = std::move(row.media_type),
                 .tags = std::move(row.tags),
                 .bytes = row.bytes,
                 .created_at_ms = row.created_at_us / 1'000};
}

asio::awaitable<std::optional<File>> find_file(const KnowledgeDeps& deps,
                                               runtime::RequestContext context,
                                               crypto::Tenant owner, Uuid id) {
  auto row = co_await deps.catalog.find(context, owner, id);
  if (!row) co_return std::nullopt;
  co_return co_await file_of(deps, std::move(context), owner, std::move(*row));
}

asio::awaitable<FilePage> list_files(const KnowledgeDeps& deps, runtime::RequestContext context,
                                     crypto::Tenant owner, std::optional<ports::FileMark> after,
                                     std::size_t files_max) {
  // One more than asked for tells whether a page follows.
  auto rows = co_await deps.catalog.list(context, owner, after, files_max + 1);
  FilePage page;
  if (rows.size() > files_max) {
    rows.resize(files_max);
    page.next = ports::FileMark{rows.back().created_at_us, rows.back().id};
  }
  for (auto& row : rows) {
    auto file = co_await file_of(deps, context, owner, std::move(row));
    page.files.push_back(std::move(file));
  }
  co_return page;
}

asio::awaitable<bool> remove_file(const KnowledgeDeps& deps, runtime::RequestContext context,
                                  crypto::Tenant owner, Uuid id) {
  const auto row = co_await deps.catalog.remove(context, owner, id);
  if (!row) co_return false;
  const ports::FileKey key{row->content, row->id};
  try {
    co_await deps.store.remove(context, owner, key);
  } catch (const Failure& failed) {
    runtime::log(runtime::LogLevel::warn, "knowledge.object_kept",
                 {{"request_id", context.id}, {"cause", failed.error().message}});
  }
  co_return true;
}

asio::awaitable<Swept> sweep(const KnowledgeDeps& deps, const crypto::TenantKeyer& tenants,
                             runtime::RequestContext context, std::int64_t stored_before_ms) {
  Swept swept;
  swept.unfinished = co_await deps.store.sweep_unfinished(context);
  std::optional<UserHash> after;
  for (;;) {
    const auto of_tenant = co_await deps.store.next_tenant(context, after);
    if (!of_tenant) co_return swept;
    after = of_tenant->owner;
    // The store wrote the hash down when the tenant uploaded; no request names one.
    const auto owner = tenants.tenant_of_hash(of_tenant->owner);
    for (const auto& object : of_tenant->files) {
      if (object.stored_at_ms >= stored_before_ms) continue;
      const auto row = co_await deps.catalog.find(context, owner, object.key.file);
      if (row && row->content == object.key.content) continue;
      const bool removed = co_await deps.store.remove(context, owner, object.key);
      swept.orphans += removed ? 1 : 0;
    }
  }
}

}  // namespace memseal::knowledge
