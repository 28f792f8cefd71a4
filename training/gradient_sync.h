#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "training/communicator.h"
#include "training/options.h"

namespace pulmo::training {

/// Where the network begins: turns the gradients of this rank's samples into those of the whole global batch.
/// Collective: every rank begins with the same parameters. Between begin() and finish() no one else may use the
/// communicator.
class GradientSync {
 public:
  virtual ~GradientSync() = default;

  /// A step begins: gradients of these parameters will be summed.
  virtual void begin(const std::vector<torch::Tensor>& parameters) = 0;

  /// Whether gradients travel while backward still runs: then ready() is wanted for each as soon as it is there.
  virtual bool overlaps() const { return false; }
  /// parameters[index].grad() will not change any more. From any thread.
  virtual void ready(std::size_t index) { static_cast<void>(index); }

  /// Waits and returns the sums over all ranks, one a parameter, laid out like its gradient; a rank without samples has
  /// no gradients and counts as zero. float32 or float64 where ranks are summed, else as they are.
  virtual std::vector<torch::Tensor> finish() = 0;

  /// Of a dense layer: the gradient of its weight (out, in) over all ranks, from this rank's factors, the gradient of
  /// its output (n, out) and its input (n, in), n >= 0: their product over all samples. Not between begin() and
  /// finish().
  virtual torch::Tensor product(const torch::Tensor& output_gradient, const torch::Tensor& input) = 0;
};

/// For one rank: hands back what is there.
std::unique_ptr<GradientSync> make_local_sync();

/// By MPI_Allreduce: small gradients packed into buckets, large ones in place, in the order in which backward makes
/// them. `overlap`: by a thread of its own, beside backward. `communicator` must outlive it.
std::unique_ptr<GradientSync> make_mpi_sync(const Communicator& communicator, ExchangeType type = ExchangeType::kFp32,
                                            bool overlap = false);

/// Whether the factors of a dense layer's gradient are cheaper to send than the gradient. A rank receives
/// (P-1)/P B (M+N) values of factors against 2 (P-1)/P M N of a ring all-reduce (Xie et al. 2016, "sufficient factor
/// broadcasting"); a margin of 4 pays for the whole batch's product, which every rank then computes.
bool factors_are_cheaper(std::int64_t out, std::int64_t in, std::int64_t global_batch);

}  // namespace pulmo::training
