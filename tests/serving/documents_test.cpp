// What the server says: JSON documents, metrics, page files, configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "core/image/slice_decoder.h"
#include "core/support/error.h"
#include "core/support/version.h"
#include "serving/json.h"
#include "serving/metrics.h"
#include "serving/page.h"
#include "serving/reasons.h"
#include "serving/routes.h"
#include "serving/serve_config.h"
#include "tests/serving/fake_predictor.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::serving {
namespace {

using nlohmann::json;
using testing::FakePredictor;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ModelJson, DescribesTheModelAsTheProtocolSays) {
  const auto predictor = std::make_shared<FakePredictor>(32);
  predictor->change_metadata().phantom = true;
  const ServedModel model("lungs", "2", predictor, {});
  const json document = json::parse(model_json(model, {"1", "2"}));
  EXPECT_EQ(document["name"], "lungs");
  EXPECT_EQ(document["versions"], json::array({"1", "2"}));
  EXPECT_EQ(document["inputs"][0]["shape"], (json{-1, 1, 32, 32}));
  EXPECT_EQ(document["outputs"][0]["shape"], (json{-1, 2}));
  EXPECT_EQ(document["parameters"]["phantom"], true);
  EXPECT_EQ(document["parameters"]["preprocess"]["size_px"], 32);
}

TEST(Reasons, AreUniqueAndMapToErrorStatuses) {
  std::set<std::string_view> codes;
  for (const Reason& reason : kReasons) {
    EXPECT_TRUE(codes.insert(reason.code).second) << reason.code;
    EXPECT_GE(reason.status, 400) << reason.code;
  }
  EXPECT_EQ(status_of("no_lung"), 422);
  EXPECT_EQ(status_of("something new"), 500);
  EXPECT_EQ(slice_code("too_large"), "picture_too_large");
  EXPECT_EQ(slice_code("something new"), "unusable");
}

TEST(Metrics, NeverLetsAClientMakeALabel) {
  Metrics metrics;
  const auto model = metrics.add_model("fake", "7", FakePredictor().metadata());
  metrics.count_rejection("evil\n# HELP");
  model->count_prediction("unheard of");
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("pulmo_rejected_total{reason=\"other\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("evil")));
  EXPECT_THAT(text, Not(HasSubstr("unheard")));
}

TEST(Metrics, AsksItsGaugesAtEachScrape) {
  Metrics metrics;
  double depth = 3.0;
  GaugeSources sources;
  sources.queue_depth = [&] { return depth; };
  metrics.connect(std::move(sources));
  EXPECT_THAT(metrics.text(), HasSubstr("pulmo_queue_depth 3\n"));
  depth = 5.0;
  EXPECT_THAT(metrics.text(), HasSubstr("pulmo_queue_depth 5\n"));
}

TEST(Metrics, SpeaksOfTheModelAndTheProcess) {
  Metrics metrics;
  metrics.set_models({{"fake", "7", "abc"}});
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("pulmo_model_info{model=\"fake\",sha256=\"abc\",version=\"7\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_models_loaded 1"));
  EXPECT_THAT(text, ::testing::ContainsRegex("process_resident_memory_bytes [1-9]"));
  EXPECT_THAT(text, ::testing::ContainsRegex("process_open_fds [1-9]"));
}

