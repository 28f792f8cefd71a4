#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/model/explain.h"
#include "serving/isolation/decoder.h"
#include "serving/metrics.h"
#include "serving/prediction.h"
#include "serving/served_model.h"

namespace pulmo::serving {

enum class ExplainMethod {
  kAuto,  ///< Grad-CAM where that tells places, else integrated gradients; of a model without gradients occlusion
  kGradCam,
  kIntegratedGradients,
  kOcclusion,
};

/// "auto", "grad_cam", "integrated_gradients" or "occlusion"; nullopt for anything else.
std::optional<ExplainMethod> parse_explain_method(std::string_view name);

/// What explaining needs beside slices and model. All must outlive the call.
struct ExplainTools {
  const Decoder& decoder;
  const OcclusionOptions& occlusion;
  Metrics& metrics;
  std::function<bool()> keep_on;  ///< asked before each longer step
};

/// Predicts and explains the slices that a model takes at once: one, or of a model of volumes those of one stack
/// (plan_stacks()), `depth` at most. Each that can be used has its explanation, whose map is the slice's part of the
/// stack's and as bright as its share of the highest place; the others their reason. The failure is one_stack where the
/// slices are not of one. nullopt once `keep_on` says false. kGradCam and kIntegratedGradients on a model without
/// gradients refuse every slice with no_gradients. Throws DecoderUnavailable, and what the predictor throws.
std::optional<Answer> explain_slices(const ServedModel& model, std::vector<Upload> uploads, ExplainMethod method,
                                     const ExplainTools& tools);

}  // namespace pulmo::serving
