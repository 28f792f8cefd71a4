#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>

#include "core/model/weights.h"
#include "tests/support/process.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

TEST(WeightsOnRealData, ReadTheImageNetSqueezeNetAsPythonDoes) {
  const auto file = testing::real_data_dir() / "squeezenet1_1-imagenet.safetensors";
  const auto script = testing::source_dir() / "tests/golden/weights_golden.py";
  const auto result = testing::run_process({testing::python(), script, "tell", file});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Weights weights = read_weights(file);
  EXPECT_EQ(weights.tensors.size(), 50U);
  EXPECT_EQ(weights.tensors.at("features.0.weight").sizes(), (std::vector<std::int64_t>{64, 3, 3, 3}));
  EXPECT_FALSE(weights.notes.at("input").empty());
  std::istringstream lines(result.out);
  std::size_t compared = 0;
  for (std::string line; std::getline(lines, line); ++compared) {
    std::istringstream cells(line);
    std::vector<std::string> cell(7);
    for (std::string& value : cell) std::getline(cells, value, '\t');
    const torch::Tensor flat = weights.tensors.at(cell[1]).to(torch::kDouble).flatten();
    EXPECT_NEAR(flat.sum().item<double>(), std::stod(cell[4]), 1e-9 * std::max(1.0, std::abs(std::stod(cell[4]))));
    EXPECT_EQ(flat[0].item<double>(), std::stod(cell[5])) << line;
    EXPECT_EQ(flat[-1].item<double>(), std::stod(cell[6])) << line;
  }
  EXPECT_EQ(compared, 50U);
}

}  // namespace
}  // namespace pulmo
