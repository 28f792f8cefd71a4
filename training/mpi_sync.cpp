#include "training/mpi_sync.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <torch/utils.h>

#include <algorithm>
#include <utility>

namespace pulmo::training {
namespace {

// Below this a message costs more by its start than by its length.
constexpr std::int64_t kBucketElements = 1 << 18;

// Gradients are dense: their memory is one run of numel() values, whatever their strides.
torch::Tensor flat(const torch::Tensor& tensor) {
  return tensor.as_strided({tensor.numel()}, {1});
}

// The values where MPI can read them: themselves, or a copy of what a graphics card holds. The copies' page-locked
// memory is kept by LibTorch for the next ones.
torch::Tensor on_host(const torch::Tensor& values) {
  if (values.is_cpu()) return values;
  torch::Tensor host = at::empty(values.sizes(), values.options().device(torch::kCPU).pinned_memory(true));
  return host.copy_(values);
}

// The rows of all ranks, one below the other.
torch::Tensor all_rows(const Communicator& communicator, const torch::Tensor& rows) {
  const torch::Tensor mine = on_host(rows.contiguous());
  const auto* data = static_cast<const std::byte*>(mine.data_ptr());
  const std::vector<std::byte> bytes = communicator.all_gather(std::span(data, mine.nbytes()));
  const std::int64_t row_bytes = mine.size(1) * static_cast<std::int64_t>(mine.element_size());
  torch::Tensor all = at::empty({static_cast<std::int64_t>(bytes.size()) / row_bytes, mine.size(1)},
                                rows.options().device(torch::kCPU));
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(all.data_ptr()));
  return all.to(rows.device());
}

}  // namespace

MpiSync::MpiSync(const Communicator& communicator, ExchangeType type, bool overlap)
    : communicator_(communicator), type_(type), overlap_(overlap) {
  if (overlap_) thread_ = std::thread([this] { work(); });
}

MpiSync::~MpiSync() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MpiSync::begin(const std::vector<torch::Tensor>& parameters) {
  {
    const std::scoped_lock lock(mutex_);
    parameters_ = parameters;
    sums_.assign(parameters.size(), {});
    ready_.assign(parameters.size(), false);
    plan_buckets();
    running_ = true;
  }
  changed_.notify_all();
}

// Backward makes the last layer's gradients first.
void MpiSync::plan_buckets() {
  buckets_.clear();
  Bucket bucket;
  std::int64_t filled = 0;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const std::int64_t count = parameters_[i].numel();
    if (count >= kBucketElements) {
      buckets_.push_back({i});
      continue;
    }
    bucket.push_back(i);
    filled += count;
    if (filled < kBucketElements) continue;
    buckets_.push_back(std::exchange(bucket, {}));
    filled = 0;
  }
  if (!bucket.empty()) buckets_.push_back(bucket);
}

void MpiSync::ready(std::size_t index) {
  {
    const std::scoped_lock lock(mutex_);
    ready_[index] = true;
  }
  changed_.notify_all();
}

std::vector<torch::Tensor> MpiSync::finish() {
  {
    const std::scoped_lock lock(mutex_);
    std::fill(ready_.begin(), ready_.end(), true);
  }
  changed_.notify_all();
  if (overlap_) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !running_; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  } else {
    exchange_all();
    running_ = false;
  }
  return std::move(sums_);
}

void MpiSync::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return running_ || stopping_; });
    if (stopping_) return;
    lock.unlock();
    std::exception_ptr failure;
    try {
      exchange_all();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    failure_ = failure;
    running_ = false;
    changed_.notify_all();
  }
}

void MpiSync::exchange_all() {
  const torch::NoGradGuard no_gradient;
  for (const Bucket& bucket : buckets_) {
    if (!wait_for(bucket)) return;
    exchange(bucket);
  }
}

bool MpiSync::wait_for(const Bucket& bucket) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return stopping_ || std::all_of(bucket.begin(), bucket.end(), [this](std::size_t i) { return ready_[i]; });
  });
  return !stopping_;
}

void MpiSync::exchange(const Bucket& bucket) {
  std::vector<torch::Tensor> flats;
  for (const std::size_t i : bucket) {
    const torch::Tensor gradient = gradient_or_zero(parameters_[i]);
    sums_[i] = gradient.scalar_type() == torch::kBFloat16 ? gradient.to(torch::kFloat32) : gradient;
    flats.push_back(flat(sums_[i]));
  }
  if (flats.size() == 1) {
    sum(flats.front());
    return;
  }
  torch::Tensor packed = at::cat(flats);
  sum(packed);
  std::int64_t at = 0;
  for (torch::Tensor& part : flats) {
    part.copy_(packed.narrow(0, at, part.numel()));
    at += part.numel();
  }
}

void MpiSync::sum(torch::Tensor& values) const {
  const auto count = static_cast<std::size_t>(values.numel());
  const bool halve = type_ == ExchangeType::kBf16 && values.scalar_type() != torch::kFloat64;
  const torch::Tensor host = on_host(halve ? values.to(torch::kBFloat16) : values);
  if (halve) {
    communicator_.sum_bf16(std::span(static_cast<std::uint16_t*>(host.data_ptr()), count));
  } else if (host.scalar_type() == torch::kFloat64) {
    communicator_.sum(std::span(host.data_ptr<double>(), count));
  } else {
    communicator_.sum(std::span(host.data_ptr<float>(), count));
  }
  if (!host.is_same(values)) values.copy_(host);
}

torch::Tensor MpiSync::product(const torch::Tensor& output_gradient, const torch::Tensor& input) {
  const torch::NoGradGuard no_gradient;
  const torch::ScalarType exact = output_gradient.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const bool halve = type_ == ExchangeType::kBf16 && exact == torch::kFloat32;
  const auto rows_of = [&](const torch::Tensor& rows) {
    return all_rows(communicator_, halve ? rows.to(torch::kBFloat16) : rows).to(exact);
  };
  return at::mm(rows_of(output_gradient).t(), rows_of(input));
}

}  // namespace pulmo::training
