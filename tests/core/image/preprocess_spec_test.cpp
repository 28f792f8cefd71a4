#include <gtest/gtest.h>

#include "core/image/preprocess.h"
#include "tests/core/image/expect_refused.h"

namespace pulmo {
namespace {

using testing::refusal_of;

TEST(PreprocessSpec, IsTheSameAfterItsJson) {
  PreprocessSpec spec;
  spec.window_low_hu = -1350.5;
  spec.window_high_hu = 150.25;
  spec.gaussian_sigma_px = 0.1;
  spec.crop_px = 48;
  spec.size_px = 96;
  spec.mask = LungMasking::kNone;
  spec.threshold = 0.3;
  spec.min_lung_fraction = 0.05;
  EXPECT_EQ(spec_from_json(spec_to_json(spec)), spec);
  EXPECT_EQ(spec_from_json(spec_to_json(PreprocessSpec{})), PreprocessSpec{});
}

// The text that shards and bundles of this version hold: it must never change.
TEST(PreprocessSpec, HasOneCanonicalText) {
  EXPECT_EQ(spec_to_json(PreprocessSpec{}),
            R"({"crop_px":0,"gaussian_sigma_px":1.0,"mask":"lungs","min_lung_fraction":0.01,"size_px":224,)"
            R"("threshold":null,"version":1,"window_high_hu":400.0,"window_low_hu":-1000.0})");
}

TEST(PreprocessSpec, DigestTellsSpecsApart) {
  PreprocessSpec spec;
  const std::string digest = spec_digest(spec);
  EXPECT_EQ(digest, spec_digest(PreprocessSpec{}));
  EXPECT_EQ(digest.size(), 64U);
  spec.gaussian_sigma_px = 1.0000001;
  EXPECT_NE(spec_digest(spec), digest);
}

TEST(PreprocessSpec, RefusesJsonItDoesNotUnderstand) {
  const std::string whole = spec_to_json(PreprocessSpec{});
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    text.replace(text.find(from), from.size(), to);
    return refusal_of([&] { spec_from_json(text); });
  };
  EXPECT_EQ(refusal_of([] { spec_from_json("not JSON"); }), "spec");
  EXPECT_EQ(refusal_of([] { spec_from_json("[1, 2]"); }), "spec");
  EXPECT_EQ(changed("\"crop_px\"", "\"crop_pixels\""), "spec");
  EXPECT_EQ(changed("\"version\":1", "\"version\":2"), "spec");
  EXPECT_EQ(changed("\"lungs\"", "\"liver\""), "spec");
  EXPECT_EQ(changed("224", "\"224\""), "spec");
  EXPECT_EQ(changed("null", "1.5"), "spec");
}

TEST(PreprocessSpec, RefusesValuesOutOfRange) {
  const auto refusal = [](auto change) {
    PreprocessSpec spec;
    change(spec);
    return refusal_of([&] { validate(spec); });
  };
  EXPECT_EQ(refusal([](PreprocessSpec&) {}), "");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.window_high_hu = spec.window_low_hu; }), "spec");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.gaussian_sigma_px = -1.0; }), "spec");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.crop_px = 3; }), "spec");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.size_px = 0; }), "spec");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.threshold = 0.0; }), "spec");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.min_lung_fraction = 1.0; }), "spec");
  EXPECT_EQ(refusal([](PreprocessSpec& spec) { spec.version = 2; }), "spec");
}

}  // namespace
}  // namespace pulmo
