#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each for some seconds, as many at once as there are cores, on a seed corpus made
# from the phantom. Ends with 1 at a finding and names the input that reproduces it, below build/fuzz/findings.
#   scripts/fuzz.sh [seconds per target, default 60]
# PULMO_PREPARE names the pulmo-prepare that makes the phantom; by default that of build/release, built if need be.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
targets=(slice lidc_xml zip infer)

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"
prepare=${PULMO_PREPARE:-build/release/bin/pulmo-prepare}
if [[ ! -x $prepare ]]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --target pulmo-prepare
fi

corpus=build/fuzz/corpus
findings=build/fuzz/findings
rm -rf "$corpus" "$findings"
mkdir -p "$corpus"/{slice,lidc_xml,zip,infer} "$findings"
"$prepare" phantom --output "$corpus/archive" --patients 1 --matrix 64 --slices 8 --seed 5 >/dev/null
cp "$corpus"/archive/annotations/*.xml "$corpus/lidc_xml/"

# One small slice in every syntax, so that a minute holds thousands of inputs.
slice=$(find "$corpus/archive/images" -name '*.dcm' | sort | sed -n 4p)
seed=$corpus/slice
cp "$slice" "$seed/explicit.dcm"
dcmconv +ti "$slice" "$seed/implicit.dcm"
dcmconv +tb "$slice" "$seed/big_endian.dcm"
dcmconv +td "$slice" "$seed/deflated.dcm"
dcmcrle "$slice" "$seed/rle.dcm"
dcmcjpeg +eb "$slice" "$seed/jpeg_baseline.dcm"
dcmcjpeg +ee "$slice" "$seed/jpeg_extended.dcm"
dcmcjpeg +e1 "$slice" "$seed/jpeg_lossless.dcm"
dcmcjpls "$slice" "$seed/jpeg_ls.dcm"
/usr/bin/python3 tests/golden/jpeg2000_dicom.py "$slice" "$seed/jpeg_2000.dcm" 1 2
/usr/bin/python3 - "$corpus" <<'PYTHON'
import pathlib, sys, zipfile
import numpy as np
from PIL import Image
corpus = pathlib.Path(sys.argv[1])
xml = next((corpus / "lidc_xml").glob("*.xml")).read_bytes()
for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(corpus / "zip" / f"{name}.zip", "w", method) as archive:
        archive.writestr("a/reading.xml", xml[:4000])
        archive.writestr("b.txt", b"0" * 100000)
image = '"name":"image","shape":[1,1,4,4],"datatype"'
for name, head, rest in (
        ("json", '{"id":"1","inputs":[{%s:"UINT8","data":[[[%s]]]}],"outputs":[{"name":"class"}]}'
         % (image, ",".join("7" * 16)), None),
        ("binary", '{"inputs":[{%s:"FP16","parameters":{"binary_data_size":32}}]}' % image, bytes(32)),
        ("files", '{"inputs":[{"name":"file","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]}',
         b"\1\0\0\0x\2\0\0\0yz"),
        ("base64", '{"inputs":[{"name":"file","shape":[1],"datatype":"BYTES","data":["eHk="],'
         '"parameters":{"content_type":"base64"}}]}', None)):
    length = 0xffff if rest is None else len(head)
    (corpus / "infer" / name).write_bytes(length.to_bytes(2, "little") + head.encode() + (rest or b""))
grey = (np.add.outer(np.arange(48), np.arange(64)) * 2).astype(np.uint8)
Image.fromarray(grey).save(corpus / "slice/8_bit.png")
Image.fromarray(grey.astype(np.uint16) * 257).save(corpus / "slice/16_bit.png")
Image.fromarray(grey).save(corpus / "slice/baseline.jpg")
Image.fromarray(np.dstack([grey] * 3)).save(corpus / "slice/progressive.jpg", progressive=True)
PYTHON

fuzz() {
  local log=build/fuzz/$1.log
  local begin=$SECONDS
  if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "build/fuzz/bin/$1_fuzz" -max_total_time="$2" -timeout=60 \
    -rss_limit_mb=4096 -max_len=40000 -print_final_stats=1 -verbosity=0 -artifact_prefix="build/fuzz/findings/$1-" \
    "build/fuzz/corpus/$1" >"$log" 2>&1; then
    echo "fuzz: $1: $(awk '/number_of_executed_units/ {print $2}' "$log") inputs in $((SECONDS - begin)) s, no finding"
  else
    tail -n 60 "$log"
    echo "fuzz: $1: a finding, see $log and build/fuzz/findings" >&2
    return 1
  fi
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c "fuzz {} $seconds"
