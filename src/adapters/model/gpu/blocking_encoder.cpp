#include "adapters/model/gpu/blocking_encoder.hpp"

#include "adapters/model/gpu/convert.hpp"

#include "base/assert.hpp"
#include "base/result.hpp"

#include <algorithm>

namespace memseal::model {

namespace {

class BlockingEncoder final : public Encoder {
 public:
  BlockingEncoder(const kernels::Shape& shape, const kernels::ReadPart& read,
                  std::shared_ptr<kernels::Device> device, const kernels::EngineOptions& options)
      : engine_(std::make_unique<kernels::Engine>(std::move(device), shape, read, options)),
        isa_(isa_of(engine_->device())),
        scores_(shape.cross_encoder) {}

  std::string_view backend() const noexcept override { return "cuda"; }
  std::string_view isa() const noexcept override { return isa_; }

  bool embed(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override {
    MEMSEAL_ASSERT(!scores_);
    return run(batch, should_continue, out);
  }

  bool score(const PackedBatch& batch, const ShouldContinue& should_continue,
             std::span<float> out) const override {
    MEMSEAL_ASSERT(scores_);
    return run(batch, should_continue, out);
  }

 private:
  bool run(const PackedBatch& batch, const ShouldContinue& should_continue,
           std::span<float> out) const {
    if (!should_continue()) return false;
    try {
      const auto values = engine_->run(to_kernels(batch));
      MEMSEAL_ASSERT(values.size() == out.size());
      std::copy(values.begin(), values.end(), out.begin());
    // Tools have no supervisor that would turn to the CPU, so they get the cause as it is.
    } catch (const kernels::DeviceError& error) {
      throw Outage({Errc::unavailable, std::string("the GPU failed: ") + error.what()});
    }
    return true;
  }

  std::unique_ptr<kernels::Engine> engine_;
  std::string isa_;
  bool scores_;
};

}  // namespace

std::unique_ptr<Encoder> make_blocking_encoder(const BertConfig& config, const BertTensors& tensors,
                                               std::size_t tokens_max,
                                               std::shared_ptr<kernels::Device> device,
                                               const kernels::EngineOptions& options) {
  const auto shape = shape_of(config, tokens_max);
  return std::make_unique<BlockingEncoder>(shape, reader_of(tensors, shape), std::move(device),
                                           options);
}

}  // namespace memseal::model
