#include "core/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "core/model/pickle.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string golden_script() {
  return testing::source_dir() / "tests/golden/weights_golden.py";
}

void write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string refusal(const std::filesystem::path& path) {
  try {
    read_weights(path);
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "weights");
    return error.what();
  }
  return "accepted";
}

std::string with_header(std::string_view json, std::string_view data = "") {
  std::string content(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) content[i] = static_cast<char>(json.size() >> (8 * i) & 0xffU);
  return content.append(json).append(data);
}

std::string type_name(torch::ScalarType type) {
  static const std::map<torch::ScalarType, std::string> names = {
      {torch::kDouble, "F64"}, {torch::kFloat, "F32"}, {torch::kHalf, "F16"},  {torch::kBFloat16, "BF16"},
      {torch::kLong, "I64"},   {torch::kInt, "I32"},   {torch::kShort, "I16"}, {torch::kChar, "I8"},
      {torch::kByte, "U8"},    {torch::kBool, "BOOL"}};
  return names.at(type);
}

std::string shape_text(const torch::Tensor& tensor) {
  std::string text;
  for (const std::int64_t side : tensor.sizes()) {
    if (!text.empty()) text += 'x';
    text += std::to_string(side);
  }
  return text.empty() ? "scalar" : text;
}

/// Compares with the lines of weights_golden.py; returns how many tensors it compared.
std::size_t compare(const std::string& table, const std::function<std::filesystem::path(std::string)>& path_of) {
  std::map<std::string, Weights> files;
  std::map<std::string, std::size_t> told;
  std::istringstream lines(table);
  std::size_t compared = 0;
  for (std::string line; std::getline(lines, line); ++compared) {
    std::istringstream cells(line);
    std::vector<std::string> cell(7);
    for (std::string& value : cell) std::getline(cells, value, '\t');
    if (files.count(cell[0]) == 0) files[cell[0]] = read_weights(path_of(cell[0]));
    ++told[cell[0]];
    const auto found = files[cell[0]].tensors.find(cell[1]);
    if (found == files[cell[0]].tensors.end()) {
      ADD_FAILURE() << "no tensor " << cell[1] << " in " << cell[0];
      continue;
    }
    const torch::Tensor& tensor = found->second;
    EXPECT_EQ(type_name(tensor.scalar_type()), cell[2]) << line;
    EXPECT_EQ(shape_text(tensor), cell[3]) << line;
    const torch::Tensor flat = tensor.to(torch::kDouble).flatten();
    EXPECT_NEAR(flat.sum().item<double>(), std::stod(cell[4]), 1e-9 * std::max(1.0, std::abs(std::stod(cell[4]))));
    if (flat.numel() == 0) continue;
    EXPECT_EQ(flat[0].item<double>(), std::stod(cell[5])) << line;
    EXPECT_EQ(flat[-1].item<double>(), std::stod(cell[6])) << line;
  }
  for (const auto& [file, count] : told) EXPECT_EQ(files[file].tensors.size(), count) << file;
  return compared;
}

