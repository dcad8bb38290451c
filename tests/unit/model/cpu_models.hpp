#pragma once
// A small embedder and a small reranker on the CPU, and the loop of a caller.
#include "adapters/model/cpu_embedder.hpp"
#include "adapters/model/cpu_reranker.hpp"
#include "adapters/model/load_model.hpp"
#include "adapters/model/schedule/model_pool.hpp"
#include "support/code_of.hpp"
#include "support/model_files.hpp"
#include "support/run_loop.hpp"

#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <optional>

namespace memseal::model::testing {

inline ModelSpec embedder_spec() {
  return {.hidden = 64, .layers = 2, .heads = 2, .intermediate = 96, .positions = 128};
}

inline ModelSpec reranker_spec() {
  auto spec = embedder_spec();
  spec.architecture = Architecture::cross_encoder;
  return spec;
}

/// Two models on a pool of their own, and the loop of a caller.
struct Models {
  TempDirectory directory;
  ModelPool pool;
  asio::io_context loop{1};
  std::unique_ptr<CpuEmbedder> embedder;
  std::unique_ptr<CpuReranker> reranker;

  explicit Models(std::size_t threads = 2) : pool(threads) {
    write_model(directory.path() / "embedder", embedder_spec());
    write_model(directory.path() / "reranker", reranker_spec());
    embedder = std::make_unique<CpuEmbedder>(load_embedder(), pool);
    reranker = std::make_unique<CpuReranker>(load_reranker(), pool);
  }
  ~Models() { pool.join(); }

  std::shared_ptr<const LoadedModel> load_embedder(Backend backend = Backend::cpu) const {
    return load_model(directory.path() / "embedder", Architecture::encoder, {.backend = backend})
        .value();
  }
  std::shared_ptr<const LoadedModel> load_reranker(Backend backend = Backend::cpu) const {
    return load_model(directory.path() / "reranker", Architecture::cross_encoder,
                      {.backend = backend})
        .value();
  }

  template <class R>
  R await(asio::awaitable<R> work) {
    std::optional<R> result;
    test::run_to_end(loop, keep(std::move(work), result));
    return std::move(*result);
  }

 private:
  template <class R>
  static asio::awaitable<void> keep(asio::awaitable<R> work, std::optional<R>& result) {
    result = co_await std::move(work);
  }
};

using test::code_of;

/// Holds one thread of a pool until it is let go.
struct Occupied {
  std::promise<void> gate;
  std::future<void> entered;
  explicit Occupied(ModelPool& pool) {
    auto started = std::make_shared<std::promise<void>>();
    entered = started->get_future();
    asio::post(pool.threads(),
               [started, let_go = std::make_shared<std::future<void>>(gate.get_future())] {
                 started->set_value();
                 let_go->wait();
               });
    entered.wait();
  }
  void release() { gate.set_value(); }
};

}  // namespace memseal::model::testing
