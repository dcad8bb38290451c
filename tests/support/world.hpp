#pragma once
// Ports that answer from memory: what the tests of query and http put in the adapters' place.
#include "base/assert.hpp"
#include "cases/inference/inference.hpp"
#include "cases/query/answer.hpp"
#include "ports/chunk_search.hpp"
#include "ports/embedder.hpp"
#include "ports/reranker.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/policy/breaker.hpp"
#include "pure/text/wordpiece.hpp"
#include "runtime/condition.hpp"
#include "runtime/metrics.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace memseal::fakes {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// What a fake does when it is called: answer, answer late, or fail.
struct Mood {
  std::chrono::milliseconds delay{0};
  std::optional<Error> outage;
  bool throws_unexpected = false;
  int calls = 0, finished = 0, cancelled = 0;

  asio::awaitable<void> play() {
    ++calls;
    if (delay > 0ms) {
      try {
        co_await runtime::pause_for(delay);
      } catch (...) {
        ++cancelled;
        throw;
      }
    }
    if (outage) throw_failure(*outage);
    if (throws_unexpected) throw std::runtime_error("secret internals at 10.0.0.1");
    ++finished;
  }
};

class Embedder final : public ports::Embedder {
 public:
  std::size_t dimension() const override { return 4; }
  const std::string& model_name() const override { return name_; }
  asio::awaitable<std::vector<ports::Embedding>> embed(
      runtime::RequestContext, std::vector<ports::EmbedInput> inputs) override {
    batches.push_back(inputs);
    co_await mood.play();
    std::vector<ports::Embedding> vectors;
    for (const auto& input : inputs)  // tells inputs of different lengths apart
      vectors.push_back({static_cast<float>(input.token_ids.size()), 0.5f, 0.25f, 0});
    if (answers) co_return answers(std::move(vectors));
    co_return vectors;
  }
  asio::awaitable<ports::QueryVector> embed_query(runtime::RequestContext,
                                                  std::string text) override {
    asked.push_back(std::move(text));
    co_await mood.play();
    co_return ports::QueryVector{ports::Embedding(4, 0.5f)};
  }

  Mood mood;
  std::vector<std::string> asked;
  std::vector<std::vector<ports::EmbedInput>> batches;  ///< what embed() was given
  std::function<std::vector<ports::Embedding>(std::vector<ports::Embedding>)> answers;

 private:
  std::string name_ = "fake-embedder";
};

/// Chunks sealed for their tenants, found in the order they were added.
class Search final : public ports::ChunkSearch {
 public:
  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext, crypto::Tenant owner, ports::QueryVector, std::size_t limit,
      ports::SearchFilter filter) override {
    last_limit = limit;
    last_filter = std::move(filter);
    co_await mood.play();
    auto found = rows[owner];
    if (found.size() > limit) found.resize(limit);
    co_return found;
  }

  Mood mood;
  std::map<crypto::Tenant, std::vector<crypto::SealedCandidate>> rows;
  std::size_t last_limit = 0;
  ports::SearchFilter last_filter;
};

class Keys final : public ports::TenantKeys {
 public:
  explicit Keys(const crypto::Keyring& keyring) : keyring_(keyring) {}

  ports::TenantKeyPtr key(const crypto::Tenant& owner, std::uint32_t key_id) {
    auto& known = keys_[{owner, key_id}];
    if (!known) {
      const auto wrapped = keyring_.make_tenant_key(owner, key_id).value();
      known = std::make_shared<const crypto::TenantKey>(keyring_.unwrap(owner, wrapped).value());
    }
    return known;
  }
  asio::awaitable<ports::TenantKeyPtr> sealing_key(runtime::RequestContext,
                                                   crypto::Tenant owner) override {
    co_return key(owner, 1);
  }
  asio::awaitable<ports::TenantKeyPtr> opening_key(runtime::RequestContext, crypto::Tenant owner,
                                                   std::uint32_t key_id) override {
    ++opened;
    co_await mood.play();
    if (forgotten.contains(key_id)) co_return nullptr;
    co_return key(owner, key_id);
  }

  Mood mood;
  std::set<std::uint32_t> forgotten;
  int opened = 0;

 private:
  const crypto::Keyring& keyring_;
  std::map<std::pair<crypto::Tenant, std::uint32_t>, ports::TenantKeyPtr> keys_;
};