class WeightsTest : public ::testing::Test {
 protected:
  std::string write_golden() {
    const auto result = testing::run_process({testing::python(), golden_script(), "write", directory_.path()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  testing::TempDir directory_;
  std::filesystem::path file_ = directory_ / "weights.bin";
};

TEST_F(WeightsTest, SetsNoMemoryAsideForRepeatedElements) {
  const auto save = [&](const std::string& tensors) {
    const auto result = testing::run_process(
        {testing::python(), "-c", "import sys, torch; torch.save(" + tensors + ", sys.argv[1])", file_.string()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  };
  save("{'w': torch.zeros(1).expand(2**40)}");
  EXPECT_THAT(refusal(file_), HasSubstr("tensor w repeats its elements"));
  save("{f'w{i}': torch.zeros(1).expand(2**19) for i in range(3)}");
  EXPECT_THAT(refusal(file_), AllOf(HasSubstr("repeats its elements"), HasSubstr(".contiguous()")));
  save("{'w': torch.arange(3.).view(3, 1).expand(3, 4)}");
  const torch::Tensor read = read_weights(file_).tensors.at("w");
  EXPECT_EQ(shape_text(read), "3x4");
  EXPECT_EQ(read[2][3].item<float>(), 2.0F);
}

TEST_F(WeightsTest, ReadsWhatPythonWroteInEitherFormat) {
  const std::string table = write_golden();
  EXPECT_EQ(compare(table, [&](const std::string& name) { return directory_ / name; }), 32U);
  EXPECT_EQ(read_weights(directory_ / "mixed.safetensors").notes.at("source"), "golden");
}

TEST_F(WeightsTest, RefusesFilesOfTorchSaveWithoutWeights) {
  write_golden();
  EXPECT_THAT(refusal(directory_ / "legacy.bad"), HasSubstr("before PyTorch 1.6"));
  EXPECT_THAT(refusal(directory_ / "list.bad"), HasSubstr("no state_dict"));
  EXPECT_THAT(refusal(directory_ / "empty.bad"), HasSubstr("holds no tensor"));
}

TEST_F(WeightsTest, SurvivesEveryTruncationAndRandomDamage) {
  write_golden();
  Random random(4);
  for (const char* name : {"checkpoint.pth", "mixed.safetensors"}) {
    const Bytes whole = read_file(directory_ / name);
    for (int round = 0; round < 300; ++round) {
      Bytes bytes = whole;
      if (round % 2 == 0) bytes.resize(random.below(whole.size()));
      for (std::uint64_t i = 0; i <= random.below(4) && !bytes.empty(); ++i) {
        bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
      }
      write(file_, as_text(bytes));
      try {
        read_weights(file_);
      } catch (const InvalidInput& error) {
        EXPECT_EQ(error.reason(), "weights");
      }
    }
  }
}

TEST_F(WeightsTest, RefusesWhatIsNeitherFormat) {
  write(file_, "just some text that is long enough");
  EXPECT_THAT(refusal(file_), HasSubstr("neither safetensors"));
  write(file_, "");
  EXPECT_THAT(refusal(file_), HasSubstr("neither safetensors"));
  EXPECT_THROW(read_weights(directory_ / "missing.pth"), IoError);
}

TEST_F(WeightsTest, RefusesSafetensorsThatLieAboutTheirSize) {
  const std::string data(16, '\0');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,32]}})", "lies outside"},
      {R"({"w":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}})", "does not fit"},
      {R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}})", "lies outside"},
      {R"({"w":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}})", "does not fit"},
      {R"({"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}})", "does not fit"},
      {R"({"w":{"dtype":"F8","shape":[4],"data_offsets":[0,16]}})", "unknown type"},
      {R"({"w":{"dtype":"F32","shape":[4]}})", "no usable"},
      {R"({"w":4})", "no usable"},
      {R"({"__metadata__":{"a":1}})", "text to text"},
      {R"({})", "holds no tensor"},
      {R"({"w")", "not a JSON object"}};
  for (const auto& [header, message] : cases) {
    write(file_, with_header(header, data));
    EXPECT_THAT(refusal(file_), HasSubstr(message)) << header;
  }
  write(file_, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  EXPECT_THAT(refusal(file_), HasSubstr("longer than the file"));
}

TEST(Pickle, CallsNothing) {
  const std::string length("\x04\x00\x00\x00", 4);
  const std::string hostile =
      "\x80\x02"
      "cos\nsystem\nX" +
      length + "true\x85R.";
  EXPECT_EQ(read_pickle(as_bytes(hostile))->kind, PickleKind::kOpaque);
}

TEST(Pickle, RefusesMalformedAndDeeplyNestedOnes) {
  const auto refused = [](std::string_view bytes) {
    try {
      read_pickle(as_bytes(bytes));
    } catch (const InvalidInput& error) {
      return error.reason() == "pickle";
    }
    return false;
  };
  for (const std::string_view bytes : {"", ".", "R.", "t.", "q", "h\x01.", "a.", "s.", "Z.", "\x85."}) {
    EXPECT_TRUE(refused(bytes)) << bytes;
  }
  EXPECT_TRUE(refused(")" + std::string(1'000'000, '\x85') + "."));
  // Values that grow after they were put somewhere: nesting without end, one level at a time.
  std::string growing("\x80\x02]q\0]q\1a", 8);
  for (int i = 0; i < 1000; ++i)
    growing +=
        "h\x01]q\x01"
        "ab";
  EXPECT_TRUE(refused(growing + "."));
  EXPECT_TRUE(refused(std::string("\x80\x02]q\0h\0a.", 9)));  // a list in itself
  // A list of many items, recalled as what describes a storage.
  std::string many("\x80\x02]q\0(", 6);
  many.append(1000, 'N');
  EXPECT_TRUE(refused(many + std::string("eh\0Q.", 6)));
}

}  // namespace
}  // namespace pulmo
