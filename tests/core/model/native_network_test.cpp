#include "core/model/native_network.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/layers.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

class NativeNetwork : public ::testing::Test {
 protected:
  Bundle bundle_of(const std::string& row) const {
    const std::int64_t depth = takes_volumes(row) ? 5 : 0;
    testing::write_test_bundle(file_, {.network = row, .depth = depth, .size_px = 32});
    return load_bundle(file_);
  }
  static torch::Tensor images_of(const BundleMetadata& metadata) {
    torch::manual_seed(2);
    const std::int64_t size = metadata.spec.size_px;
    if (metadata.depth == 0) return torch::rand({3, metadata.channels, size, size});
    return torch::rand({3, metadata.channels, metadata.depth, size, size});
  }

  testing::TempDir directory_;
  std::filesystem::path file_ = directory_ / "bundle.pt";
};

TEST_F(NativeNetwork, IsFoundInEveryRowsBundleAndGivesItsLogits) {
  for (const std::string& row : network_names()) {
    const Bundle bundle = bundle_of(row);
    const std::shared_ptr<Network> network = native_network(bundle);
    ASSERT_TRUE(network) << row;
    const c10::InferenceMode inference;
    const torch::Tensor images = images_of(bundle.metadata);
    torch::jit::Module module = bundle.module;
    const torch::Tensor expected = module.forward({images}).toTensor();
    const double largest = expected.abs().max().item<double>();
    EXPECT_TRUE(torch::allclose(network->forward(images, {}), expected, 1e-5, 1e-5 * largest)) << row;
    EXPECT_TRUE(torch::equal(network->forward(images, {}), network->forward(images, {}))) << row;
  }
}

TEST_F(NativeNetwork, IsNotTakenForOtherCode) {
  Bundle bundle = bundle_of("proposed_cnn");
  bundle.metadata.row = "attention_cnn";
  EXPECT_FALSE(native_network(bundle));
  bundle.metadata.row = "somebody's";
  EXPECT_FALSE(native_network(bundle));
  bundle.metadata.row = "cnn3d";  // takes volumes
  EXPECT_FALSE(native_network(bundle));
}

TEST_F(NativeNetwork, IsNotTakenForOtherShapes) {
  Bundle bundle = bundle_of("proposed_cnn");
  bundle.metadata.spec.size_px = 64;
  EXPECT_FALSE(native_network(bundle));
}

/// The proposed CNN's layers, one of them used twice: the same tensors, other code.
class Doubled final : public Network {
 public:
  explicit Doubled(std::shared_ptr<Network> inner) : inner_(std::move(inner)) {
    for (const auto& child : inner_->named_children()) register_module(child.key(), child.value());
  }
  torch::Tensor forward(const torch::Tensor& images, SampleSeeds seeds) override {
    return inner_->forward(images, seeds);
  }
  std::string script() const override {
    std::string text = inner_->script();
    const std::string end = "self.dense3.bias)";
    return text.replace(text.find(end), end.size(), end + " * 2.0");
  }

 private:
  std::shared_ptr<Network> inner_;
};

TEST_F(NativeNetwork, IsNotTakenForAScriptThatDiffersAtAll) {
  const Bundle bundle = bundle_of("proposed_cnn");
  const NetworkOptions options{.name = "proposed_cnn", .size_px = 32};
  const auto saved = [&](const Network& network) {
    save_bundle(file_, to_torchscript(network), bundle.metadata);
    return load_bundle(file_);
  };
  EXPECT_TRUE(native_network(saved(*make_network(options))));
  EXPECT_FALSE(native_network(saved(Doubled(make_network(options)))));
}

}  // namespace
}  // namespace pulmo
