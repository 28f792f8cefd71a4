#!/usr/bin/env bash
# Installs every package of Debian 12 or 13 that pulmo needs. Idempotent; asks apt only for what is missing.
#   scripts/setup.sh             to build, run and test
#   scripts/setup.sh --no-tests  to build and run only
set -euo pipefail

build_packages=(
  build-essential cmake ninja-build ccache pkg-config git ca-certificates curl
  file                                                 # by which cpack tells programs from other files
  libtorch-dev libopenblas0-openmp                     # tensors, training, TorchScript; a real BLAS beside it
  libopenmpi-dev openmpi-bin openssh-client            # ranks; mpirun looks for ssh even on one machine
  libhdf5-dev                                          # shards (serial flavour)
  libdcmtk-dev libopenjp2-7-dev zlib1g-dev             # DICOM, its JPEG 2000 frames and deflated data sets
  libopencv-dev libjpeg-dev libpng-dev                 # filters, resize, morphology, SVM, HOG; JPEG, PNG
  libpugixml-dev nlohmann-json3-dev libcli11-dev libspdlog-dev libzip-dev libdeflate-dev libyaml-cpp-dev libssl-dev
  libpistache-dev prometheus-cpp-dev libcurl4-openssl-dev   # HTTP, metrics, metrics to a push gateway
  libseccomp-dev                                       # confines the processes that decode strangers' pictures
)
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev
  clang-format clang-tidy clang libclang-rt-dev          # formatter, linter, fuzzers
  python3 python3-numpy python3-scipy python3-skimage python3-sklearn python3-torch python3-torchvision python3-h5py python3-pydicom python3-pil
  python3-yaml python3-selenium                        # second implementations and the browser test
  wrk python3-flask python3-waitress                   # load, and the server that pulmo-serve is measured against
  chromium chromium-driver fonts-dejavu-core
  nginx-light openssl                                  # in front of the server, and against it
  dcmtk libopenjp2-tools                               # their tools make and decode test images
  slurmctld slurmd slurm-client munge                  # the cluster of the tests
  prometheus prometheus-pushgateway                    # rules, dashboards and metrics are tried in a real Prometheus
  debootstrap lintian man-db zsh systemd python3-seccomp # packages: a clean tree to install them in, and their checks
)

packages=("${build_packages[@]}")
case "${1:-}" in
  "") packages+=("${test_packages[@]}") ;;
  --no-tests) ;;
  *) echo "usage: $0 [--no-tests]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "setup: not root and no sudo; install by hand: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done"
