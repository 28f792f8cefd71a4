#include "training/communicator.h"

#include <mpi.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <limits>
#include <set>
#include <sstream>
#include <thread>
#include <tuple>
#include <utility>

#include "training/bf16.h"
#include "training/launch.h"

namespace pulmo::training {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 28U;  // elements in one call: MPI counts are int

template <typename Value>
void reduce(bool mpi, std::span<Value> values, MPI_Datatype type, MPI_Op operation) {
  if (!mpi) return;
  for (std::size_t at = 0; at < values.size(); at += kChunk) {
    const auto count = static_cast<int>(std::min(kChunk, values.size() - at));
    MPI_Allreduce(MPI_IN_PLACE, values.data() + at, count, type, operation, MPI_COMM_WORLD);
  }
}

void send_chunks(std::byte* data, std::size_t size, int root) {
  for (std::size_t at = 0; at < size; at += kChunk) {
    MPI_Bcast(data + at, static_cast<int>(std::min(kChunk, size - at)), MPI_BYTE, root, MPI_COMM_WORLD);
  }
}

// What is no number stays so.
std::uint16_t narrow(float value) {
  constexpr std::uint16_t kQuiet = 0x40;
  if (value != value) return static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(value) >> 16U) | kQuiet);
  return round_to_bf16(value);
}

// An operation of MPI's: adds `count` bf16 values of `from` to `to`.
void add_bf16(void* from, void* to, int* count, MPI_Datatype* type) {
  static_cast<void>(type);
  const auto* values = static_cast<const std::uint16_t*>(from);
  auto* sums = static_cast<std::uint16_t*>(to);
  for (int i = 0; i < *count; ++i) sums[i] = narrow(widen_bf16(sums[i]) + widen_bf16(values[i]));
}

// Of the ranks of this machine: this one's number, and how many they are.
std::pair<int, int> place_on_machine() {
  MPI_Comm local = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);
  int rank = 0, size = 1;
  MPI_Comm_rank(local, &rank);
  MPI_Comm_size(local, &size);
  MPI_Comm_free(&local);
  return {rank, size};
}

// The largest value of all ranks, waiting without using up the processor: one rank's work may take minutes.
std::uint64_t patient_max(std::uint64_t mine) {
  std::uint64_t largest = 0;
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Iallreduce(&mine, &largest, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD, &request);
  auto pause = std::chrono::microseconds(10);
  for (int done = 0; done == 0;) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) break;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(5000));
  }
  return largest;
}

std::string as_text(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text.append(std::to_string(number)).append(" ");
  return text;
}

std::string machine_name() {
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  return {name, static_cast<std::size_t>(length)};
}

}  // namespace

Communicator::Communicator(int* argc, char*** argv) {
  int already = 0;
  MPI_Initialized(&already);
  mpi_ = already != 0 || launched_for_mpi(process_environment());
  if (mpi_ && already == 0) {
    int provided = 0;
    MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided);
    owner_ = true;
  }
  if (mpi_) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    std::tie(local_rank_, local_size_) = place_on_machine();
  }
  check_launch(size_, process_environment());
}

void Communicator::sum(std::span<float> values) const {
  reduce(mpi_, values, MPI_FLOAT, MPI_SUM);
}
void Communicator::sum(std::span<double> values) const {
  reduce(mpi_, values, MPI_DOUBLE, MPI_SUM);
}
void Communicator::sum(std::span<std::uint64_t> values) const {
  reduce(mpi_, values, MPI_UINT64_T, MPI_SUM);
}
void Communicator::sum_bf16(std::span<std::uint16_t> values) const {
  if (!mpi_) return;
  MPI_Op add = MPI_OP_NULL;
  MPI_Op_create(add_bf16, 1, &add);
  reduce(mpi_, values, MPI_UINT16_T, add);
  MPI_Op_free(&add);
}
void Communicator::max(std::span<double> values) const {
  reduce(mpi_, values, MPI_DOUBLE, MPI_MAX);
}
void Communicator::max(std::span<std::uint64_t> values) const {
  reduce(mpi_, values, MPI_UINT64_T, MPI_MAX);
}

std::uint64_t Communicator::max(std::uint64_t value) const {
  max(std::span(&value, 1));
  return value;
}

void Communicator::broadcast(std::vector<std::byte>& bytes, int root) const {
  if (!mpi_) return;
  std::uint64_t size = bytes.size();
  MPI_Bcast(&size, 1, MPI_UINT64_T, root, MPI_COMM_WORLD);
  bytes.resize(size);
  send_chunks(bytes.data(), bytes.size(), root);
}

