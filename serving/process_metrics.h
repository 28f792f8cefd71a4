#pragma once

#include <prometheus/collectable.h>

namespace pulmo::serving {

/// The process_* metrics of Prometheus' client guidelines, read from /proc at each scrape. Thread-safe.
class ProcessMetrics : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace pulmo::serving
