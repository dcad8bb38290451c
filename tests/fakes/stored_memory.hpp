#pragma once
#include "fakes/fault_script.hpp"
#include "ports/stored_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// Documents and conversations of all tenants.
class StoredMemory final : public ports::StoredMemory {
 public:
  struct Entry {
    ports::ListedMemory memory;
    std::vector<ports::ListedChunk> chunks;  ///< in their order
  };

  asio::awaitable<std::vector<ports::ListedMemory>> list(runtime::RequestContext,
                                                         crypto::Tenant owner,
                                                         ports::MemoryKind kind, std::string after,
                                                         std::size_t limit) override {
    co_await faults.play();
    std::vector<ports::ListedMemory> found;
    for (const auto& [id, entry] : entries[{owner, kind}])
      if (id > after && found.size() < limit) found.push_back(entry.memory);
    co_return found;
  }
  asio::awaitable<std::optional<ports::ListedMemory>> find(runtime::RequestContext,
                                                           crypto::Tenant owner,
                                                           ports::MemoryKind kind,
                                                           DocId id) override {
    co_await faults.play();
    const auto& own = entries[{owner, kind}];
    const auto found = own.find(id.value());
    if (found == own.end()) co_return std::nullopt;
    co_return found->second.memory;
  }
  asio::awaitable<std::vector<ports::ListedChunk>> chunks(runtime::RequestContext,
                                                          crypto::Tenant owner,
                                                          ports::ChunkRange range) override {
    co_await faults.play();
    std::vector<ports::ListedChunk> found;
    const auto& own = entries[{owner, range.kind}];
    const auto entry = own.find(range.id.value());
    if (entry == own.end()) co_return found;
    auto all = entry->second.chunks;
    if (range.newest_first) std::reverse(all.begin(), all.end());
    bool behind = !range.after;
    for (const auto& chunk : all) {
      if (behind && found.size() < range.limit) found.push_back(chunk);
      behind = behind || chunk.place.id == range.after->id;
    }
    co_return found;
  }
  asio::awaitable<bool> is_known(runtime::RequestContext, crypto::Tenant owner,
                                 ports::MemoryKind kind, DocId id) override {
    co_await faults.play();
    co_return entries[{owner, kind}].contains(id.value()) ||
        announced.contains({owner, kind, id.value()});
  }

  FaultScript faults;
  std::map<std::pair<crypto::Tenant, ports::MemoryKind>, std::map<std::string, Entry>> entries;
  std::set<std::tuple<crypto::Tenant, ports::MemoryKind, std::string>> announced;
};

}  // namespace memseal::fakes
