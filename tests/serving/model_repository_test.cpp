#include "serving/model_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <limits>

#include "core/support/digest.h"
#include "core/support/error.h"
#include "tests/serving/fake_predictor.h"
#include "tests/support/temp_dir.h"

namespace pulmo::serving {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::FakePredictor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A bundle of this test is a text file: "VERSION" loads, "bad" throws, "nan" gives probabilities that are none.
class ModelRepositoryTest : public ::testing::Test {
 protected:
  class Broken : public FakePredictor {
   public:
    std::vector<double> predict(const ImageBatch& batch) const override {
      return std::vector<double>(static_cast<std::size_t>(batch.count) * 2, std::numeric_limits<double>::quiet_NaN());
    }
  };

  static std::shared_ptr<const Predictor> load(const fs::path& path) {
    std::string content;
    std::getline(std::ifstream(path), content);
    if (content == "bad") throw InvalidInput("bundle", "bundle " + path.string() + ": damaged\nand a stack");
    if (content == "nan") return std::make_shared<Broken>();
    const auto predictor = std::make_shared<FakePredictor>();
    predictor->change_metadata().version = content;
    if (fs::exists(path.string() + ".sha256")) predictor->change_sha256(sha256_file(path));
    return predictor;
  }
  fs::path put(const std::string& place, const std::string& content) {
    const fs::path path = folder_.path() / place / "bundle.pt";
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::seconds(++writes_));
    return path;
  }
  std::unique_ptr<ModelRepository> open(const std::string& default_model = "") {
    RepositoryOptions options;
    options.folder = folder_.path();
    options.default_model = default_model;
    auto repository = std::make_unique<ModelRepository>(options, load, metrics_);
    repository->load_all();
    return repository;
  }
  static std::vector<std::string> served(const ModelRepository& repository) {
    std::vector<std::string> names;
    for (const auto& model : repository.models()) names.push_back(model->name() + ":" + model->version());
    return names;
  }
  static std::string reason(const ModelRepository& repository, const std::string& version) {
    for (const IndexEntry& entry : repository.index()) {
      if (entry.version == version) return entry.reason;
    }
    return "no such version";
  }

  pulmo::testing::TempDir folder_;
  Metrics metrics_;
  int writes_ = 0;
};

TEST_F(ModelRepositoryTest, FindsNamesAndVersions) {
  put("b/10", "x");
  put("b/9", "x");
  put("b/2024-05", "x");
  put("a", "3");
  put(".hidden/1", "bad");
  put("b/.hidden", "bad");
  fs::create_directory_symlink(folder_.path() / "a", folder_.path() / "c");
  fs::create_directories(folder_.path() / "empty/1");
  const auto repository = open();
  EXPECT_THAT(served(*repository), ElementsAre("a:3", "b:9", "b:10", "b:2024-05", "c:3"));
  EXPECT_EQ(repository->default_model(), "a");
  EXPECT_EQ(repository->find("")->name(), "a");
  EXPECT_EQ(repository->find("b")->version(), "2024-05");
  EXPECT_EQ(repository->find("b", "9")->version(), "9");
  EXPECT_EQ(repository->find("b", "8"), nullptr);
  EXPECT_EQ(repository->find("z"), nullptr);
  EXPECT_TRUE(repository->ready());
}

TEST_F(ModelRepositoryTest, HasTheDefaultThatIsConfigured) {
  put("a", "1");
  put("b", "1");
  EXPECT_EQ(open("b")->find("")->name(), "b");
  EXPECT_THROW(open("z"), InvalidInput);
}

TEST_F(ModelRepositoryTest, TheDefaultMovesOnWhenItIsNotLoadedAndStaysWhileItIs) {
  put("a", "bad");
  put("b", "1");
  put("c", "1");
  const auto repository = open();
  EXPECT_EQ(repository->default_model(), "b");
  EXPECT_FALSE(repository->ready());  // a is missing
  put("a", "1");
  repository->reload_changed();
  EXPECT_EQ(repository->find("")->name(), "b");
  repository->unload("b");
  EXPECT_EQ(repository->find("")->name(), "a");
  EXPECT_TRUE(repository->ready());
  repository->load("b");
  EXPECT_EQ(repository->find("")->name(), "a");
  for (const char* name : {"a", "b", "c"}) repository->unload(name);
  EXPECT_FALSE(repository->ready());
  repository->load("b");
  EXPECT_EQ(repository->find("")->name(), "b");
  EXPECT_TRUE(repository->ready());
}