std::string Communicator::broadcast(std::string text, int root) const {
  if (!mpi_) return text;
  std::uint64_t size = text.size();
  MPI_Bcast(&size, 1, MPI_UINT64_T, root, MPI_COMM_WORLD);
  text.resize(size);
  send_chunks(reinterpret_cast<std::byte*>(text.data()), text.size(), root);
  return text;
}

std::vector<std::vector<std::byte>> Communicator::gather(std::span<const std::byte> bytes) const {
  if (!mpi_) return {std::vector<std::byte>(bytes.begin(), bytes.end())};
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size_));
  const std::uint64_t mine = bytes.size();
  MPI_Gather(&mine, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  if (!is_root()) {
    for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
      const auto count = static_cast<int>(std::min(kChunk, bytes.size() - at));
      MPI_Send(bytes.data() + at, count, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
    }
    return {};
  }
  std::vector<std::vector<std::byte>> all(sizes.size());
  all[0].assign(bytes.begin(), bytes.end());
  for (std::size_t from = 1; from < all.size(); ++from) {
    all[from].resize(sizes[from]);
    for (std::size_t at = 0; at < sizes[from]; at += kChunk) {
      const auto count = static_cast<int>(std::min<std::size_t>(kChunk, sizes[from] - at));
      MPI_Recv(all[from].data() + at, count, MPI_BYTE, static_cast<int>(from), 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
  }
  return all;
}

std::vector<std::byte> Communicator::all_gather(std::span<const std::byte> bytes) const {
  if (!mpi_) return {bytes.begin(), bytes.end()};
  const auto ranks = static_cast<std::size_t>(size_);
  std::vector<std::uint64_t> sizes(ranks);
  const std::uint64_t mine = bytes.size();
  MPI_Allgather(&mine, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, MPI_COMM_WORLD);
  std::vector<int> counts, places;
  std::uint64_t total = 0;
  for (const std::uint64_t size : sizes) {
    counts.push_back(static_cast<int>(size));
    places.push_back(static_cast<int>(total));
    total += size;
  }
  if (total > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
    throw std::length_error("all_gather: " + std::to_string(total) + " bytes are more than MPI counts");
  }
  std::vector<std::byte> all(total);
  MPI_Allgatherv(bytes.data(), static_cast<int>(mine), MPI_BYTE, all.data(), counts.data(), places.data(), MPI_BYTE,
                 MPI_COMM_WORLD);
  return all;
}

std::vector<std::string> Communicator::all_gather(const std::string& text) const {
  std::vector<std::string> texts;
  for (int root = 0; root < size_; ++root) texts.push_back(broadcast(text, root));
  return texts;
}

void Communicator::barrier() const {
  if (mpi_) MPI_Barrier(MPI_COMM_WORLD);
}

void Communicator::together(const std::function<void()>& work) const {
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  // The largest of (size - rank) is the lowest failing rank; 0 when nobody failed.
  const auto mine = static_cast<std::uint64_t>(failure ? size_ - rank_ : 0);
  const std::uint64_t first = mpi_ ? patient_max(mine) : mine;
  if (first == 0) return;
  failed_together_ = true;
  if (failure && mine == first) std::rethrow_exception(failure);
  throw PeerFailed();
}

std::vector<std::string> Communicator::local_gather(const std::string& text) const {
  const std::vector<std::string> machines = all_gather(mpi_ ? machine_name() : std::string());
  const std::vector<std::string> texts = all_gather(text);
  std::vector<std::string> local;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (machines[i] == machines[static_cast<std::size_t>(rank_)]) local.push_back(texts[i]);
  }
  return local;
}

std::size_t Communicator::ranks_sharing_processors(const std::vector<int>& processors) const {
  const std::string mine = as_text(processors);
  const std::vector<std::string> all = local_gather(mine);
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), mine));
}

std::size_t Communicator::processors_of_machine(const std::vector<int>& processors) const {
  std::set<int> used;
  for (const std::string& text : local_gather(as_text(processors))) {
    std::istringstream numbers(text);
    for (int processor = 0; numbers >> processor;) used.insert(processor);
  }
  return used.size();
}

void Communicator::finalize() {
  if (mpi_ && owner_) MPI_Finalize();
  mpi_ = false;
}

void Communicator::abort(int code) const {
  if (mpi_) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

}  // namespace pulmo::training
