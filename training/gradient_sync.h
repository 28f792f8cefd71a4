#pragma once

#include <torch/types.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "training/communicator.h"

namespace pulmo::training {

/// Where the network begins: turns the gradients of this rank's samples into those of the whole global batch.
/// Collective: every rank adds the same parameters in the same order.
class GradientSync {
 public:
  virtual ~GradientSync() = default;

  /// Hands over this rank's gradient of the next parameter. It is read, and may be overwritten, until finish().
  virtual void add(const torch::Tensor& gradient) = 0;

  /// Waits and returns the sums over all ranks in the order of add(), laid out like what was added; float32 or float64
  /// where ranks are summed, else as added. Valid until the next add().
  virtual const std::vector<torch::Tensor>& finish() = 0;
};

/// For one rank: hands back what was added.
std::unique_ptr<GradientSync> make_local_sync();

/// By MPI_Allreduce when finish() is called: small gradients packed into flat buckets, large ones in place, bf16 ones
/// summed in float32. `communicator` must outlive it.
std::unique_ptr<GradientSync> make_mpi_sync(const Communicator& communicator);

}  // namespace pulmo::training