TEST(Metrics, ForgetAModelThatIsNoLongerServed) {
  Metrics metrics;
  metrics.set_models({{"a", "1", "abc"}, {"b", "1", "def"}});
  metrics.add_model("b", "1", FakePredictor().metadata())->count_prediction("malignant");
  metrics.set_models({{"a", "1", "abc"}, {"a", "2", "123"}});
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("pulmo_model_info{model=\"a\",sha256=\"abc\",version=\"1\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_model_info{model=\"a\",sha256=\"123\",version=\"2\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("def")));
  EXPECT_THAT(
      text,
      HasSubstr("pulmo_predictions_total{class=\"malignant\",model=\"b\",version=\"1\"} 1"));  // a counter never falls
}

TEST(Metrics, OfTwoModelsOfOneVersionTellTheDriftOfTheNewerAndCountOn) {
  Metrics metrics({.window = 4, .least = 1});
  BundleMetadata metadata = FakePredictor().metadata();
  metadata.reference = {{0.1, 0.9, {0.5}, {50, 50}}, {0.1, 0.9, {0.5}, {50, 50}}, {0.1, 0.9, {0.5}, {50, 50}}};
  const auto older = metrics.add_model("fake", "7", metadata);
  auto newer = metrics.add_model("fake", "7", metadata);
  const auto other = metrics.add_model("other", "7", FakePredictor().metadata());
  older->observe_slice(0.9, {0.2, 0.8});
  older->count_prediction("normal");
  newer->count_prediction("normal");
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("pulmo_drift_samples{model=\"fake\",version=\"7\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("pulmo_drift_samples{model=\"fake\",version=\"7\"} 1\n")));
  EXPECT_THAT(text, HasSubstr("pulmo_drift_samples{model=\"other\",version=\"7\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("pulmo_predictions_total{class=\"normal\",model=\"fake\",version=\"7\"} 2\n"));
  newer.reset();
  EXPECT_THAT(metrics.text(), HasSubstr("pulmo_drift_samples{model=\"fake\",version=\"7\"} 1\n"));
}

TEST(Metrics, TellDriftOnceThereIsEnoughToCompare) {
  Metrics metrics({.window = 4, .least = 2});
  BundleMetadata metadata = FakePredictor().metadata();
  metadata.reference = {{0.1, 0.9, {0.5}, {50, 50}}, {0.1, 0.9, {0.5}, {50, 50}}, {0.1, 0.9, {0.5}, {50, 50}}};
  const auto model = metrics.add_model("fake", "7", metadata);
  model->observe_slice(0.9, {0.2, 0.8});
  EXPECT_THAT(metrics.text(), HasSubstr("pulmo_prediction_drift_psi{model=\"fake\",version=\"7\"} Nan\n"));
  model->observe_slice(0.1, {0.8, 0.2});
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("pulmo_prediction_drift_psi{model=\"fake\",version=\"7\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("pulmo_input_drift_psi{input=\"mean_intensity\",model=\"fake\",version=\"7\"} 0\n"));
}

TEST(PageFiles, NeedNothingFromElsewhere) {
  for (const PageFile& file : page_files()) {
    EXPECT_FALSE(file.content.empty()) << file.path;
    if (file.path == "openapi.json" || file.path == "favicon.svg") continue;
    EXPECT_THAT(std::string(file.content), Not(HasSubstr("https://"))) << file.path;
    EXPECT_THAT(std::string(file.content), Not(HasSubstr("http://"))) << file.path;
  }
  EXPECT_THROW(page_file("none"), std::out_of_range);
}

TEST(PageFiles, AreTheFilesOfTheSourceTree) {
  for (const PageFile& file : page_files()) {
    std::ifstream stream(pulmo::testing::source_dir() / "serving/web" / file.path, std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), file.content) << file.path;
  }
}

TEST(PageFiles, HaveNoInlineScriptOrStyle) {
  const std::string html(page_file("index.html").content);
  EXPECT_THAT(html, Not(HasSubstr("style=")));
  EXPECT_THAT(html, Not(HasSubstr("<style")));
  EXPECT_THAT(html, Not(HasSubstr("onclick")));
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
}

class RoutesTest : public ::testing::Test {
 protected:
  Metrics metrics_;
  ModelRepository models_{{}, {}, metrics_};
  Service service_{models_, {}, metrics_};
  std::atomic<bool> ready_{true};
  Explainer explainer_{{}, {}, metrics_};
  Jobs jobs_{{}};
  Router router_ = make_routes({service_, explainer_, jobs_, metrics_, {}, ready_});
};

TEST_F(RoutesTest, AreExactlyWhatTheOpenApiDocumentDescribes) {
  const json document = json::parse(page_file("openapi.json").content);
  std::set<std::string> described;
  for (const auto& [path, methods] : document.at("paths").items()) {
    for (const auto& [method, operation] : methods.items()) {
      if (method == "parameters") continue;
      described.insert(method + " " + path);
      EXPECT_TRUE(operation.contains("summary")) << path;
      EXPECT_TRUE(operation.contains("responses")) << path;
    }
  }
  std::set<std::string> served;
  for (const auto& [method, pattern] : router_.routes()) served.insert(to_lower(method) + " " + pattern);
  EXPECT_EQ(described, served);
}

TEST_F(RoutesTest, OpenApiNamesEveryErrorCode) {
  const json document = json::parse(page_file("openapi.json").content);
  std::set<std::string> described = document.at("components").at("schemas").at("ErrorCode").at("enum");
  std::set<std::string> known;
  for (const Reason& reason : kReasons) known.insert(std::string(reason.code));
  EXPECT_EQ(described, known);
}

