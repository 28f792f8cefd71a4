#pragma once

#include <string>
#include <vector>

#include "serving/jobs.h"
#include "serving/prediction.h"
#include "serving/report.h"
#include "serving/served_model.h"

namespace pulmo::serving {

/// The answer of POST /v1/predict and /v1/explain. `outcomes` may hold failures beside predictions: their entries carry
/// "error". `report` is that of the outcomes. Text that is no valid UTF-8 is mended, so that the document always
/// parses.
std::string prediction_json(const ServedModel& model, const std::vector<SliceOutcome>& outcomes, const Report& report,
                            const std::string& request_id);

/// The answer of /v1/jobs/{id}: {"job": {...}}, with the "result" of a job that is done and the "error" of one that
/// failed.
std::string job_json(const JobStatus& status);

}  // namespace pulmo::serving
