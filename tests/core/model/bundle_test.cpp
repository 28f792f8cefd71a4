#include "core/model/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "core/model/metadata_json.h"
#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// The message of the InvalidInput that loading throws.
std::string refusal(const std::filesystem::path& path) {
  try {
    load_bundle(path);
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "bundle");
    return error.what();
  }
  return "accepted";
}

void write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// A TorchScript file with this text as its pulmo.json ("" leaves it out).
void write_with_metadata(const std::filesystem::path& path, const std::string& json) {
  NetworkOptions options;
  options.name = "proposed_cnn";
  options.size_px = 8;
  torch::jit::ExtraFilesMap extra;
  if (!json.empty()) extra["pulmo.json"] = json;
  to_torchscript(*make_network(options)).save(path.string(), extra);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

ReferenceStatistics sample_reference() {
  return {{0.125, 0.5, {0.25, 0.375}, {3, 3, 4}}, {0.1, 0.7, {0.3}, {5, 5}}, {0.0, 1.0, {0.5}, {9, 1}}};
}

class BundleTest : public ::testing::Test {
 protected:
  std::string metadata_with(const std::string& from, const std::string& to) const {
    return replaced(metadata_to_json(testing::test_bundle_metadata()), from, to);
  }
  testing::TempDir directory_;
  std::filesystem::path file_ = directory_ / "bundle.pt";
};

TEST_F(BundleTest, KeepsEveryFieldOfItsMetadata) {
  BundleMetadata metadata = testing::test_bundle_metadata();
  metadata.row = "conventional_cnn";
  metadata.version = "2026-07";
  metadata.class_names = {"normal", "malignant", "benign"};
  metadata.spec.threshold = 0.25;
  metadata.spec.crop_px = 48;
  metadata.threshold = 0.3141592653589793;
  metadata.temperature = 1.7;
  metadata.phantom = true;
  metadata.task = "nodule";
  metadata.data_digest = "ab12";
  metadata.metrics_json = R"({"test":{"roc_auc":0.9123456789012345}})";
  metadata.reference = sample_reference();
  NetworkOptions options{.name = "proposed_cnn", .size_px = 8, .classes = 3};
  save_bundle(file_, to_torchscript(*make_network(options)), metadata);
  const BundleMetadata read = load_bundle(file_).metadata;
  EXPECT_EQ(read.row, metadata.row);
  EXPECT_EQ(read.version, metadata.version);
  EXPECT_EQ(read.input, BundleInput::kImage);
  EXPECT_EQ(read.class_names, metadata.class_names);
  EXPECT_EQ(read.positive_class, "malignant");
  EXPECT_EQ(read.spec, metadata.spec);
  EXPECT_EQ(read.threshold, metadata.threshold);
  EXPECT_EQ(read.temperature, metadata.temperature);
  EXPECT_TRUE(read.phantom);
  EXPECT_EQ(read.task, "nodule");
  EXPECT_EQ(read.data_digest, "ab12");
  EXPECT_EQ(read.metrics_json, metadata.metrics_json);
  EXPECT_EQ(read.reference, metadata.reference);
  EXPECT_THAT(read.created, ::testing::MatchesRegex("20..-..-..T..:..:..Z"));
  EXPECT_FALSE(read.pulmo_version.empty());
}

TEST_F(BundleTest, TellsWhatACropIsOfAndOlderProgramsReadWhatHasNone) {
  BundleMetadata metadata = testing::test_bundle_metadata();
  EXPECT_THAT(metadata_to_json(metadata), HasSubstr("\"format_version\": 2"));
  metadata.crop = NoduleCrop{32.0, 0.7};
  const std::string text = metadata_to_json(metadata);
  EXPECT_THAT(text, HasSubstr("\"format_version\": 4"));
  EXPECT_EQ(metadata_from_json(text, "file").crop, metadata.crop);
  EXPECT_EQ(text_of(*metadata.crop), "cubes of 32.0 mm in voxels of 0.7 mm");
  EXPECT_EQ(text_of({48.0, 0.0}), "squares of 48.0 mm");
  for (const auto& [from, to] : {std::pair{"32.0", "-1.0"}, {"0.7", "33.0"}, {"0.7", "\"x\""}, {"voxel_mm", "other"}}) {
    EXPECT_THROW(metadata_from_json(replaced(text, from, to), "file"), InvalidInput) << to;
  }
}

TEST_F(BundleTest, TellsTheDigestOfItsFile) {
  testing::write_test_bundle(file_);
  EXPECT_EQ(load_bundle(file_).sha256, sha256_file(file_));
}

TEST_F(BundleTest, ScriptGivesTheLogitsOfTheNetworkAtAnyBatchSize) {
  for (const std::string& name : network_names()) {
    const std::int64_t depth = takes_volumes(name) ? 4 : 0;
    const auto network =
        make_network({.name = name, .channels = 3, .depth = depth, .size_px = 36, .classes = 4, .seed = 9});
    torch::jit::Module script = to_torchscript(*network);
    torch::NoGradGuard no_gradient;
    for (const std::int64_t count : {1, 5}) {
      const torch::Tensor images =
          depth == 0 ? torch::rand({count, 3, 36, 36}) : torch::rand({count, 3, depth, 36, 36});
      const torch::Tensor expected = network->forward(images, {});
      const double furthest = (script.forward({images}).toTensor() - expected).abs().max().item<double>();
      EXPECT_LE(furthest, 1e-5 * std::max(1.0, expected.abs().max().item<double>())) << name;
    }
  }
}

TEST_F(BundleTest, ScriptHasItsOwnCopyOfTheWeights) {
  const auto network = make_network({.name = "proposed_cnn", .size_px = 8});
  torch::jit::Module script = to_torchscript(*network);
  torch::NoGradGuard no_gradient;
  const torch::Tensor images = torch::rand({1, 1, 8, 8});
  const torch::Tensor before = script.forward({images}).toTensor();
  for (torch::Tensor& parameter : network->parameters()) parameter.zero_();
  EXPECT_TRUE(torch::equal(script.forward({images}).toTensor(), before));
}

TEST_F(BundleTest, LeavesNothingBehindWhenTheFolderIsMissing) {
  const auto network = make_network({.name = "proposed_cnn", .size_px = 8});
  const auto path = directory_ / "missing" / "bundle.pt";
  EXPECT_THROW(save_bundle(path, to_torchscript(*network), testing::test_bundle_metadata()), IoError);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(BundleTest, DoesNotWriteWhatItWouldNotRead) {
  const auto network = make_network({.name = "proposed_cnn", .size_px = 8});
  BundleMetadata metadata = testing::test_bundle_metadata();
  metadata.positive_class = "cancer";
  EXPECT_THROW(save_bundle(file_, to_torchscript(*network), metadata), InvalidInput);
  metadata = testing::test_bundle_metadata();
  metadata.metrics_json = "{broken";
  EXPECT_THROW(save_bundle(file_, to_torchscript(*network), metadata), InvalidInput);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(BundleTest, ReportsAMissingFile) {
  EXPECT_THROW(load_bundle(directory_ / "none.pt"), IoError);
}

TEST_F(BundleTest, RefusesWhatIsNotTorchScript) {
  write(file_, "just text");
  EXPECT_THAT(refusal(file_), AllOf(HasSubstr("bundle.pt"), HasSubstr("not a TorchScript file")));
  write(file_, "");
  EXPECT_THAT(refusal(file_), HasSubstr("not a TorchScript file"));
}

TEST_F(BundleTest, RefusesATruncatedFile) {
  testing::write_test_bundle(file_);
  const Bytes whole = read_file(file_);
  for (const std::size_t size : {std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write(file_, as_text(ByteView(whole).first(size)));
    EXPECT_THAT(refusal(file_), HasSubstr("damaged")) << size << " of " << whole.size() << " bytes";
  }
}

TEST_F(BundleTest, RefusesOneFlippedByteAmongTheWeights) {
  testing::write_test_bundle(file_);
  Bytes bytes = read_file(file_);
  bytes[bytes.size() / 2] ^= std::byte{0x10};
  write(file_, as_text(bytes));
  EXPECT_THAT(refusal(file_), HasSubstr("damaged"));
}

TEST_F(BundleTest, RefusesTorchScriptWithoutMetadata) {
  write_with_metadata(file_, "");
  EXPECT_THAT(refusal(file_), AllOf(HasSubstr("without pulmo.json"), HasSubstr("bundle.pt.yaml")));
}

constexpr const char* kForeign =
    "name: theirs\nversion: 2024-05\nchannels: 1\nclasses: [benign, malignant]\npositive_class: malignant\n"
    "threshold: 0.3\ntemperature: 1.5\npreprocess: {size_px: 16, mask: none, window_high_hu: 200}\n";

TEST_F(BundleTest, TakesATorchScriptFileMadeElsewhereWithAFileBesideIt) {
  write_with_metadata(file_, "");
  write(file_.string() + ".yaml", kForeign);
  const Bundle bundle = load_bundle(file_);
  EXPECT_EQ(bundle.metadata.row, "theirs");
  EXPECT_EQ(bundle.metadata.version, "2024-05");
  EXPECT_EQ(bundle.metadata.input, BundleInput::kImage);
  EXPECT_EQ(bundle.metadata.class_names, (std::vector<std::string>{"benign", "malignant"}));
  EXPECT_EQ(bundle.metadata.positive_class, "malignant");
  EXPECT_EQ(bundle.metadata.threshold, 0.3);
  EXPECT_EQ(bundle.metadata.temperature, 1.5);
  EXPECT_FALSE(bundle.metadata.phantom);
  PreprocessSpec spec;
  spec.size_px = 16;
  spec.mask = LungMasking::kNone;
  spec.window_high_hu = 200.0;
  EXPECT_EQ(bundle.metadata.spec, spec);
  EXPECT_EQ(bundle.sha256, sha256_file(file_));
}

TEST_F(BundleTest, ReadsTheFileBesideStrictly) {
  write_with_metadata(file_, "");
  for (const auto& [from, to, word] : std::vector<std::array<std::string, 3>>{
           {"name: theirs", "", "name"},
           {"threshold: 0.3", "treshold: 0.3", "treshold"},
           {"threshold: 0.3", "threshold: 3", "threshold"},
           {"positive_class: malignant", "positive_class: cancer", "cancer"},
           {"[benign, malignant]", "[malignant]", "two distinct"},
           {"channels: 1", "channels: one", "channels"},
           {"channels: 1", "input: pixels", "input"},
           {"size_px: 16", "size: 16", "preprocess.size"},
           {"window_high_hu: 200", "window_high_hu: -2000", "window"},
           {"preprocess: {size_px: 16, mask: none, window_high_hu: 200}", "", "preprocess"}}) {
    write(file_.string() + ".yaml", replaced(kForeign, from, to));
    EXPECT_THAT(refusal(file_), AllOf(HasSubstr("bundle.pt.yaml"), HasSubstr(word))) << to;
  }
}

TEST_F(BundleTest, ItsOwnMetadataCountMoreThanAFileBesideIt) {
  testing::write_test_bundle(file_);
  write(file_.string() + ".yaml", kForeign);
  EXPECT_EQ(load_bundle(file_).metadata.row, "proposed_cnn");
}

TEST_F(BundleTest, RefusesANewerVersionNamingBoth) {
  write_with_metadata(file_, metadata_with("\"format_version\": 2", "\"format_version\": 7"));
  EXPECT_THAT(refusal(file_), AllOf(HasSubstr("format version 7"), HasSubstr("up to version 4")));
}

TEST_F(BundleTest, RefusesMetadataThatIsNotOurs) {
  write_with_metadata(file_, "not json");
  EXPECT_THAT(refusal(file_), HasSubstr("not JSON"));
  write_with_metadata(file_, R"({"format": "other"})");
  EXPECT_THAT(refusal(file_), HasSubstr("not the metadata of a pulmo bundle"));
}

TEST_F(BundleTest, RefusesUnknownMissingAndWrongValues) {
  const std::vector<std::array<std::string, 3>> cases = {
      {R"("row": )", R"("extra": 1, "row": )", "unknown key \"extra\""},
      {R"("row": )", R"("depth": 7, "row": )", "unknown key \"depth\""},
      {R"("format_version": 2)", R"("depth": 0, "format_version": 3)", "depth is 0, must be 1 to 1024"},
      {R"("positive_class": "malignant")", R"("positive_class": "other")", "\"other\" is not one of its classes"},
      {R"("threshold": 0.5)", R"("threshold": 1.5)", "threshold is 1.5"},
      {R"("threshold": 0.5)", R"("threshold": "x")", "no usable \"threshold\""},
      {R"("temperature": 1.0)", R"("temperature": 0.0)", "temperature is 0.0"},
      {R"("input": "image")", R"("input": "sound")", "input is \"sound\""},
      {R"("channels": 1)", R"("channels": 0)", "channels is 0"},
      {R"("normal")", R"("malignant")", "distinct names"},
      {R"("row": "proposed_cnn")", R"("row": "")", "row is empty"},
      {R"("size_px": 32)", R"("size_px": -1)", "size_px"}};
  for (const auto& [from, to, message] : cases) {
    try {
      metadata_from_json(metadata_with(from, to), "bundle.pt");
      ADD_FAILURE() << "accepted " << to;
    } catch (const InvalidInput& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("bundle.pt"), HasSubstr(message)));
    }
  }
  for (const char* key : {"\"classes\"", "\"spec\""}) {
    EXPECT_THROW(metadata_from_json(metadata_with(key, "\"gone\""), "bundle.pt"), InvalidInput) << key;
  }
}

TEST(BundleReference, IsOptionalAndOfFormatVersion2) {
  BundleMetadata metadata = testing::test_bundle_metadata();
  EXPECT_FALSE(metadata_from_json(metadata_to_json(metadata), "bundle.pt").reference);
  metadata.reference = sample_reference();
  const std::string text = metadata_to_json(metadata);
  EXPECT_EQ(metadata_from_json(text, "bundle.pt").reference, metadata.reference);
  const std::string first = replaced(text, "\"format_version\": 2", "\"format_version\": 1");
  EXPECT_THROW(metadata_from_json(first, "bundle.pt"), InvalidInput);
}

TEST(BundleReference, RefusesBinsThatAreNone) {
  const auto refused = [](auto change) {
    BundleMetadata metadata = testing::test_bundle_metadata();
    metadata.reference = sample_reference();
    change(*metadata.reference);
    EXPECT_THROW(metadata_to_json(metadata), InvalidInput);
  };
  refused([](ReferenceStatistics& r) { r.lung_fraction.edges = {0.375, 0.25}; });
  refused([](ReferenceStatistics& r) { r.lung_fraction.edges = {0.25, 0.25}; });
  refused([](ReferenceStatistics& r) { r.mean_intensity.counts = {10}; });
  refused([](ReferenceStatistics& r) { r.mean_intensity.counts = {11, -1}; });
  refused([](ReferenceStatistics& r) { r.positive_probability.counts = {0, 0}; });
  refused([](ReferenceStatistics& r) { r.positive_probability.low = 2.0; });
}

}  // namespace
}  // namespace pulmo