/// Scores a passage by the last digit of its text, so "… 7" beats "… 3".
class Reranker final : public ports::Reranker {
 public:
  const std::string& model_name() const override { return name_; }
  asio::awaitable<std::vector<float>> score(runtime::RequestContext context, std::string,
                                            std::vector<std::string> passages) override {
    last_deadline = context.deadline;
    asked.push_back(passages.size());
    co_await mood.play();
    if (answers) co_return answers(passages);
    std::vector<float> logits;
    for (const auto& passage : passages) {
      if (each > 0ms && !logits.empty() && context.deadline.left() < 2 * each) break;
      if (each > 0ms) co_await runtime::pause_for(each);
      logits.push_back(static_cast<float>(passage.back() - '0'));
    }
    co_return logits;
  }

  Mood mood;
  std::chrono::milliseconds each{0};  ///< time of one passage; hands over what it has in time
  std::vector<std::size_t> asked;     ///< passages of each call
  std::function<std::vector<float>(const std::vector<std::string>&)> answers;
  runtime::Deadline last_deadline = runtime::Deadline::never();

 private:
  std::string name_ = "fake-reranker";
};

/// A key for tests: 32 bytes that count up from `first`, in hex.
inline std::string test_key(std::uint8_t first) {
  std::array<std::uint8_t, 32> bytes;
  for (auto& byte : bytes) byte = first++;
  return to_hex(bytes.data(), bytes.size());
}

/// A vocabulary of five words: "red", "planet", "mars", "is", "the".
inline text::WordPiece five_words() {
  return text::WordPiece::from_vocabulary(
             "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nplanet\nmars\nis\nthe\n")
      .value();
}

/// A deployment's keys and all that a query needs, over fakes.
struct World {
  crypto::Keyring keyring =
      crypto::Keyring::from_keys(test_key(1), test_key(2), test_key(3)).value();
  crypto::TenantKeyer tenants = keyring.tenant_keyer();
  crypto::IdDeriver ids = keyring.id_deriver();
  runtime::Metrics metrics;
  query::QueryMetrics query_metrics{metrics};
  rerank::RerankMetrics rerank_metrics{metrics};
  Embedder embedder;
  Search search;
  Keys keys{keyring};
  Reranker reranker;
  policy::Breaker breaker;
  rerank::Flags flags;
  text::WordPiece tokenizer = five_words();
  rerank::RerankDeps reranking{&reranker, breaker, flags, rerank_metrics};
  query::QueryDeps query{embedder, search, keys, reranking, query_metrics};
  inference::InferenceDeps inference{reranking, embedder, &tokenizer};

  crypto::Tenant tenant(const std::string& user) const {
    return tenants.tenant_of(UserId::parse(user).value());
  }

  /// A row as the database would return it.
  crypto::SealedCandidate sealed(const crypto::Tenant& owner, int index, const std::string& text,
                                 const std::string& meta = {}, std::uint32_t key_id = 1) {
    const auto doc = DocId::parse("doc").value();
    const std::vector<float> vector(4, 0.5f);
    crypto::ChunkHeader place{.id = ids.chunk_id(owner, doc, 1, index),
                             .doc_id = doc,
                             .origin = Origin::upload,
                             .chunk_index = index,
                             .model = "fake-embedder"};
    const auto chunk = crypto::Sealer::seal(owner, *keys.key(owner, key_id), place,
                                            {text, meta, vector})
                           .value();
    return {.id = place.id, .doc_id = doc.value(), .origin = place.origin,
            .chunk_index = index, .char_start = 10 * index, .char_end = 10 * index + 9,
            .tags = {"red", "blue"}, .created_at_ms = 1'700'000'000'000,
            .distance = 0.01f * static_cast<float>(index), .text_cipher = chunk.text_cipher(),
            .meta_cipher = chunk.meta_cipher()};
  }

  /// Gives `user` the passages "passage 0", "passage 1", … nearest first.
  void fill(const std::string& user, int count) {
    const auto owner = tenant(user);
    for (int i = 0; i < count; ++i)
      search.rows[owner].push_back(sealed(owner, i, "passage " + std::to_string(i),
                                          R"({"page":)" + std::to_string(i) + "}"));
  }
};

}  // namespace memseal::fakes
