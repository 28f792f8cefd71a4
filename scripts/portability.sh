#!/usr/bin/env bash
# Builds and tests pulmo on Debian 13 in a tree of its own (debootstrap), beside the Debian 12 of this machine. Needs root.
#   scripts/portability.sh [-- ctest options]            default: -L 'unit|mpi'
# Example: scripts/portability.sh -- -R 'Shard|Bundle'
# PULMO_TREE    folder of the tree, 8 GB, kept between runs     build/debian13
# PULMO_SUITE   release to try                                  trixie
# PULMO_JOBS    compilers at a time                             all processors
# The packages come from the mirror that apt uses here. docs/portability.md says what is known.
set -euo pipefail
cd "$(dirname "$0")/.."
source_dir=$PWD
mkdir -p "${PULMO_TREE:=build/debian13}"
tree=$(cd "$PULMO_TREE" && pwd)
suite=${PULMO_SUITE:-trixie}
jobs=${PULMO_JOBS:-$(nproc)}
ctest_options=(-L 'unit|mpi')
if [[ ${1:-} == -- ]]; then shift; ctest_options=("$@"); elif (($#)); then echo "usage: $0 [-- ctest options]" >&2; exit 2; fi
((EUID == 0)) || { echo "portability: needs root, for debootstrap and chroot" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "portability: needs debootstrap: apt-get install debootstrap" >&2; exit 1; }

# The archive that this machine's own release comes from; $(...) below is apt's notation, not the shell's.
mirror() {
  local codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v name="$codename" '$1 == name && $2 == "main" && !found { print $3; found = 1 }'
}

inside() { chroot "$tree" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

mounted=()
bind() {
  mkdir -p "$tree$2"
  mountpoint -q "$tree$2" && return
  mount --bind "$1" "$tree$2"
  mounted+=("$tree$2")
}
release() {
  local i
  for ((i = ${#mounted[@]} - 1; i >= 0; --i)); do umount -l "${mounted[i]}"; done
}
trap release EXIT

if [[ ! -e $tree/.pulmo-whole ]]; then
  from=$(mirror)
  [[ -n $from ]] || { echo "portability: apt here names no archive of its own release" >&2; exit 1; }
  echo "portability: making a tree of $suite in $tree"
  debootstrap --variant=minbase "$suite" "$tree" "$from" >"$tree.log" 2>&1 || { tail -5 "$tree.log" >&2; exit 1; }
  # The way to the mirror: proxies, timeouts. What packages put beside them stays theirs.
  apt-config dump --format '%f "%v";%n' Acquire | grep -v '^Acquire::IndexTargets' >"$tree/etc/apt/apt.conf.d/80mirror"
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d" # starts no service
  chmod +x "$tree/usr/sbin/policy-rc.d"
  touch "$tree/.pulmo-whole"
fi
bind /proc /proc
bind /sys /sys  # Open MPI asks it for the cores
bind /dev /dev
bind /dev/shm /dev/shm
bind "$source_dir" /pulmo/source
data=$(cd "${PULMO_REAL_DATA:-../shared/data}" 2>/dev/null && pwd || true)
[[ -z $data ]] || bind "$data" /pulmo/shared/data

inside /pulmo/source/scripts/setup.sh
echo "portability: $(inside sh -c '. /etc/os-release; echo "$PRETTY_NAME"'), $(inside c++ --version | head -1)"
inside dpkg-query -W -f '  ${Package} ${Version}\n' libtorch-dev libopenmpi-dev libhdf5-dev libopencv-dev libdcmtk-dev libpistache-dev \
  libspdlog-dev libyaml-cpp-dev prometheus-cpp-dev cmake

inside cmake -S /pulmo/source -B /pulmo/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DPULMO_REAL_DATA="${data:+/pulmo/shared/data}" >/dev/null
inside cmake --build /pulmo/build --parallel "$jobs" -- -k 0
inside ctest --test-dir /pulmo/build --parallel "$jobs" --output-on-failure --no-tests=error "${ctest_options[@]}"
