#!/usr/bin/env bash
# Installs, builds and runs every test.
#   scripts/test.sh [--preset release] [--require-real-data] [--fuzz SECONDS] [-- ctest options]
# --fuzz runs the fuzzers (scripts/fuzz.sh) before the tests, each for so many seconds.
# Examples: scripts/test.sh -- -L unit      scripts/test.sh --preset asan -- -L 'unit|data' -E mpi
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
require_real_data=0
fuzz_seconds=0
while (($#)); do
  case "$1" in
    --preset) preset=$2; shift 2 ;;
    --require-real-data) require_real_data=1; shift ;;
    --fuzz) fuzz_seconds=$2; shift 2 ;;
    --) shift; break ;;
    *) echo "usage: $0 [--preset NAME] [--require-real-data] [--fuzz SECONDS] [-- ctest options]" >&2; exit 2 ;;
  esac
done

real_data=$(realpath -m "${PULMO_REAL_DATA:-../shared/data}")
if ((require_real_data)) && [[ ! -f $real_data/SHA256SUMS ]]; then
  echo "test: the real CT samples are required but $real_data/SHA256SUMS is missing; set PULMO_REAL_DATA" >&2
  exit 1
fi

scripts/setup.sh
jobs=$(nproc)
cmake --preset "$preset" -DBUILD_TESTING=ON -DPULMO_REAL_DATA="$real_data" >/dev/null  # scripts/demo.sh leaves it off in the same folder
cmake --build --preset "$preset" --parallel "$jobs"
if ((require_real_data)) && ! ctest --preset "$preset" -N -L data | grep 'Test *#' >/dev/null; then
  echo "test: no test on the real CT samples is registered, though they are required" >&2
  exit 1
fi
if ((fuzz_seconds > 0)); then scripts/fuzz.sh "$fuzz_seconds"; fi
ctest --preset "$preset" --parallel "$jobs" --no-tests=error "$@"