TEST(ServeConfig, DefaultsAreWhatTheCommentedFileSays) {
  const ServeConfig defaults = load_serve_config({}, {});
  const ServeConfig file = load_serve_config(pulmo::testing::source_dir() / "configs/serve.yaml", {});
  EXPECT_EQ(file.http.host, defaults.http.host);
  EXPECT_EQ(file.http.port, defaults.http.port);
  EXPECT_EQ(file.http.io_threads, defaults.http.io_threads);
  EXPECT_EQ(file.http.max_connections, defaults.http.max_connections);
  EXPECT_EQ(file.http.max_upload_bytes, defaults.http.max_upload_bytes);
  EXPECT_EQ(file.http.limits.body_bytes, defaults.http.limits.body_bytes);
  EXPECT_EQ(file.http.limits.parts, defaults.http.limits.parts);
  EXPECT_EQ(file.http.timeouts.head, defaults.http.timeouts.head);
  EXPECT_EQ(file.http.timeouts.body, defaults.http.timeouts.body);
  EXPECT_EQ(file.http.timeouts.idle, defaults.http.timeouts.idle);
  EXPECT_EQ(file.http.timeouts.write, defaults.http.timeouts.write);
  EXPECT_EQ(file.service.workers, defaults.service.workers);
  EXPECT_EQ(file.service.capacity, defaults.service.capacity);
  EXPECT_EQ(file.service.deadline, defaults.service.deadline);
  EXPECT_EQ(file.models.batch.max_batch, defaults.models.batch.max_batch);
  EXPECT_EQ(file.models.batch.max_delay, defaults.models.batch.max_delay);
  EXPECT_EQ(file.service.decode.max_side_px, defaults.service.decode.max_side_px);
  EXPECT_EQ(file.service.decode.max_pixels, defaults.service.decode.max_pixels);
  EXPECT_EQ(file.models.batch.capacity, defaults.models.batch.capacity);
  EXPECT_EQ(file.models.default_model, defaults.models.default_model);
  EXPECT_EQ(file.models.control, defaults.models.control);
  EXPECT_EQ(file.service.per_request, defaults.service.per_request);
  EXPECT_EQ(file.uploads.slices, defaults.uploads.slices);
  EXPECT_EQ(file.uploads.previews, defaults.uploads.previews);
  EXPECT_EQ(file.uploads.zip.entries, defaults.uploads.zip.entries);
  EXPECT_EQ(file.uploads.zip.entry_bytes, defaults.uploads.zip.entry_bytes);
  EXPECT_EQ(file.uploads.zip.total_bytes, defaults.uploads.zip.total_bytes);
  EXPECT_EQ(file.uploads.zip.ratio, defaults.uploads.zip.ratio);
  EXPECT_EQ(file.explain.threads, defaults.explain.threads);
  EXPECT_EQ(file.explain.queue, defaults.explain.queue);
  EXPECT_EQ(file.explain.deadline, defaults.explain.deadline);
  EXPECT_EQ(file.explain.occlusion.patch_px, defaults.explain.occlusion.patch_px);
  EXPECT_EQ(file.explain.occlusion.step_px, defaults.explain.occlusion.step_px);
  EXPECT_EQ(file.jobs.most, defaults.jobs.most);
  EXPECT_EQ(file.jobs.at_once, defaults.jobs.at_once);
  EXPECT_EQ(file.jobs.keep, defaults.jobs.keep);
  EXPECT_EQ(file.jobs.result_bytes, defaults.jobs.result_bytes);
  EXPECT_EQ(file.security.keys_file, defaults.security.keys_file);
  EXPECT_EQ(file.security.open_metrics, defaults.security.open_metrics);
  EXPECT_EQ(file.security.trusted_proxies, defaults.security.trusted_proxies);
  EXPECT_EQ(file.security.rate.per_s, defaults.security.rate.per_s);
  EXPECT_EQ(file.security.rate.burst, defaults.security.rate.burst);
  EXPECT_EQ(file.security.origins, defaults.security.origins);
  EXPECT_EQ(file.http.tls_certificate, defaults.http.tls_certificate);
  EXPECT_EQ(file.http.tls_key, defaults.http.tls_key);
  EXPECT_EQ(file.decoder.isolated, defaults.decoder.isolated);
  EXPECT_EQ(file.decoder.worker.memory_bytes, defaults.decoder.worker.memory_bytes);
  EXPECT_EQ(file.decoder.worker.timeout, defaults.decoder.worker.timeout);
  EXPECT_EQ(file.model_threads, defaults.model_threads);
  EXPECT_EQ(file.shutdown_grace, defaults.shutdown_grace);
  EXPECT_EQ(file.drift.window, defaults.drift.window);
  EXPECT_EQ(file.drift.least, defaults.drift.least);
}

TEST(ServeConfig, TakesOverrides) {
  const ServeConfig config = load_serve_config({}, {"serve.port=0", "limits.head_timeout_s=0.25", "batch.max_size=3"});
  EXPECT_EQ(config.http.port, 0);
  EXPECT_EQ(config.http.timeouts.head, std::chrono::milliseconds(250));
  EXPECT_EQ(config.models.batch.max_batch, 3U);
}

TEST(ServeConfig, RefusesWhatItDoesNotKnowOrCannotBe) {
  for (const char* setting :
       {"serve.prot=1", "serve.port=70000", "serve.port=x", "limits.body_bytes=1", "nothing=1", "explain.step_px=40",
        "jobs.most=0", "limits.upload_bytes=2048", "drift.least=2000", "decode.isolation=maybe", "tls.key=x",
        "security.trusted_proxies=[proxy]", "decode.timeout_s=0"}) {
    EXPECT_THROW(load_serve_config({}, {setting}), InvalidInput) << setting;
  }
}

}  // namespace
}  // namespace pulmo::serving
