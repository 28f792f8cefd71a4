#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace pulmo::training {

/// Thrown on the ranks that did not fail themselves when another rank did, inside Communicator::together(). It is
/// silent: the failing rank tells what happened.
class PeerFailed : public std::runtime_error {
 public:
  PeerFailed() : std::runtime_error("another rank failed") {}
};

/// The ranks of this job. The only class that talks to MPI, by one thread at a time. Every member but rank(), size()
/// and abort() is collective: all ranks call it in the same order. Errors of MPI itself end the job.
class Communicator {
 public:
  /// Starts MPI when a launcher is there (or joins it when it is initialised already), else stands alone. Throws
  /// InvalidInput("launch"), see check_launch().
  Communicator(int* argc, char*** argv);
  /// One rank without MPI.
  static Communicator alone() { return Communicator(); }

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }

  void sum(std::span<float> values) const;  ///< in place, on every rank; likewise below
  void sum(std::span<double> values) const;
  void sum(std::span<std::uint64_t> values) const;
  /// bf16 values, the upper halves of float32: added in float32 and rounded to nearest even at each addition.
  void sum_bf16(std::span<std::uint16_t> values) const;
  void max(std::span<double> values) const;
  void max(std::span<std::uint64_t> values) const;
  std::uint64_t max(std::uint64_t value) const;
  /// Replaces `bytes` by those of `root`, resizing it.
  void broadcast(std::vector<std::byte>& bytes, int root = 0) const;
  std::string broadcast(std::string text, int root = 0) const;
  /// The bytes of every rank in rank order; empty on the ranks other than 0.
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) const;
  /// The bytes of every rank in rank order, one after the other, on every rank.
  std::vector<std::byte> all_gather(std::span<const std::byte> bytes) const;
  /// The texts of every rank, on every rank.
  std::vector<std::string> all_gather(const std::string& text) const;
  void barrier() const;

  /// Runs `work` on each rank; when it throws anywhere, every rank leaves with an exception: the lowest failing rank
  /// rethrows its own, all others throw PeerFailed. So a bad input is told once and the job ends in good order.
  void together(const std::function<void()>& work) const;
  /// Whether together() has ended in an exception: then all ranks know, and MPI can be left in good order.
  bool failed_together() const { return failed_together_; }

  /// Ranks of this machine.
  int local_size() const { return local_size_; }
  /// This rank's number among them, from 0.
  int local_rank() const { return local_rank_; }
  /// Ranks of this machine that may run on exactly the same processors, this one included.
  std::size_t ranks_sharing_processors(const std::vector<int>& processors) const;
  /// How many processors the ranks of this machine may run on, all together.
  std::size_t processors_of_machine(const std::vector<int>& processors) const;

  /// Leaves MPI in good order. Only on the way of success, or of a failure that all ranks know of: a rank waiting here
  /// for a dead one would hang. Not in a destructor for the same reason.
  void finalize();
  /// Ends the whole job at once with `code`.
  [[noreturn]] void abort(int code) const;

 private:
  Communicator() = default;
  /// What every rank of this machine says of itself.
  std::vector<std::string> local_gather(const std::string& text) const;

  bool mpi_ = false;    ///< whether MPI is up
  bool owner_ = false;  ///< whether this object initialised it
  int rank_ = 0;
  int size_ = 1;
  int local_size_ = 1;
  int local_rank_ = 0;
  mutable bool failed_together_ = false;
};

}  // namespace pulmo::training
