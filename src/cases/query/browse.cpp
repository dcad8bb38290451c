// Work for the pool is named before it is awaited: gcc 12 destroys the captures of a lambda made
// inside a co_await expression twice.
#include "cases/query/browse.hpp"

#include "cases/query/internal/key_ring.hpp"
#include "pure/crypto/document_name.hpp"
#include "runtime/offload.hpp"

#include <optional>
#include <utility>

namespace memseal::query {

namespace {

using ports::MemoryKind;

/// The key of `blob`; null: `why` says the cause.
const crypto::TenantKey* key_in(const Keys& keys, const Bytes& blob,
                                std::optional<Unopened>& why) {
  const auto key_id = crypto::Sealer::key_id_of(blob);
  const auto found = key_id ? keys.find(*key_id) : keys.end();
  if (found != keys.end() && found->second) return found->second.get();
  why = key_id ? Unopened::key_missing : Unopened::not_a_blob;
  return nullptr;
}

struct OpenedName {
  std::string name;
  std::optional<Unopened> unopened;
};

OpenedName open_name(const crypto::IdDeriver& ids, const crypto::Tenant& who, const Keys& keys,
                     const ports::ListedMemory& memory) {
  OpenedName result;
  if (memory.name_cipher.empty()) return result;
  const auto* key = key_in(keys, memory.name_cipher, result.unopened);
  if (key == nullptr) return result;
  const crypto::SealBinding place{crypto::document_object(ids, who, memory.id), memory.id, 0};
  const auto name = crypto::Sealer::open(who, *key, crypto::Field::document_name, place,
                                         memory.name_cipher);
  if (name)
    result.name.assign(name->view().begin(), name->view().end());
  else
    result.unopened = Unopened::not_authentic;
  return result;
}

/// Opens the names of what a list shows.
asio::awaitable<std::vector<Shown>> shown(const BrowseDeps& deps,
                                          const runtime::RequestContext& context,
                                          const crypto::Tenant& who,
                                          std::vector<ports::ListedMemory> memories) {
  KeyRing ring(deps.keys, context, who);
  for (const auto& memory : memories)
    if (!memory.name_cipher.empty()) co_await ring.add(memory.name_cipher);
  auto work = [&ids = deps.ids, who, keys = ring.take(), memories](std::stop_token stop) {
    std::vector<OpenedName> names;
    for (const auto& memory : memories) {
      if (stop.stop_requested()) break;
      names.push_back(open_name(ids, who, keys, memory));
    }
    return names;
  };
  auto names = co_await runtime::offload(deps.cpu, std::move(work));
  std::vector<Shown> all;
  for (std::size_t i = 0; i < memories.size() && i < names.size(); ++i) {
    if (names[i].unopened)
      report_unopened(deps.metrics, context, who, *names[i].unopened,
                      crypto::document_object(deps.ids, who, memories[i].id).to_string());
    memories[i].name_cipher.clear();
    all.push_back({std::move(memories[i]), std::move(names[i].name), {}});
  }
  co_return all;
}

struct OpenedChunk {
  std::optional<crypto::Passage> passage;
  std::optional<Unopened> unopened;  ///< where there is no passage
  Uuid id = {};
};

OpenedChunk open_chunk(const crypto::Tenant& who, const Keys& keys,
                       crypto::SealedCandidate chunk) {
  OpenedChunk result;
  result.id = chunk.id;
  const auto* key = key_in(keys, chunk.text_cipher, result.unopened);
  if (key == nullptr) return result;
  auto passage = crypto::Sealer::open(who, *key, std::move(chunk));
  if (passage)
    result.passage = std::move(*passage);
  else
    result.unopened = Unopened::not_authentic;
  return result;
}

asio::awaitable<std::vector<crypto::Passage>> opened(const BrowseDeps& deps,
                                                     const runtime::RequestContext& context,
                                                     const crypto::Tenant& who,
                                                     std::vector<ports::ListedChunk> chunks) {
  KeyRing ring(deps.keys, context, who);
  for (const auto& listed : chunks) co_await ring.add(listed.chunk.text_cipher);
  auto work = [who, keys = ring.take(), chunks = std::move(chunks)](std::stop_token stop) mutable {
    std::vector<OpenedChunk> results;
    for (auto& listed : chunks) {
      if (stop.stop_requested()) break;
      results.push_back(open_chunk(who, keys, std::move(listed.chunk)));
    }
    return results;
  };
  auto results = co_await runtime::offload(deps.cpu, std::move(work));
  std::vector<crypto::Passage> passages;
  for (auto& result : results) {
    if (result.passage)
      passages.push_back(std::move(*result.passage));
    else
      report_unopened(deps.metrics, context, who, *result.unopened, result.id.to_string());
  }
  co_return passages;
}

}  // namespace

asio::awaitable<ShownPage> list_memory(const BrowseDeps& deps, runtime::RequestContext context,
                                       crypto::Tenant who, MemoryKind kind, std::string after,
                                       std::size_t limit) {
  // One more than is shown tells whether another page follows.
  auto found = co_await deps.stored.list(context, who, kind, std::move(after), limit + 1);
  ShownPage page;
  page.more = found.size() > limit;
  if (page.more) found.resize(limit);
  page.items = co_await shown(deps, context, who, std::move(found));
  co_return page;
}

asio::awaitable<std::optional<Shown>> show_memory(const BrowseDeps& deps,
                                                  runtime::RequestContext context,
                                                  crypto::Tenant who, MemoryKind kind, DocId id) {
  auto found = co_await deps.stored.find(context, who, kind, id);
  if (!found) co_return std::nullopt;
  std::vector<ports::ListedMemory> one(1, std::move(*found));
  auto items = co_await shown(deps, context, who, std::move(one));
  ports::ChunkRange first{.kind = kind, .id = std::move(id), .limit = 1};
  auto chunks = co_await deps.stored.chunks(context, who, std::move(first));
  const auto passages = co_await opened(deps, context, who, std::move(chunks));
  if (!passages.empty()) items.at(0).meta_json = passages[0].meta_json();
  co_return std::move(items.at(0));
}

asio::awaitable<std::optional<TextPage>> read_memory(const BrowseDeps& deps,
                                                     runtime::RequestContext context,
                                                     crypto::Tenant who, ports::ChunkRange range) {
  const auto limit = range.limit++;
  const auto kind = range.kind;
  const auto id = range.id;
  auto chunks = co_await deps.stored.chunks(context, who, std::move(range));
  // No chunks is an empty page behind the last one, or an id that is not there: the two have
  // different answers.
  if (chunks.empty()) {
    const auto found = co_await deps.stored.find(context, who, kind, id);
    if (!found) co_return std::nullopt;
  }
  TextPage page;
  if (chunks.size() > limit) {
    chunks.resize(limit);
    // By the last chunk that is shown, also where it does not open, so the next page goes on behind
    // it.
    page.next = chunks.back().place;
  }
  const auto count = chunks.size();
  page.passages = co_await opened(deps, context, who, std::move(chunks));
  page.unopened = count - page.passages.size();
  co_return page;
}

}  // namespace memseal::query
