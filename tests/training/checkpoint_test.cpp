#include "training/checkpoint.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/torch.h>

#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;

Checkpoint example(std::int64_t epoch) {
  Checkpoint checkpoint;
  checkpoint.identity = "abc";
  checkpoint.precision = "fp32";
  checkpoint.progress = {epoch, 5, epoch * 10 + 5, {1.25, 3.0, 8.0, 9.5, 7.0}, 2.5, 0.125, 17.0, false};
  checkpoint.best = {1, 0.1 + 0.2, 0.7};
  checkpoint.adam_steps = 25;
  checkpoint.weights = {{"conv1.weight", torch::arange(6, torch::kFloat32).reshape({2, 3})}};
  checkpoint.moments = {{"first.conv1.weight", torch::ones({2, 3})}, {"second.conv1.weight", torch::zeros({2, 3})}};
  checkpoint.best_weights = {{"conv1.weight", torch::full({2, 3}, 0.5)}};
  checkpoint.average = {{"conv1.weight", torch::full({2, 3}, 0.25)}};
  return checkpoint;
}

fs::path newest_file(const fs::path& folder) {
  return folder / CheckpointStore(folder, 9).names().back();
}

void flip_byte(const fs::path& file, std::streamoff place) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(place);
  const int byte = stream.get();
  stream.seekp(place);
  stream.put(static_cast<char>(byte ^ 0x10));
}

TEST(Checkpoint, RoundTripKeepsEverything) {
  const Checkpoint before = example(2);
  const Checkpoint after = decode_checkpoint(encode_checkpoint(before));
  EXPECT_EQ(after.identity, "abc");
  EXPECT_EQ(after.precision, "fp32");
  EXPECT_EQ(after.progress.epoch, 2);
  EXPECT_EQ(after.progress.step, 5);
  EXPECT_EQ(after.progress.global_step, 25);
  EXPECT_EQ(after.progress.meter.loss, 1.25);
  EXPECT_EQ(after.progress.meter.outline_loss, 9.5);
  EXPECT_EQ(after.progress.meter.outlined, 7.0);
  EXPECT_EQ(after.progress.total_seconds, 17.0);
  EXPECT_EQ(after.best.roc_auc, 0.1 + 0.2);
  EXPECT_EQ(after.adam_steps, 25);
  EXPECT_TRUE(torch::equal(after.weights[0].second, before.weights[0].second));
  EXPECT_EQ(after.moments[1].first, "second.conv1.weight");
  EXPECT_TRUE(torch::equal(after.best_weights[0].second, before.best_weights[0].second));
  EXPECT_TRUE(torch::equal(after.average[0].second, before.average[0].second));
}

TEST(CheckpointStore, KeepsTheNewest) {
  const pulmo::testing::TempDir folder;
  const CheckpointStore store(folder.path(), 2);
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) store.save(example(epoch));
  EXPECT_EQ(store.names(),
            (std::vector<std::string>{"epoch-000002-step-000000005.pt", "epoch-000003-step-000000005.pt"}));
  EXPECT_EQ(decode_checkpoint(*store.newest()).progress.epoch, 3);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 4U);  // two, each with its digest; nothing temporary
}

TEST(CheckpointStore, ADamagedLaterOneDoesNotPushOutWhatIsWhole) {
  const pulmo::testing::TempDir folder;
  CheckpointStore(folder.path(), 2).save(example(2));
  flip_byte(newest_file(folder.path()), 200);
  const CheckpointStore store(folder.path(), 1);
  store.save(example(1));
  EXPECT_EQ(store.names(), std::vector<std::string>{"epoch-000001-step-000000005.pt"});
}

TEST(CheckpointStore, RemovesWhatAKilledProcessLeftHalfWritten) {
  const pulmo::testing::TempDir folder;
  const CheckpointStore store(folder.path(), 2);
  store.save(example(1));
  const auto abandoned = folder / "epoch-000002-step-000000005.pt.tmp-77-3";
  std::ofstream(abandoned) << "half";
  store.remove_abandoned();
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_EQ(store.names().size(), 1U);
}

TEST(CheckpointStore, HasNothingInAnEmptyFolder) {
  const pulmo::testing::TempDir folder;
  EXPECT_FALSE(CheckpointStore(folder.path(), 2).newest().has_value());
  EXPECT_FALSE(CheckpointStore(folder / "missing", 2).newest().has_value());
}

