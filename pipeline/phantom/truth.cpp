#include "pipeline/phantom/truth.h"

#include <cstdio>

namespace pulmo::pipeline::phantom {
namespace {

int readers_of(const Readings& readings, std::size_t lesion) {
  int count = 0;
  for (const Reading& reading : readings) {
    for (const NoduleMark& mark : reading.nodules) count += mark.lesion == lesion ? 1 : 0;
    for (const NonNoduleMark& mark : reading.non_nodules) count += mark.lesion == lesion ? 1 : 0;
  }
  return count;
}

}  // namespace

std::string truth_header() {
  return "patient,series_uid,nodule,class,diameter_mm,x_mm,y_mm,z_mm,readers,calcified,juxtapleural\n";
}

std::string truth_lines(const Patient& patient, const ScanUids& uids, const Readings& readings) {
  std::string lines;
  for (std::size_t i = 0; i < patient.lesions.size(); ++i) {
    const Lesion& lesion = patient.lesions[i];
    const Point at = patient.anatomy.pose.to_patient({lesion.centre.x, lesion.centre.y}, lesion.centre.z);
    std::array<char, 160> numbers{};
    std::snprintf(numbers.data(), numbers.size(), "%zu,%s,%.2f,%.2f,%.2f,%.2f,%d,%d,%d\n", i + 1,
                  to_string(lesion.kind), lesion.diameter_mm(), at.x, at.y, lesion.centre.z + patient.scan.table_mm,
                  readers_of(readings, i), lesion.calcified_share > 0.0 ? 1 : 0, lesion.juxtapleural ? 1 : 0);
    lines += patient.id + "," + uids.series + "," + numbers.data();
  }
  return lines;
}

}  // namespace pulmo::pipeline::phantom
