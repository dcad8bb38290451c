#pragma once
#include "ports/file_store.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace memseal::fakes {

namespace asio = boost::asio;

/// Objects of all tenants, in memory.
class FileStore final : public ports::FileStore {
 public:
  struct Object {
    Bytes bytes;
    std::int64_t stored_at_ms = 0;
  };

  class Upload final : public ports::FileUpload {
   public:
    Upload(FileStore& store, UserHash owner) : store_(store), owner_(owner) { ++store_.open; }
    ~Upload() override {
      --store_.open;
      if (key_) store_.locked.erase({owner_, *key_});
    }
    asio::awaitable<void> append(runtime::RequestContext, crypto::SealedPart part) override {
      if (store_.full) throw Outage({Errc::unavailable, "write: No space left on device"});
      store_.part_bytes_max = std::max(store_.part_bytes_max, part.size());
      bytes_.insert(bytes_.end(), part.view().begin(), part.view().end());
      co_return;
    }
    asio::awaitable<void> commit(runtime::RequestContext, ports::FileKey key) override {
      for (const auto at : store_.rot) bytes_.at(at) ^= 1;
      store_.objects[{owner_, key}] = {std::move(bytes_), store_.now_ms};
      store_.locked.insert({owner_, key});
      key_ = key;
      co_return;
    }

   private:
    std::optional<ports::FileKey> key_;  // once committed
    FileStore& store_;
    UserHash owner_;
    Bytes bytes_;
  };

  asio::awaitable<std::unique_ptr<ports::FileUpload>> begin(runtime::RequestContext,
                                                            crypto::Tenant owner) override {
    co_return std::make_unique<Upload>(*this, owner.hash());
  }
  asio::awaitable<std::optional<ports::FilePiece>> read(runtime::RequestContext,
                                                        crypto::Tenant owner, ports::FileKey key,
                                                        std::uint64_t offset,
                                                        std::size_t bytes_max) override {
    const auto found = objects.find({owner.hash(), key});
    if (found == objects.end()) co_return std::nullopt;
    const auto& bytes = found->second.bytes;
    const auto from = std::min<std::size_t>(static_cast<std::size_t>(offset), bytes.size());
    const auto size = std::min(bytes_max, bytes.size() - from);
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(from);
    co_return ports::FilePiece{Bytes(first, first + static_cast<std::ptrdiff_t>(size)),
                               bytes.size()};
  }
  asio::awaitable<bool> remove(runtime::RequestContext, crypto::Tenant owner,
                               ports::FileKey key) override {
    if (full) throw Outage({Errc::unavailable, "the file store does not answer"});
    co_return objects.erase({owner.hash(), key}) > 0;
  }
  asio::awaitable<std::size_t> remove_all(runtime::RequestContext,
                                          crypto::Tenant owner) override {
    if (full) throw Outage({Errc::unavailable, "the file store does not answer"});
    co_return std::erase_if(objects,
                            [&](const auto& each) { return each.first.first == owner.hash(); });
  }
  class Held final : public ports::HeldFile {
   public:
    Held(FileStore& store, UserHash owner, ports::FileKey key)
        : store_(store), owner_(owner), key_(key) {}
    asio::awaitable<void> remove(runtime::RequestContext) override {
      store_.objects.erase({owner_, key_});
      co_return;
    }

   private:
    FileStore& store_;
    UserHash owner_;
    ports::FileKey key_;
  };

  asio::awaitable<std::unique_ptr<ports::HeldFile>> hold(runtime::RequestContext,
                                                         crypto::Tenant owner,
                                                         ports::FileKey key) override {
    if (unheld.contains(owner.hash())) throw Outage({Errc::unavailable, "the disk fails"});
    if (!objects.contains({owner.hash(), key}) || locked.contains({owner.hash(), key}))
      co_return nullptr;
    co_return std::make_unique<Held>(*this, owner.hash(), key);
  }
  asio::awaitable<std::optional<Uuid>> mark(runtime::RequestContext) override { co_return marked; }
  asio::awaitable<Uuid> ensure_mark(runtime::RequestContext, Uuid wanted) override {
    if (!marked) marked = wanted;
    co_return *marked;
  }
  asio::awaitable<std::size_t> sweep_unfinished(runtime::RequestContext) override {
    co_return std::exchange(unfinished, 0u);
  }
  asio::awaitable<std::optional<ports::FilesOfTenant>> next_tenant(
      runtime::RequestContext, std::optional<UserHash> after) override {
    std::optional<ports::FilesOfTenant> found;
    for (const auto& [name, object] : objects) {
      if (after && name.first <= *after) continue;
      if (!found) found = ports::FilesOfTenant{name.first, {}};
      if (found->owner != name.first) break;
      found->files.push_back({name.second, object.bytes.size(), object.stored_at_ms});
    }
    co_return found;
  }

  bool full = false;
  std::vector<std::size_t> rot;  ///< bytes of each object that are not stored as they came
  int open = 0;  ///< uploads that have not ended
  std::size_t part_bytes_max = 0;
  std::int64_t now_ms = 1'000;
  std::size_t unfinished = 0;  ///< what the next sweep finds
  std::optional<Uuid> marked;
  std::set<UserHash> unheld;  ///< tenants for whom hold() fails
  using Place = std::pair<UserHash, ports::FileKey>;
  std::map<Place, Object> objects;
  std::set<Place> locked;  ///< committed by an upload that is still there
};

}  // namespace memseal::fakes
