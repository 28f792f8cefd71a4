#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each for some seconds, as many at once as there are cores, on a seed corpus made
# here, mostly from the phantom. Ends with 1 at a finding and names the input that reproduces it, below build/fuzz/findings.
#   scripts/fuzz.sh [seconds per target, default 60]
# PULMO_PREPARE names the pulmo-prepare that makes the phantom; by default that of build/release, built if need be.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
targets=(slice png jpeg jpeg2000 http multipart lidc_xml zip infer)

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"
prepare=${PULMO_PREPARE:-build/release/bin/pulmo-prepare}
if [[ ! -x $prepare ]]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --target pulmo-prepare
fi

corpus=build/fuzz/corpus
findings=build/fuzz/findings
rm -rf "$corpus" # what reproduces a finding stays until it is looked at
mkdir -p "${targets[@]/#/$corpus/}" "$findings"
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
for name, options in (("lossless", {}), ("lossy", {"irreversible": True, "quality_layers": [20, 5]}),
                      ("tiled", {"tile_size": (32, 32)})):
    Image.fromarray(np.resize(grey, (64, 64))).save(corpus / f"jpeg2000/{name}.j2k", "JPEG2000", no_jp2=True, **options)
Image.fromarray(grey.astype(np.uint16) * 257).save(corpus / "slice/16_bit.png")
Image.fromarray(grey).save(corpus / "slice/baseline.jpg")
Image.fromarray(np.dstack([grey] * 3)).save(corpus / "slice/progressive.jpg", progressive=True)
for name, kind in (("png", "png"), ("jpg", "jpeg")):
    for file in corpus.glob(f"slice/*.{name}"):
        (corpus / kind / file.name).write_bytes(file.read_bytes())
for mode in ("P", "RGBA", "LA", "1"):
    Image.fromarray(grey).convert(mode).save(corpus / f"png/{mode}.png")
Image.fromarray(grey).save(corpus / "jpeg/subsampled.jpg", quality=10, subsampling=2, optimize=True)
form = (b'--a b\r\nContent-Disposition: form-data; name="f"; filename="x.png"\r\nContent-Type: image/png\r\n\r\nhello\r\n'
        b'--a b\r\nContent-Disposition: form-data; name="g"\r\n\r\nvalue\r\n--a b--\r\n')
(corpus / "multipart/form").write_bytes(b"\x05multipart/form-data; boundary=\"a b\"\n" + form)
(corpus / "multipart/body").write_bytes(b"\x01" + form)
kind = b'Content-Type: multipart/form-data; boundary="a b"\r\n'
requests = {"get": b"GET /page/app.js?x=%20y HTTP/1.1\r\nHost: x\r\n\r\n",
            "post": b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            "form": b"POST / HTTP/1.1\r\nHost: x\r\n" + kind + b"Content-Length: %d\r\n\r\n" % len(form) + form,
            "expect": b"POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            "chunked": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "old": b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"}
for name, data in requests.items():
    (corpus / "http" / name).write_bytes(b"\x07" + data * 2)
PYTHON

fuzz() {
  local words=()
  case $1 in http | multipart) words=(-dict=tests/fuzz/http.dict) ;; esac
  local log=build/fuzz/$1.log
  local begin=$SECONDS
  if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "build/fuzz/bin/$1_fuzz" -max_total_time="$2" -timeout=60 \
    -rss_limit_mb=4096 -max_len=40000 -print_final_stats=1 -verbosity=0 -artifact_prefix="build/fuzz/findings/$1-" \
    "${words[@]}" "build/fuzz/corpus/$1" >"$log" 2>&1; then
    echo "fuzz: $1: $(awk '/number_of_executed_units/ {print $2}' "$log") inputs in $((SECONDS - begin)) s, no finding"
  else
    tail -n 60 "$log"
    echo "fuzz: $1: a finding, see $log and build/fuzz/findings" >&2
    return 1
  fi
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c "fuzz {} $seconds" || exit 1