TEST_F(ModelRepositoryTest, WithoutTheDefaultThatIsConfiguredItIsNotReady) {
  put("a", "1");
  put("b", "1");
  const auto repository = open("b");
  EXPECT_TRUE(repository->ready());
  repository->unload("b");
  EXPECT_EQ(repository->find(""), nullptr);
  EXPECT_FALSE(repository->ready());
  repository->load("b");
  EXPECT_TRUE(repository->ready());
}

TEST_F(ModelRepositoryTest, DoesNotStartWithoutAModel) {
  EXPECT_THROW(open(), InvalidInput);
  put("a", "bad");
  EXPECT_THROW(open(), InvalidInput);
}

TEST_F(ModelRepositoryTest, IsNotReadyWhileAModelIsMissing) {
  put("a", "1");
  put("b/1", "bad");
  const auto repository = open();
  EXPECT_FALSE(repository->ready());
  EXPECT_THAT(served(*repository), ElementsAre("a:1"));
  EXPECT_TRUE(repository->knows("b"));
  EXPECT_EQ(reason(*repository, "1"), "");
  ASSERT_EQ(repository->index().size(), 2U);
  EXPECT_EQ(repository->index()[1].reason, "bundle " + (folder_.path() / "b/1/bundle.pt").string() + ": damaged");
  put("b/1", "1");
  repository->reload_changed();
  EXPECT_TRUE(repository->ready());
}

TEST_F(ModelRepositoryTest, AFailedReloadKeepsTheOldOneAndSaysWhy) {
  put("a", "1");
  const auto repository = open();
  const auto before = repository->find("a");
  for (const char* content : {"bad", "nan"}) {
    put("a", content);
    try {
      repository->load("a");
      FAIL() << content;
    } catch (const InvalidInput& error) {
      EXPECT_EQ(error.reason(), "load_failed");
      EXPECT_THAT(error.what(), HasSubstr("failed to load a: bundle"));
    }
    EXPECT_EQ(repository->find("a"), before);
    EXPECT_THAT(reason(*repository, "1"), HasSubstr("bundle.pt"));
    EXPECT_TRUE(repository->ready());
  }
  EXPECT_THAT(metrics_.text(), HasSubstr("pulmo_model_loads_total{result=\"failed\"} 2"));
  EXPECT_THAT(metrics_.text(), HasSubstr("pulmo_model_loads_total{result=\"loaded\"} 1"));
  put("a", "2");
  repository->load("a");
  EXPECT_EQ(repository->find("a")->version(), "2");
  EXPECT_EQ(reason(*repository, "2"), "");
}

TEST_F(ModelRepositoryTest, ReloadsOnlyWhatChanged) {
  put("a", "1");
  put("b", "1");
  const auto repository = open();
  const auto a = repository->find("a");
  const auto b = repository->find("b");
  put("b", "2");
  put("c/5", "x");
  repository->reload_changed();
  EXPECT_EQ(repository->find("a"), a);
  EXPECT_NE(repository->find("b"), b);
  EXPECT_THAT(served(*repository), ElementsAre("a:1", "b:2", "c:5"));
  fs::remove_all(folder_.path() / "a");
  repository->reload_changed();
  EXPECT_THAT(served(*repository), ElementsAre("b:2", "c:5"));
}

TEST_F(ModelRepositoryTest, AnUnloadedModelComesBackOnlyWhenItIsLoaded) {
  put("a", "1");
  put("b", "1");
  const auto repository = open();
  repository->unload("b");
  EXPECT_EQ(repository->find("b"), nullptr);
  EXPECT_EQ(repository->index()[1].reason, "unloaded");
  EXPECT_TRUE(repository->ready());
  put("b", "2");
  repository->reload_changed();
  EXPECT_EQ(repository->find("b"), nullptr);
  repository->load("b");
  EXPECT_EQ(repository->find("b")->version(), "2");
  EXPECT_THROW(repository->unload("z"), InvalidInput);
  EXPECT_THROW(repository->load("z"), InvalidInput);
  EXPECT_THROW(repository->load("../b"), InvalidInput);
}

