"""Checks report.html and the statistics of report.yaml of a prepared folder with Python's own parsers and arithmetic.

    collection_page_check.py PREPARED [DICOM_FOLDER]

The page: well-formed, self-contained, runs nothing, names nobody, its numbers are those that h5py counts, its pictures
decode. The statistics: equal to those recomputed from the shards, and, with DICOM_FOLDER (one series a patient, all of them
with a reading), from the headers by pydicom. Exits with 1 at the first difference.
"""
import base64
import collections
import io
import pathlib
import re
import sys
import xml.etree.ElementTree
from html.parser import HTMLParser

import h5py
import numpy as np
import yaml
from PIL import Image

VOID = {"meta", "img", "br", "link", "input", "hr"}


def check(condition, message):
    if not condition:
        sys.exit(f"{message}")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.texts, self.images = [], [], [], [], [], []
        self.sections = collections.defaultdict(str)
        self.section = ""
        self.feed(text)
        self.close()
        check(not self.open, f"never closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "section":
            self.section = attributes["id"]
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}")
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
            self.sections[self.section] += data + "\n"


def check_self_contained(text, page):
    for tag, attributes in page.tags:
        check(tag not in {"script", "link", "iframe", "object"}, f"a <{tag}> in the page")
        for name, value in attributes.items():
            check(not name.startswith("on"), f"{name} on a <{tag}>")
            if name in {"src", "href", "srcset", "action"}:
                check(value.startswith(("#", "data:image/png;base64,")), f"{name}={value[:60]} points outside")
    check(not re.search(r"url\(|@import|https?://", text), "the page points outside")
    check(("html", {"lang": "en"}) in page.tags, "no language")
    check(any(a.get("name") == "viewport" for t, a in page.tags if t == "meta"), "no viewport")
    check(len(set(page.ids)) == len(page.ids), "an id occurs twice")
    for link in page.links:
        check(link[1:] in page.ids, f"{link} leads nowhere")


def check_pictures(text, page, classes):
    check(len(page.images) == classes, f"{len(page.images)} montages for {classes} classes")
    for image in page.images:
        check(image.get("alt"), "a montage without text alternative")
        picture = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",", 1)[1], validate=True)))
        check(np.asarray(picture).std() > 10 and picture.width > 500, "a montage shows nothing")
    charts = re.findall(r"<svg.*?</svg>", text, re.S)
    check(len(charts) >= 2, "no charts")
    for chart in charts:
        root = xml.etree.ElementTree.fromstring(chart)
        check(root.get("role") == "img" and len(root.get("aria-label")) > 20, "a chart without text alternative")
        width, height = map(float, root.get("viewBox").split()[2:])
        for bar in root.iter("rect"):
            x, y, w, h = (float(bar.get(k)) for k in ("x", "y", "width", "height"))
            check(-0.01 <= x and x + w <= width + 0.01 and -0.01 <= y and y + h <= height + 0.01,
                  f"a bar leaves its chart: {bar.attrib}")


def read_samples(folder):
    samples = []
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as shard:
            names = [name.decode() for name in shard.attrs["class_names"]]
            for i in range(len(shard["labels"])):
                image = shard["images"][i]
                lungs = shard["lungs"][i] if "lungs" in shard else np.ones(image.shape[-2:], np.uint8)
                samples.append({"split": path.name.split("-")[0], "class": names[shard["labels"][i]],
                                "mean": float(image[..., lungs > 0].mean() / 65535), "lungs": float(lungs.mean()),
                                "patient": shard["patients"].asstr()[i], "series": shard["series"].asstr()[i],
                                "group": shard["groups"].asstr()[i]})
    return samples


def check_counts(page, samples):
    numbers = re.findall(r"\d[\d,]*", page.sections["counts"])
    found = {int(n.replace(",", "")) for n in numbers}
    for key in ("split", "class"):
        for value, count in collections.Counter(s[key] for s in samples).items():
            check(count in found, f"{count} samples of {key} {value} are not in the page")
    check(len({s["patient"] for s in samples}) in found, "the number of patients is not in the page")
    check(len({s["group"] for s in samples}) in found, "the number of groups is not in the page")


def check_names_nobody(text, samples):
    text = re.sub(r"data:image/png;base64,[^\"]*", "", text)
    for kind in ("patient", "series"):
        for name in {s[kind] for s in samples}:
            check(name not in text, f"the page names a {kind}")


def check_reasons(page, report):
    parts = {"left-out": [entry for scope in (report.get("left_out") or {}).values() for entry in scope.items()],
             "notes": list((report.get("notes") or {}).items()), "problems": list((report.get("problems") or {}).items())}
    for section, entries in parts.items():
        text = page.sections[section]
        for reason, entry in entries:
            if entry["count"] == 0:
                continue
            found = re.search(rf"{entry['count']:,}\n{reason}\n([^\n]{{15,}})", text)
            check(found, f"{section}: {entry['count']} {reason} and what it means are not in the page")
    return sum(map(len, parts.values()))


def counts_of(distribution):
    return {round(float(k) / float(distribution["bin"])): v for k, v in distribution["counts"].items()}


def binned(values, width):
    return dict(collections.Counter(int(np.floor(v / width + 0.5)) for v in values))


def check_statistics(samples, statistics, masked):
    for name in {s["class"] for s in samples}:
        mine = [s for s in samples if s["class"] == name]
        check(counts_of(statistics["mean_intensity"][name]) == binned([s["mean"] for s in mine], 0.01),
              f"mean intensity of {name}")
        if masked:
            check(counts_of(statistics["lung_fraction"][name]) == binned([s["lungs"] for s in mine], 0.01),
                  f"lung fraction of {name}")


def check_series(folder, statistics):
    import pydicom

    series = collections.defaultdict(list)
    for path in folder.rglob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        series[header.SeriesInstanceUID].append(header)
    firsts = [headers[0] for headers in series.values()]
    expected = {
        "pixel_spacing_mm": ([float(h.PixelSpacing[0]) for h in firsts], 0.01),
        "slice_thickness_mm": ([float(h.SliceThickness) for h in firsts], 0.05),
        "slice_spacing_mm": ([np.median(np.diff(sorted(float(h.ImagePositionPatient[2]) for h in headers)))
                              for headers in series.values()], 0.05),
        "slices_of_series": ([len(headers) for headers in series.values()], 1)}
    for name, (values, width) in expected.items():
        check(counts_of(statistics[name]["series"]) == binned(values, width), f"{name}: {statistics[name]}")
    scanners = collections.Counter(f"{h.Manufacturer} {h.get('ManufacturerModelName', '')}".strip() for h in firsts)
    check(statistics["scanners"] == dict(scanners), f"scanners: {statistics['scanners']}")


def main():
    folder = pathlib.Path(sys.argv[1])
    text = (folder / "report.html").read_text()
    report = yaml.safe_load((folder / "report.yaml").read_text())
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    samples = read_samples(folder)
    page = Page(text)
    check_self_contained(text, page)
    check_pictures(text, page, len({s["class"] for s in samples}))
    check_counts(page, samples)
    check_names_nobody(text, samples)
    reasons = check_reasons(page, report)
    check(("Synthetic phantom" in text) == manifest["phantom"], "the phantom's banner")
    check(manifest["data_digest"] in text and manifest["spec_sha256"] in text, "the digests")
    check_statistics(samples, report["statistics"], manifest["spec"]["mask"] == "lungs")
    if len(sys.argv) > 2:
        check_series(pathlib.Path(sys.argv[2]), report["statistics"])
    print(f"page of {len(samples)} samples with {reasons} reasons holds")


if __name__ == "__main__":
    main()
