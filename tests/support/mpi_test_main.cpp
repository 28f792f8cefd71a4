#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdio>
#include <cstdlib>

namespace {

/// A failed assertion on one rank would leave the others waiting in a collective: end the job at once.
class AbortOnFailure : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo& info) override {
    if (info.result()->Failed()) MPI_Abort(MPI_COMM_WORLD, 1);
  }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const char* expected = std::getenv("PULMO_EXPECTED_RANKS");
  if (expected == nullptr || std::atoi(expected) != size) {
    std::fprintf(stderr, "expected %s ranks, got %d\n", expected == nullptr ? "(unset)" : expected, size);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  ::testing::UnitTest::GetInstance()->listeners().Append(new AbortOnFailure);
  const int result = RUN_ALL_TESTS();
  MPI_Finalize();
  return result;
}
