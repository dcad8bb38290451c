// A BERT by the kernels' plain twins against the formulas in double precision.
#include "adapters/model/cpu/reference_encoder.hpp"
#include "adapters/model/gpu/blocking_encoder.hpp"
#include "adapters/model/gpu/convert.hpp"
#include "gpu_rig.hpp"
#include "random_bert.hpp"

#include "adapters/model/inspect.hpp"

#include <numeric>
#include <random>

namespace memseal::model {
namespace {

using testing::batch_of;
using testing::ModelSpec;

struct DeviceBert : testing::RandomBert {
  using RandomBert::RandomBert;

  std::unique_ptr<Encoder> on_device() const {
    kernels::EngineOptions options;
    options.lanes = 1;
    options.warm = false;
    options.batch_tokens = 2'048;
    options.patience_ms = 60'000;
    return make_blocking_encoder(config, tensors, config.positions,
                                 std::make_shared<kernels::HostDevice>(), options);
  }
};

ModelSpec small(Architecture architecture, std::size_t head) {
  return {.architecture = architecture, .hidden = 64, .layers = 2, .heads = 64 / head,
          .intermediate = 96};
}

TEST(BlockingEncoder, ScoresAsTheReferenceAtOddLengths) {
  const std::vector<std::size_t> few{2, 3, 63, 64, 65, 129}, many{2, 31, 127, 128, 255, 512};
  for (const std::size_t head : {32u, 64u}) {
    const DeviceBert bert(small(Architecture::cross_encoder, head));
    const auto batch = batch_of(head == 32 ? few : many, bert.spec.rows);
    EXPECT_LE(testing::worst(bert.run(*bert.on_device(), batch),
                             bert.run(*bert.reference(), batch)),
              testing::logit_gate)
        << head;
  }
}

TEST(BlockingEncoder, ScoresAsTheReferenceInBatchesOfAnySize) {
  const DeviceBert bert(small(Architecture::cross_encoder, 32));
  const auto device = bert.on_device(), reference = bert.reference();
  for (const std::size_t count : {1u, 2u, 24u, 32u}) {
    std::vector<std::size_t> lengths;
    for (std::size_t i = 0; i < count; ++i) lengths.push_back(2 + (i * 29) % 61);
    const auto batch = batch_of(lengths, bert.spec.rows);
    EXPECT_LE(testing::worst(bert.run(*device, batch), bert.run(*reference, batch)),
              testing::logit_gate)
        << count;
  }
}

TEST(BlockingEncoder, EmbedsAsTheReference) {
  const DeviceBert bert(small(Architecture::encoder, 32));
  const auto batch = batch_of({2, 3, 64, 65, 130}, bert.spec.rows);
  const auto got = bert.run(*bert.on_device(), batch);
  EXPECT_LE(testing::worst(got, bert.run(*bert.reference(), batch)), 2e-3);
  double norm = 0;
  for (std::size_t i = 0; i < bert.config.hidden; ++i) norm += double(got[i]) * got[i];
  EXPECT_NEAR(norm, 1, 1e-4);
}

TEST(BlockingEncoder, GivesASequenceTheSameNumberInAnyOrder) {
  const DeviceBert bert(small(Architecture::cross_encoder, 64));
  const auto device = bert.on_device();
  const auto batch = batch_of({5, 77, 2, 130, 64, 9, 31, 200}, bert.spec.rows);
  const auto straight = bert.run(*device, batch);
  std::vector<std::size_t> order(batch.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::shuffle(order.begin(), order.end(), std::mt19937(3));
  PackedBatch shuffled;
  for (const auto i : order) shuffled.add(batch.tokens(i), batch.segment_b[i]);
  const auto got = bert.run(*device, shuffled);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(got[i], straight[order[i]]) << i;
}

TEST(BlockingEncoder, ReadsOnlyThePositionsThatInputsReach) {
  const DeviceBert bert(small(Architecture::encoder, 32));
  const auto shape = shape_of(bert.config, 40);
  EXPECT_EQ(shape.positions, 40u);
  EXPECT_EQ(reader_of(bert.tensors, shape)(kernels::Part::positions, 0).size(), 40u * 64u);
}

TEST(BlockingEncoder, RefusesAShapeThatTheKernelsDoNotCompute) {
  const DeviceBert bert({.hidden = 36, .layers = 1, .heads = 3, .intermediate = 50});
  try {
    bert.on_device();
    FAIL() << "was made";
  } catch (const kernels::DeviceError& error) {
    EXPECT_EQ(error.fault(), kernels::Fault::unsupported);
  }
}

TEST(BlockingEncoder, NamesItsBackendAndItsDevice) {
  const DeviceBert bert(small(Architecture::encoder, 32));
  const auto device = bert.on_device();
  EXPECT_EQ(device->backend(), "cuda");
  EXPECT_EQ(device->isa(), "host (plain twins) sm_80");
  std::vector<float> out(64);
  EXPECT_FALSE(device->embed(batch_of({4}, 96), [] { return false; }, out));
}

/// A directory, and a host whose device is the plain twins.
struct Inspected {
  testing::TempDirectory directory;
  testing::Openings openings;
  LoadOptions options;

  explicit Inspected(const ModelSpec& spec) {
    testing::write_model(directory.path(), spec);
    options.device = DeviceChoice::cuda;
    options.gpu =
        std::make_shared<GpuSupervisor>(openings.opener(), testing::fast_options(), nullptr);
  }
};

TEST(BlockingEncoder, IsWhatAWorkloadRunsOnWhenAskedTo) {
  Inspected rig(testing::tiny_spec(Architecture::cross_encoder));
  auto on_device = Workload::load(rig.directory.path(), rig.options).value();
  auto on_cpu = Workload::load(rig.directory.path()).value();
  EXPECT_EQ(on_device.info().backend, "cuda");
  EXPECT_EQ(on_device.info().parameters, on_cpu.info().parameters);
  on_device.draw(4, 60);
  on_cpu.draw(4, 60);
  EXPECT_LE(testing::worst(on_device.run(), on_cpu.run()), testing::logit_gate);
}

TEST(BlockingEncoder, IsVerifiedWithinWhatFp16Allows) {
  for (const auto kind : {Architecture::encoder, Architecture::cross_encoder}) {
    Inspected rig(testing::tiny_spec(kind));
    const auto found = verify(rig.directory.path(), {}, rig.options);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->info.backend, "cuda");
    EXPECT_TRUE(found->agrees) << found->delta_max << " of " << found->tolerance;
    EXPECT_GT(found->delta_max, 1e-6) << "that was no fp16";
  }
}

TEST(BlockingEncoder, IsRefusedOrReplacedByTheCpuWhereThereIsNone) {
  Inspected rig(testing::tiny_spec(Architecture::encoder));
  rig.openings.refusal = kernels::Fault::no_driver;
  const auto refused = Workload::load(rig.directory.path(), rig.options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_config);
  EXPECT_NE(refused.error().message.find("driver"), std::string::npos);
  rig.options.device = DeviceChoice::automatic;
  EXPECT_EQ(Workload::load(rig.directory.path(), rig.options).value().info().backend, "cpu");
}

}  // namespace
}  // namespace memseal::model
