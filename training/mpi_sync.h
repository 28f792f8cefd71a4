#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "training/gradient_sync.h"

namespace pulmo::training {

/// The parameter's gradient, or zeros like the parameter where this rank has none.
torch::Tensor gradient_or_zero(const torch::Tensor& parameter);

/// See make_mpi_sync(). The buckets go in one fixed order on every rank, last layer first, each as soon as all of its
/// gradients are there: by the thread of this object, or by finish() where nothing overlaps.
class MpiSync final : public GradientSync {
 public:
  MpiSync(const Communicator& communicator, ExchangeType type, bool overlap);
  ~MpiSync() override;
  MpiSync(const MpiSync&) = delete;
  MpiSync& operator=(const MpiSync&) = delete;

  void begin(const std::vector<torch::Tensor>& parameters) override;
  bool overlaps() const override { return overlap_; }
  void ready(std::size_t index) override;
  std::vector<torch::Tensor> finish() override;
  torch::Tensor product(const torch::Tensor& output_gradient, const torch::Tensor& input) override;

 private:
  using Bucket = std::vector<std::size_t>;  ///< of parameters

  void plan_buckets();
  void work();
  void exchange_all();
  /// Whether the bucket is complete: not when the object is being destroyed.
  bool wait_for(const Bucket& bucket);
  void exchange(const Bucket& bucket);
  void sum(torch::Tensor& values) const;

  const Communicator& communicator_;
  ExchangeType type_;
  bool overlap_;

  std::vector<torch::Tensor> parameters_;
  std::vector<torch::Tensor> sums_;
  std::vector<Bucket> buckets_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> ready_;
  bool running_ = false;  ///< a step is under way that the thread has not finished
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace pulmo::training
