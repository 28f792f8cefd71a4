#include "core/model/native_network.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "core/model/inference_module.h"
#include "core/support/processors.h"
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

/// A network of ours whose script says one thing differently: the same tensors, other code.
class Altered final : public Network {
 public:
  Altered(const NetworkOptions& options, std::string from, std::string to)
      : inner_(make_network(options)), from_(std::move(from)), to_(std::move(to)) {
    for (const auto& child : inner_->named_children()) register_module(child.key(), child.value());
    for (const auto& tensor : inner_->named_parameters(false)) register_parameter(tensor.key(), tensor.value());
    for (const auto& tensor : inner_->named_buffers(false)) register_buffer(tensor.key(), tensor.value());
  }
  torch::Tensor forward(const torch::Tensor& images, SampleSeeds seeds) override {
    return inner_->forward(images, seeds);
  }
  std::string script() const override {
    std::string text = inner_->script();
    const std::size_t at = text.find(from_);
    EXPECT_NE(at, std::string::npos) << text;
    return text.replace(at, from_.size(), to_);
  }

 private:
  std::shared_ptr<Network> inner_;
  std::string from_, to_;
};

TEST_F(NativeNetwork, IsNotTakenForAScriptThatDiffersAtAll) {
  const auto is_taken = [this](const std::string& row, const std::string& from, const std::string& to) {
    const Bundle bundle = bundle_of(row);
    const Altered altered({.name = row, .depth = bundle.metadata.depth, .size_px = 32}, from, to);
    save_bundle(file_, to_torchscript(altered), bundle.metadata);
    return native_network(load_bundle(file_)) != nullptr;
  };
  EXPECT_TRUE(is_taken("proposed_cnn", "dense3.bias)", "dense3.bias)"));
  EXPECT_FALSE(is_taken("proposed_cnn", "dense3.bias)", "dense3.bias) * 2.0"));
  EXPECT_FALSE(is_taken("densenet121", "1.0e-05", "1.0e-03"));
  // What forward() calls counts too.
  EXPECT_TRUE(is_taken("unet_densenet", "torch.sigmoid(", "torch.sigmoid("));
  EXPECT_FALSE(is_taken("unet_densenet", "torch.sigmoid(", "torch.tanh("));
  EXPECT_FALSE(is_taken("slice_attention", "torch.tanh(", "torch.sigmoid("));
}

TEST_F(NativeNetwork, KnowsWhatOtherOptionsChange) {
  testing::write_test_bundle(
      file_, {.network = "proposed_cnn", .channels = 3, .size_px = 40, .classes = {"a", "b", "malignant"}});
  const Bundle bundle = load_bundle(file_);
  const std::shared_ptr<Network> network = native_network(bundle);
  ASSERT_TRUE(network);
  const c10::InferenceMode inference;
  const torch::Tensor images = images_of(bundle.metadata);
  torch::jit::Module module = bundle.module;
  EXPECT_TRUE(torch::allclose(network->forward(images, {}), module.forward({images}).toTensor(), 1e-5, 1e-6));
}

TEST_F(NativeNetwork, GivesSlicesThatAreNotThereNoWeight) {
  const Bundle bundle = bundle_of("slice_attention");
  const std::shared_ptr<Network> network = native_network(bundle);
  const c10::InferenceMode inference;
  torch::Tensor stacks = images_of(bundle.metadata);
  stacks[0].slice(1, 0, 2).zero_();
  torch::jit::Module module = bundle.module;
  EXPECT_TRUE(torch::allclose(network->forward(stacks, {}), module.forward({stacks}).toTensor(), 1e-5, 1e-6));
}

TEST_F(NativeNetwork, AnswersManyThreadsFromTheFirstOn) {
  const Bundle bundle = bundle_of("proposed_cnn");
  const torch::Tensor images = images_of(bundle.metadata);
  const std::shared_ptr<Network> network = native_network(bundle);
  std::vector<torch::Tensor> answers(4);
  std::vector<std::thread> threads;
  for (torch::Tensor& answer : answers) {
    threads.emplace_back([&] {
      const c10::InferenceMode inference;
      answer = network->forward(images, {});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const torch::Tensor& answer : answers) EXPECT_TRUE(torch::equal(answer, answers[0]));
}

TEST_F(NativeNetwork, ServesTheRowsThatItIsQuickerFor) {
  if (processor_level() == ProcessorLevel::kAny) GTEST_SKIP() << "this processor is served by LibTorch alone";
  EXPECT_EQ(prepare_for_inference(bundle_of("proposed_cnn")).form, InferenceForm::kNetwork);
  EXPECT_EQ(prepare_for_inference(bundle_of("slice_attention")).form, InferenceForm::kNetwork);
  EXPECT_EQ(prepare_for_inference(bundle_of("conventional_cnn")).form, InferenceForm::kPacked);
  Bundle foreign = bundle_of("proposed_cnn");
  foreign.metadata.row = "somebody's";
  EXPECT_EQ(prepare_for_inference(foreign).form, InferenceForm::kPacked);
}

}  // namespace
}  // namespace pulmo
