#include "adapters/model/factory.hpp"
#include "support/model_files.hpp"

#include <gtest/gtest.h>

namespace memseal::model {
namespace {

TEST(Factory, MakesBothPorts) {
  const testing::TempDirectory directory;
  testing::write_model(directory.path() / "e", {});
  testing::write_model(directory.path() / "r", {.architecture = Architecture::cross_encoder});
  ModelPool pool(1);
  const auto embedder = open_embedder(directory.path() / "e", pool);
  ASSERT_TRUE(embedder);
  EXPECT_EQ((*embedder)->dimension(), 32u);
  EXPECT_EQ((*embedder)->model_name(), "e");
  EXPECT_EQ((*embedder)->tokenizer().vocabulary_size(), 65u);
  const auto reranker = open_reranker(directory.path() / "r", pool);
  ASSERT_TRUE(reranker);
  EXPECT_EQ((*reranker)->model_name(), "r");
  EXPECT_EQ(open_reranker(directory.path() / "e", pool).error().code, Errc::model_unsupported);
  EXPECT_EQ(open_embedder(directory.path() / "r", pool).error().code, Errc::model_unsupported);
  pool.join();
}

}  // namespace
}  // namespace memseal::model
