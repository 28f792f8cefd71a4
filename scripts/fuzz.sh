#!/usr/bin/env bash
# Builds the libFuzzer targets and runs each for some seconds on a seed corpus made from the phantom (and from the real
# DICOM syntaxes where they are at hand). Ends with 1 and the reproducing input at the first finding.
#   scripts/fuzz.sh [seconds per target, default 60]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target slice_fuzz lidc_xml_fuzz zip_fuzz pulmo-prepare
bin=build/fuzz/bin
corpus=build/fuzz/corpus
rm -rf "$corpus"
mkdir -p "$corpus"/{slice,lidc_xml,zip} build/fuzz/findings

ASAN_OPTIONS=detect_leaks=0 "$bin/pulmo-prepare" phantom --output "$corpus/archive" --patients 1 --seed 5 >/dev/null
find "$corpus/archive/images" -name '*.dcm' | head -n 3 | xargs -I{} cp {} "$corpus/slice/"
cp "$corpus"/archive/annotations/*.xml "$corpus/lidc_xml/"
python3 - "$corpus" <<'PYTHON'
import pathlib, sys, zipfile
corpus = pathlib.Path(sys.argv[1])
xml = next((corpus / "lidc_xml").glob("*.xml")).read_bytes()
for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(corpus / "zip" / f"{name}.zip", "w", method) as archive:
        archive.writestr("a/reading.xml", xml[:4000])
        archive.writestr("b.txt", b"0" * 100000)
PYTHON
syntaxes=${PULMO_REAL_DATA:-../shared/data}/dicom-syntaxes.zip
if [[ -f $syntaxes ]]; then
  python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$syntaxes" "$corpus/syntaxes"
  find "$corpus/syntaxes" -type f -size -600k | while read -r file; do cp "$file" "$corpus/slice/$(basename "$file")"; done
fi

for target in slice lidc_xml zip; do
  echo "fuzz: $target for $seconds s"
  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$bin/${target}_fuzz" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=4096 -max_len=700000 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="build/fuzz/findings/${target}-" "$corpus/$target" 2>&1 | tail -n 12
done
