#pragma once

#include <memory>
#include <vector>

#include "serving/service.h"

namespace pulmo::serving {

/// Service::predict() for a model of volumes: prepares the slices, stacks them as plan_stacks() says, and predicts the
/// stacks. Each slice's outcome tells the verdict on its stack. Where the model weighs slices, those of the most
/// suspicious stack of each series tell their share in it (Prediction::attention).
void predict_stacks(Service& service, std::shared_ptr<ServedModel> model, std::vector<Upload> uploads,
                    const PredictOptions& options, Service::Done done);

}  // namespace pulmo::serving
