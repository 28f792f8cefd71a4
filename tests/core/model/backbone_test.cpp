#include "core/model/backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

#include "core/model/bundle.h"
#include "core/support/error.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int64_t kSize = 64;

void write_raw(const std::filesystem::path& path, const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.detach().contiguous();
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(values.data_ptr()), static_cast<std::streamsize>(values.nbytes()));
}

class BackboneTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string row() const { return GetParam(); }

  testing::ProcessResult twin(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command = {testing::python(), testing::source_dir() / "tests/golden/backbone_twin.py"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return testing::run_process(command);
  }

  /// A network with the weights of a torchvision file of random ones.
  std::shared_ptr<Network> loaded() {
    const auto made = twin({"make", row(), weights_});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    auto network = make_network({.name = row(), .size_px = kSize, .seed = 3});
    load_backbone(*network, weights_);
    return network;
  }

  testing::TempDir directory_;
  std::filesystem::path weights_ = directory_ / "weights.pth";
};

TEST_P(BackboneTest, IsTorchvisionsNetworkWithTheSameGradients) {
  // In float64: a value that rounding moves across the kink of a ReLU, or past its neighbour in a pool, has another
  // gradient.
  const auto network = loaded();
  network->to(torch::kFloat64);
  torch::manual_seed(1);
  const torch::Tensor images = torch::rand({3, 1, kSize, kSize});
  const torch::Tensor labels = torch::tensor({0, 1, 1}, torch::kInt64);
  const torch::Tensor logits = network->forward(images.to(torch::kFloat64), {});
  torch::cross_entropy_loss(logits, labels).backward();
  std::filesystem::create_directory(directory_ / "gradients");
  for (const auto& item : network->named_parameters()) {
    if (item.value().requires_grad()) {
      write_raw(directory_ / "gradients" / (item.key() + ".f64"), item.value().grad());
    }
  }
  write_raw(directory_ / "images.f32", images);
  write_raw(directory_ / "labels.i64", labels);
  write_raw(directory_ / "logits.f64", logits);
  BundleMetadata metadata = testing::test_bundle_metadata({.network = row(), .size_px = kSize});
  save_bundle(directory_ / "bundle.pt", to_torchscript(*network), metadata);
  const auto checked = twin({"check", row(), weights_, directory_.path()});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST_P(BackboneTest, DoesNotLearnItsInputNorItsStatistics) {
  const auto network = make_network({.name = row(), .size_px = kSize});
  for (const auto& item : network->named_parameters()) {
    const bool fixed = item.key().rfind("input.", 0) == 0 || item.key().find(".running_") != std::string::npos;
    EXPECT_EQ(item.value().requires_grad(), !fixed) << item.key();
    EXPECT_EQ(network->is_backbone(item.key()), item.key().rfind("classifier.", 0) != 0) << item.key();
  }
  EXPECT_TRUE(has_backbone(*network));
}

TEST_P(BackboneTest, ClassifierOfAnotherSizeInTheFileIsLeft) {
  const auto network = loaded();  // the file's has a thousand classes
  for (const auto& item : network->named_parameters()) {
    if (item.key() == "classifier.weight") {
      EXPECT_EQ(item.value().size(0), 2);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, BackboneTest, ::testing::Values("squeezenet", "resnet18", "densenet121"),
                         [](const auto& instance) { return std::string(instance.param); });

std::string refusal(Network& network, const std::filesystem::path& file) {
  try {
    load_backbone(network, file);
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "weights");
    return error.what();
  }
  return "accepted";
}

TEST(Backbone, RefusesAFileOfAnotherNetworkNamingTheTensor) {
  const testing::TempDir directory;
  const auto file = directory / "resnet18.pth";
  const auto script = testing::source_dir() / "tests/golden/backbone_twin.py";
  ASSERT_EQ(testing::run_process({testing::python(), script, "make", "resnet18", file}).exit_code, 0);
  const auto network = make_network({.name = "squeezenet", .size_px = kSize});
  EXPECT_THAT(refusal(*network, file), AllOf(HasSubstr("resnet18.pth"), HasSubstr("features.0.weight")));
}

TEST(Backbone, BeginsWithABundle) {
  const testing::TempDir directory;
  const auto file = directory / "bundle.pt";
  testing::write_test_bundle(
      file, {.network = "resnet18", .size_px = kSize, .classes = {"a", "b", "c"}, .positive_class = "c", .seed = 8});
  const auto theirs = load_bundle(file).module.named_parameters();
  const auto network = make_network({.name = "resnet18", .size_px = kSize, .seed = 3});
  load_backbone(*network, file);
  std::size_t taken = 0;
  for (const auto& item : theirs) {
    if (item.name.starts_with("classifier.")) continue;
    EXPECT_TRUE(torch::equal(network->named_parameters()[item.name], item.value)) << item.name;
    ++taken;
  }
  EXPECT_GT(taken, 60U);
  const auto other = make_network({.name = "squeezenet", .size_px = kSize});
  EXPECT_THAT(refusal(*other, file), HasSubstr("no tensor features.0.weight"));
}

TEST(Backbone, ReadsTheOlderNamesOfTheDenseNetFilesThatTorchvisionPublishes) {
  const testing::TempDir directory;
  const auto script = testing::source_dir() / "tests/golden/backbone_twin.py";
  std::vector<std::shared_ptr<Network>> networks;
  for (const std::string kind : {"make", "make-older"}) {
    const auto file = directory / (kind + ".pth");
    ASSERT_EQ(testing::run_process({testing::python(), script, kind, "densenet121", file}).exit_code, 0);
    networks.push_back(make_network({.name = "densenet121", .size_px = kSize}));
    load_backbone(*networks.back(), file);
  }
  const auto untouched = make_network({.name = "densenet121", .size_px = kSize})->named_parameters();
  const auto newer = networks[0]->named_parameters();
  const auto older = networks[1]->named_parameters();
  for (const auto& item : newer) {
    EXPECT_TRUE(torch::equal(item.value(), older[item.key()])) << item.key();
    if (item.key().find("conv") != std::string::npos) {
      EXPECT_FALSE(torch::equal(item.value(), untouched[item.key()])) << item.key();
    }
  }
}

/// A safetensors file of one tensor "conv1.weight" and one note.
void write_safetensors(const std::filesystem::path& file, const std::string& shape, std::uint64_t bytes,
                       const std::string& note) {
  const std::string header = R"({"__metadata__":{"input":")" + note + R"("},"conv1.weight":{"dtype":"F32","shape":)" +
                             shape + R"(,"data_offsets":[0,)" + std::to_string(bytes) + "]}}";
  std::ofstream out(file, std::ios::binary);
  const std::uint64_t length = header.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << header << std::string(bytes, '\0');
}

TEST(Backbone, RefusesWeightsOfAnotherShapeNamingBoth) {
  const testing::TempDir directory;
  write_safetensors(directory / "w.safetensors", "[64,1,7,7]", 64 * 49 * 4, "RGB, 0..255 minus (1, 2, 3)");
  const auto network = make_network({.name = "resnet18", .size_px = kSize});
  EXPECT_THAT(refusal(*network, directory / "w.safetensors"),
              AllOf(HasSubstr("conv1.weight"), HasSubstr("64 x 1 x 7 x 7"), HasSubstr("64 x 3 x 7 x 7")));
}

TEST(Backbone, RefusesAnInputNoteThatItDoesNotUnderstand) {
  const testing::TempDir directory;
  write_safetensors(directory / "w.safetensors", "[64,3,7,7]", 64 * 147 * 4, "CMYK, upside down");
  const auto network = make_network({.name = "resnet18", .size_px = kSize});
  EXPECT_THAT(refusal(*network, directory / "w.safetensors"), HasSubstr("CMYK, upside down"));
}

TEST(Backbone, TakesNoImagesOfTwoChannels) {
  EXPECT_THROW(make_network({.name = "squeezenet", .channels = 2}), InvalidInput);
  EXPECT_NO_THROW(make_network({.name = "squeezenet", .channels = 3}));
}

TEST(Backbone, KnowsTorchvisionsNames) {
  EXPECT_EQ(torchvision_name("features_10.expand1x1.weight"), "features.10.expand1x1.weight");
  EXPECT_EQ(torchvision_name("layer2_0.downsample_1.running_mean"), "layer2.0.downsample.1.running_mean");
  EXPECT_EQ(torchvision_name("layer1_0.conv1_0.weight"), "layer1.0.conv1.0.weight");
  EXPECT_EQ(torchvision_name("conv1.weight"), "conv1.weight");
  for (const char* unchanged : {"features.conv0.weight", "features.denseblock1.denselayer12.norm1.running_mean",
                                "features.transition1.conv.weight", "features.norm5.running_var"}) {
    EXPECT_EQ(torchvision_name(unchanged), unchanged);
  }
}

}  // namespace
}  // namespace pulmo