TEST(CheckpointStore, FallsBackWhenTheNewestIsCorrupt) {
  const pulmo::testing::TempDir folder;
  const CheckpointStore store(folder.path(), 3);
  store.save(example(1));
  store.save(example(2));
  flip_byte(newest_file(folder.path()), 200);
  ::testing::internal::CaptureStderr();
  const auto bytes = store.newest();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("checkpoint passed over"));
  EXPECT_EQ(decode_checkpoint(*bytes).progress.epoch, 1);
}

TEST(CheckpointStore, FallsBackWhenTheNewestIsTruncatedOrHasNoDigest) {
  const pulmo::testing::TempDir folder;
  const CheckpointStore store(folder.path(), 3);
  for (std::int64_t epoch = 1; epoch <= 3; ++epoch) store.save(example(epoch));
  fs::resize_file(newest_file(folder.path()), 100);
  fs::remove(folder / "epoch-000002-step-000000005.pt.sha256");
  EXPECT_EQ(decode_checkpoint(*store.newest()).progress.epoch, 1);
}

TEST(CheckpointStore, RefusesWhenAllAreCorrupt) {
  const pulmo::testing::TempDir folder;
  const CheckpointStore store(folder.path(), 3);
  store.save(example(1));
  flip_byte(newest_file(folder.path()), 100);
  EXPECT_THROW(store.newest(), InvalidInput);
}

TEST(CheckpointStore, RefusesAFolderThatIsNotThere) {
  const pulmo::testing::TempDir folder;
  EXPECT_THROW(CheckpointStore(folder / "missing", 2).save(example(1)), IoError);
}

TEST(CheckpointStore, DigestIsWhatSha256sumChecks) {
  const pulmo::testing::TempDir folder;
  CheckpointStore(folder.path(), 2).save(example(1));
  const auto check =
      pulmo::testing::run_process({"sh", "-c", "cd '" + folder.path().string() + "' && sha256sum -c *.sha256"});
  EXPECT_EQ(check.exit_code, 0) << check.out << check.err;
}

torch::Tensor text_tensor(const std::string& text) {
  torch::Tensor tensor = torch::empty({static_cast<std::int64_t>(text.size())}, torch::kUInt8);
  std::copy(text.begin(), text.end(), tensor.data_ptr<std::uint8_t>());
  return tensor;
}

TEST(Checkpoint, OneFromBeforeOutlinesWereMeteredIsRead) {
  auto dict = torch::jit::pickle_load(encode_checkpoint(example(2))).toGenericDict();
  const torch::Tensor bytes = dict.at("state").toTensor();
  std::string state(bytes.data_ptr<std::uint8_t>(), bytes.data_ptr<std::uint8_t>() + bytes.numel());
  for (const std::string key : {R"("outline_loss":9.5,)", R"("outlined":7.0,)"}) {
    ASSERT_NE(state.find(key), std::string::npos) << state;
    state.erase(state.find(key), key.size());
  }
  dict.insert_or_assign("state", text_tensor(state));
  const Meter meter = decode_checkpoint(torch::jit::pickle_save(dict)).progress.meter;
  EXPECT_EQ(meter.loss, 1.25);
  EXPECT_TRUE(std::isnan(meter.mean_outline_loss()));
}

TEST(Checkpoint, RefusesANewerVersionAndGarbage) {
  c10::Dict<std::string, at::Tensor> dict;
  dict.insert("state", text_tensor(R"({"format_version": 99})"));
  try {
    decode_checkpoint(torch::jit::pickle_save(dict));
    FAIL() << "accepted";
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("version 99"));
  }
  EXPECT_THROW(decode_checkpoint(std::vector<char>(500, 'x')), InvalidInput);
}

TEST(Checkpoint, PythonReadsItWithTorchLoad) {
  const pulmo::testing::TempDir folder;
  CheckpointStore(folder.path(), 2).save(example(1));
  const auto python = pulmo::testing::run_process(
      {pulmo::testing::python(), "-c",
       "import json, sys, torch; d = torch.load(sys.argv[1], weights_only=False); s = "
       "json.loads(bytes(d['state'].tolist()));"
       "print(s['progress']['epoch'], d['weights.conv1.weight'].sum().item(), d['best.conv1.weight'].shape[1])",
       newest_file(folder.path())});
  EXPECT_EQ(python.out, "1 15.0 3\n") << python.err;
}

}  // namespace
}  // namespace pulmo::training
