#pragma once
#include "cases/query/answer.hpp"
#include "cases/query/internal/key_ring.hpp"

namespace memseal::query {

/// Opens candidates. A row that does not open is left out and counted, because one damaged row must
/// not hide the others. Everything that it is given outlives it.
class Opener {
 public:
  Opener(QueryDeps& deps, const runtime::RequestContext& context, const crypto::Tenant& who)
      : deps_(deps), context_(context), who_(who), keys_(deps.keys, context, who) {}

  asio::awaitable<std::optional<crypto::Passage>> open(crypto::SealedCandidate candidate);
  /// What is sealed beside a text; empty when there is nothing. Nothing when it does not open.
  asio::awaitable<std::optional<std::string>> open_meta(const crypto::SealedCandidate& candidate);

 private:
  asio::awaitable<ports::TenantKeyPtr> key_to_open(const Bytes& blob, Uuid chunk);
  void refuse(Unopened why, const Uuid& chunk);

  QueryDeps& deps_;
  const runtime::RequestContext& context_;
  const crypto::Tenant& who_;
  KeyRing keys_;
};

}  // namespace memseal::query
