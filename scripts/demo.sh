#!/usr/bin/env bash
# From nothing to a served prediction: installs, builds, makes a phantom archive, prepares it, trains on two MPI ranks,
# prints the comparison table, serves the best model and posts a held-out slice to it.
#   scripts/demo.sh [--exit] [--port 8080] [--output runs/demo] [--patients 64] [--epochs 20]
# --exit: end after the answer instead of serving on. Every figure it prints is from the synthetic phantom. Slices are
# prepared at 112 x 112 so that two cores see enough epochs within minutes; real runs use the default of 224 x 224.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

exit_after=0 port=8080 output=runs/demo patients=64 epochs=20
while (($#)); do
  case "$1" in
    --exit) exit_after=1; shift ;;
    --port) port=$2; shift 2 ;;
    --output) output=$(cd "$here" && realpath -m "$2"); shift 2 ;;
    --patients) patients=$2; shift 2 ;;
    --epochs) epochs=$2; shift 2 ;;
    *) echo "usage: $0 [--exit] [--port N] [--output DIR] [--patients N] [--epochs N]" >&2; exit 2 ;;
  esac
done

# What an earlier demo made is made anew; a folder of anyone else's is left alone.
mark=$output/.pulmo-demo
if [[ -d $output && ! -e $mark && -n $(ls -A "$output") ]]; then
  echo "demo: $output is there and no demo of this version made it: remove it, or name another folder with --output" >&2
  exit 1
fi

step() { printf '\n\033[1m== %s\033[0m (%d s)\n' "$*" "$SECONDS"; }

step "Installing"
scripts/setup.sh --no-tests

step "Building"
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
# On a terminal one line counts the files; a log gets the last one alone.
if [[ -t 1 ]]; then
  cmake --build --preset release --parallel "$(nproc)"
else
  cmake --build --preset release --parallel "$(nproc)" >build/demo.log || { tail -n 60 build/demo.log >&2; exit 1; }
  tail -n 1 build/demo.log
fi
bin=build/release/bin

if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
# Two ranks, even on one core: so for Open MPI 4, and for 5.
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe

step "Making a phantom archive of $patients patients"
mkdir -p "$output"
touch "$mark"
rm -rf "$output"/{data,run,montage.png,serve.log}
# truth.csv is written last: with it the archive is whole, and one of an earlier run with as many patients is the same, byte for byte.
version=$("$bin/pulmo-prepare" --version)
if [[ -f $output/archive/truth.csv ]] && grep -qx "patients: $patients" "$output/archive/phantom.yaml" &&
    grep -qF "\"${version##* }\"" "$output/archive/phantom.yaml"; then
  echo "$output/archive is there already"
else
  rm -rf "$output/archive"
  "$bin/pulmo-prepare" phantom --output "$output/archive" --patients "$patients" --slices 60 --seed 7
fi

step "Preparing shards"
"$bin/pulmo-prepare" lidc --input "$output/archive/images" --annotations "$output/archive/annotations" \
  --config configs/prepare.yaml --set preprocess.size_px=112 --output "$output/data"
"$bin/pulmo-prepare" verify "$output/data"
"$bin/pulmo-prepare" inspect "$output/data" --montage "$output/montage.png"

step "Training the rows of the comparison table on 2 ranks"
mpirun -n 2 "$bin/pulmo-train" compare --config configs/compare.yaml --set 'rows=[majority, svm, proposed_cnn]' \
  --set training.epochs="$epochs" --set augmentation.flips=true --set augmentation.shift_px=4 \
  --data "$output/data" --output "$output/run"

step "Serving the proposed CNN"
# In a session of its own: Ctrl-C reaches this script alone, which ends the server by one signal; two end it at once, unfinished.
setsid "$bin/pulmo-serve" --bundle "$output/run/proposed_cnn/bundle.pt" --config configs/serve.yaml --port "$port" \
  >"$output/serve.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  address=$(grep -o 'address=http://[^ ]*' "$output/serve.log" 2>/dev/null | head -n 1 | cut -d= -f2 || true)
  [[ -n $address ]] && break
  kill -0 "$server" 2>/dev/null || { cat "$output/serve.log" >&2; exit 1; }
  sleep 0.1
done
[[ -n $address ]] || { echo "demo: the server did not start in time" >&2; cat "$output/serve.log" >&2; exit 1; }

step "Posting a held-out slice with a malignant-looking nodule"
row=$(awk -F, 'NR > 1 && $1 == "test" && $5 == "malignant" && ++n <= 3 { row = $0 } END { print row }' "$output/run/proposed_cnn/predictions.csv")
[[ -n $row ]] || { echo "demo: no malignant slice in the test part; give more --patients" >&2; exit 1; }
patient=$(cut -d, -f2 <<<"$row")
instance=$(cut -d, -f4 <<<"$row")
slice=$(grep -rlF "$instance" "$output/archive/images/$patient" | head -n 1)
echo "curl -H 'Content-Type: application/dicom' --data-binary @$slice $address/v1/predict"
curl -fsS -H 'Content-Type: application/dicom' --data-binary "@$slice" "$address/v1/predict"
echo
echo
echo "The comparison table: $output/run/comparison.md and comparison.html; all figures are from the synthetic phantom."

if ((exit_after)); then
  kill -TERM "$server"
  wait "$server"
  trap - EXIT
  step "Done"
  exit 0
fi
step "Serving at $address (open it in a browser; Ctrl-C ends)"
trap 'kill -TERM "$server" 2>/dev/null; wait "$server"; exit 0' INT TERM HUP
wait "$server"