TEST_F(ModelRepositoryTest, RefusesABundleThatIsNotTheOneOfItsDigest) {
  const fs::path bundle = put("a", "1");
  const std::string file = bundle.string() + ".sha256";
  std::ofstream(file) << sha256_file(bundle) << "  bundle.pt\n";
  const auto repository = open();
  put("a", "2");
  repository->reload_changed();
  EXPECT_EQ(repository->find("a")->version(), "1");
  EXPECT_THAT(reason(*repository, "1"), HasSubstr("SHA-256"));
  std::ofstream(file) << "no digest\n";
  repository->reload_changed();
  EXPECT_THAT(reason(*repository, "1"), HasSubstr("sha256sum"));
  fs::remove(file);
  repository->reload_changed();
  EXPECT_EQ(repository->find("a")->version(), "2");
}

TEST_F(ModelRepositoryTest, RefusesAVersionThatIsThereTwice) {
  put("a/1", "x");
  put("a", "1");
  const auto repository = open();
  EXPECT_THAT(served(*repository), ElementsAre("a:1"));
  EXPECT_FALSE(repository->ready());
}

TEST_F(ModelRepositoryTest, RequestsUnderWayEndOnTheModelTheyBeganOn) {
  const auto slow = std::make_shared<FakePredictor>();
  ModelRepository repository({}, {}, metrics_);
  repository.install("a", "1", slow);
  slow->hold();
  std::promise<BatchOutcome> promise;
  {
    const auto model = repository.find("a");
    model->batcher().submit(std::vector<std::uint16_t>(16, 65535), Batcher::TimePoint::max(),
                            [model, &promise](BatchOutcome outcome) { promise.set_value(std::move(outcome)); });
  }
  slow->wait_for_runs(1);
  const std::weak_ptr<ServedModel> old = repository.find("a");
  repository.install("a", "1", std::make_shared<FakePredictor>());
  EXPECT_NE(repository.find("a"), old.lock());
  slow->release();
  // The last one to hold the old model is its own batcher's thread, within this call.
  EXPECT_DOUBLE_EQ(std::get<BatchResult>(promise.get_future().get()).probabilities[1], 1.0);
  while (!old.expired()) std::this_thread::yield();
}

TEST_F(ModelRepositoryTest, ClosingFailsWhatWaitsOnReplacedModelsToo) {
  const auto slow = std::make_shared<FakePredictor>();
  ModelRepository repository({}, {}, metrics_);
  repository.install("a", "1", slow);
  slow->hold();
  const auto model = repository.find("a");
  std::promise<BatchOutcome> running;
  std::promise<BatchOutcome> waiting;
  const std::vector<std::uint16_t> pixels(16, 0);
  model->batcher().submit(pixels, Batcher::TimePoint::max(), [&](BatchOutcome end) { running.set_value(end); });
  slow->wait_for_runs(1);
  model->batcher().submit(pixels, Batcher::TimePoint::max(), [&](BatchOutcome end) { waiting.set_value(end); });
  repository.install("a", "1", std::make_shared<FakePredictor>());
  EXPECT_EQ(repository.queue_depth(), 1U);
  std::thread closer([&] { repository.close(); });
  EXPECT_EQ(std::get<BatchFailure>(waiting.get_future().get()), BatchFailure::kClosed);
  slow->release();
  closer.join();
  EXPECT_TRUE(std::holds_alternative<BatchResult>(running.get_future().get()));
  bool dropped = false;
  repository.later([] { FAIL(); }, [&] { dropped = true; });
  EXPECT_TRUE(dropped);
}

TEST(ModelNames, AreSafeInAnAddressAndOnDisk) {
  for (const char* good : {"proposed_cnn", "a.b-1", "9"}) EXPECT_TRUE(is_model_name(good)) << good;
  for (const char* bad : {"", ".", "..", ".x", "a/b", "a b", "\xc3\xa4"}) EXPECT_FALSE(is_model_name(bad)) << bad;
  EXPECT_FALSE(is_model_name(std::string(129, 'a')));
}

TEST(ModelVersions, GoByValueWhereTheyAreNumbers) {
  EXPECT_TRUE(is_older_version("9", "10"));
  EXPECT_FALSE(is_older_version("10", "9"));
  EXPECT_TRUE(is_older_version("007", "8"));
  EXPECT_FALSE(is_older_version("8", "008"));
  EXPECT_TRUE(is_older_version("99999999999999999999999", "a"));
  EXPECT_TRUE(is_older_version("a", "b"));
}

}  // namespace
}  // namespace pulmo::serving
