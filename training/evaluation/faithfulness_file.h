#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "training/evaluation/faithfulness.h"

namespace pulmo::training {

/// The curves behind the areas of one method: the mean over the samples of the class's probability once 0, 1, ... of
/// the kCurveSteps equal shares of the pixels are taken out (come back).
struct MethodCurves {
  std::vector<double> deletion, insertion;  ///< steps + 1
};

/// What `pulmo-train faithfulness` measured of one bundle.
struct Faithfulness {
  FaithfulnessFacts facts;
  std::string fold = {};  ///< PreparedData::fold
  std::vector<MethodSummary> methods;
  std::vector<MethodCurves> curves = {};  ///< of each method; none in a file made before pulmo wrote them
};

/// As a JSON file. An undefined value is null.
std::string to_json(const Faithfulness& measured);

/// What to_json() wrote. Throws IoError when it cannot be read, InvalidInput("faithfulness") when it is anything else,
/// naming the file, what is wrong with it and the remedy.
Faithfulness read_faithfulness(const std::filesystem::path& file);

/// A line for each method, header first. An interval is cut off by " [".
std::vector<std::vector<std::string>> faithfulness_cells(const std::vector<MethodSummary>& methods);

}  // namespace pulmo::training
