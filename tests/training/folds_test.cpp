#include "training/folds.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::training {
namespace {

void add(PatientStrata& strata, char kind, int patients, const std::string& stratum) {
  for (int i = 0; i < patients; ++i) strata[std::string(1, kind).append(std::to_string(i))] = stratum;
}

PatientStrata some_strata() {
  PatientStrata strata;
  add(strata, 'A', 23, "0");
  add(strata, 'B', 14, "1");
  add(strata, 'C', 7, "0+1");
  return strata;
}

int count(const PatientStrata& strata, const PatientParts& parts, const std::string& stratum, Split part) {
  int found = 0;
  for (const auto& [patient, where] : parts) found += where == part && strata.at(patient) == stratum ? 1 : 0;
  return found;
}

PreparedData opened(const std::filesystem::path& folder) {
  const Manifest manifest = read_manifest(folder);
  return {folder,
          manifest,
          manifest.data_digest(),
          {manifest.class_names, manifest.positive_index()},
          Dataset(folder, manifest, Split::kTrain),
          Dataset(folder, manifest, Split::kValidation),
          Dataset(folder, manifest, Split::kTest)};
}

TEST(Folds, AgreeWithASecondImplementation) {
  const PatientStrata strata = some_strata();
  const FoldOptions options{5, 0.2, 77};
  const pulmo::testing::TempDir folder;
  const nlohmann::json job = {{"strata", strata}, {"folds", 5}, {"validation_fraction", 0.2}, {"seed", 77}};
  write_file_atomically(folder / "job.json", job.dump());
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/folds_twin.py", folder / "job.json"});
  ASSERT_EQ(twin.exit_code, 0) << twin.err;
  const auto expected = nlohmann::json::parse(twin.out);
  for (std::int64_t fold = 0; fold < 5; ++fold) {
    for (const auto& [patient, part] : deal_fold(strata, options, fold)) {
      EXPECT_EQ(to_string(part), expected[static_cast<std::size_t>(fold)].at(patient).get<std::string>()) << patient;
    }
  }
}

TEST(Folds, TestEachPatientOnceAndLoseNone) {
  const PatientStrata strata = some_strata();
  std::map<std::string, int> tested;
  for (std::int64_t fold = 0; fold < 4; ++fold) {
    const PatientParts parts = deal_fold(strata, {4, 0.125, 3}, fold);
    EXPECT_EQ(parts.size(), strata.size());
    for (const auto& [patient, part] : parts) tested[patient] += part == Split::kTest ? 1 : 0;
  }
  for (const auto& [patient, times] : tested) EXPECT_EQ(times, 1) << patient;
}

TEST(Folds, GiveEachPartItsShareOfEachStratumWithinOnePatient) {
  const PatientStrata strata = some_strata();
  for (std::int64_t fold = 0; fold < 5; ++fold) {
    const PatientParts parts = deal_fold(strata, {5, 0.25, 8}, fold);
    for (const auto& [stratum, size] : std::map<std::string, double>{{"0", 23}, {"1", 14}, {"0+1", 7}}) {
      EXPECT_NEAR(count(strata, parts, stratum, Split::kTest), size / 5, 1.0);
      EXPECT_NEAR(count(strata, parts, stratum, Split::kValidation), size * 0.8 * 0.25, 1.3);
    }
  }
}

TEST(Folds, DependOnTheSeed) {
  EXPECT_NE(deal_fold(some_strata(), {5, 0.125, 1}, 0), deal_fold(some_strata(), {5, 0.125, 2}, 0));
  EXPECT_EQ(deal_fold(some_strata(), {5, 0.125, 1}, 0), deal_fold(some_strata(), {5, 0.125, 1}, 0));
}

TEST(Folds, PoolTheSamplesOfAllShardsOfAllParts) {
  const pulmo::testing::TempDir folder;
  pulmo::testing::make_prepared_folder(folder / "data", {.size_px = 16, .patients = 20});
  const PreparedData data = opened(folder / "data");
  const std::int64_t all = data.train.size() + data.validation.size() + data.test.size();
  std::set<std::string> tested;
  std::int64_t samples = 0;
  for (std::int64_t fold = 0; fold < 4; ++fold) {
    const PreparedData part = fold_of(data, {4, 0.2, 1}, fold);
    EXPECT_EQ(part.train.size() + part.validation.size() + part.test.size(), all);
    samples += part.test.size();
    std::set<std::string> learnt;
    for (const Dataset* set : {&part.train, &part.validation}) {
      for (std::int64_t i = 0; i < set->size(); ++i) learnt.insert(set->patient(i));
    }
    for (std::int64_t i = 0; i < part.test.size(); ++i) {
      EXPECT_EQ(learnt.count(part.test.patient(i)), 0U);
      tested.insert(part.test.patient(i));
    }
  }
  EXPECT_EQ(samples, all);
  EXPECT_EQ(tested.size(), 20U);
}

TEST(Folds, ASampleKeepsItsPixelsLabelAndPlace) {
  const pulmo::testing::TempDir folder;
  pulmo::testing::make_prepared_folder(folder / "data", {.size_px = 16, .patients = 12});
  const PreparedData data = opened(folder / "data");
  std::map<std::string, std::pair<std::string, std::vector<std::uint16_t>>> known;
  const auto pixels_of = [](const Dataset& set, std::int64_t i) {
    std::vector<std::uint16_t> pixels(static_cast<std::size_t>(set.shape().elements()));
    set.read_image(i, pixels);
    return pixels;
  };
  const auto described = [](const Dataset& set, std::int64_t i) {
    return set.patient(i) + "/" + set.group(i) + "/" + set.instance(i) + "/" + std::to_string(set.label(i));
  };
  for (const Dataset* set : {&data.train, &data.validation, &data.test}) {
    for (std::int64_t i = 0; i < set->size(); ++i) known[set->place(i)] = {described(*set, i), pixels_of(*set, i)};
  }
  const PreparedData fold = fold_of(data, {3, 0.2, 5}, 1);
  ASSERT_GT(fold.test.size(), 0);
  for (std::int64_t i = 0; i < fold.test.size(); ++i) {
    const auto& [description, pixels] = known.at(fold.test.place(i));
    EXPECT_EQ(described(fold.test, i), description);
    EXPECT_EQ(pixels_of(fold.test, i), pixels);
  }
}

TEST(Folds, AreFoundAgainByTheirNames) {
  const pulmo::testing::TempDir folder;
  pulmo::testing::make_prepared_folder(folder / "data", {.size_px = 16, .patients = 12});
  const std::string name = fold_of(opened(folder / "data"), {3, 1.0 / 3.0, 5}, 1).fold;
  const auto fold = fold_named(name);
  ASSERT_TRUE(fold) << name;
  EXPECT_EQ(fold->index, 1);
  EXPECT_EQ(fold->options.folds, 3);
  EXPECT_EQ(fold->options.seed, 5U);
  EXPECT_EQ(fold->options.validation_fraction, 1.0 / 3.0);
  for (const char* other : {"", "all 3 folds pooled", "fold 4 of 3, seed 5, validation 0.2",
                            "fold 0 of 3, seed 5, validation 0.2", "fold 1 of 3, seed 5, validation 0.2 "}) {
    EXPECT_FALSE(fold_named(other)) << other;
  }
}

TEST(Folds, RefuseMoreFoldsThanPatients) {
  const pulmo::testing::TempDir folder;
  pulmo::testing::make_prepared_folder(folder / "data", {.size_px = 16, .patients = 6});
  EXPECT_THROW(fold_of(opened(folder / "data"), {7, 0.2, 1}, 0), InvalidInput);
}

TEST(Folds, HaveIdentitiesOfTheirOwn) {
  const pulmo::testing::TempDir folder;
  pulmo::testing::make_prepared_folder(folder / "data", {.size_px = 16, .patients = 12});
  const PreparedData data = opened(folder / "data");
  const std::set<std::string> identities = {
      data.identity(), fold_of(data, {3, 0.2, 5}, 0).identity(), fold_of(data, {3, 0.2, 5}, 1).identity(),
      fold_of(data, {3, 0.2, 6}, 1).identity(), fold_of(data, {3, 0.3, 6}, 1).identity()};
  EXPECT_EQ(identities.size(), 5U);
  EXPECT_EQ(data.identity(), data.digest);
}

}  // namespace
}  // namespace pulmo::training
