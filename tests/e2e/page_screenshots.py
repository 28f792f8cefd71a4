"""Makes the pictures of the page in docs/: a slice, a series, a phone, an error, all of the synthetic phantom.

    page_screenshots.py --bundle runs/demo/run/proposed_cnn/bundle.pt --slice runs/demo/archive/images/PULMO-0001/1/021.dcm
                        [--series runs/demo/archive/images/PULMO-0001] [--bin build/release/bin] [--output docs]
                        [--stack nodule.zip --stack-bundle runs/nodules/slice_attention/bundle.pt]
                        [--nodule nodule.png --nodule-bundle runs/unet/unet_densenet/bundle.pt]

The bundle and the archive are those that scripts/demo.sh leaves. Without a series its picture is not made. The stack is a zip of
the pictures of one nodule, for a bundle that weighs slices; the nodule one picture, for a bundle that outlines."""

import argparse
import base64
import io
import os
import pathlib
import tempfile
import time
import zipfile

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_BYTES = 400_000  # of a picture


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of pulmo-serve")
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--slice", type=pathlib.Path, required=True, help="DICOM file of one slice")
    parser.add_argument("--series", type=pathlib.Path, help="folder with the DICOM files of one series")
    parser.add_argument("--stack", type=pathlib.Path, help="zip with the pictures of one nodule")
    parser.add_argument("--stack-bundle", type=pathlib.Path, help="bundle of slice_attention")
    parser.add_argument("--nodule", type=pathlib.Path, help="picture of one nodule")
    parser.add_argument("--nodule-bundle", type=pathlib.Path, help="bundle of unet_densenet")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs")
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ["PULMO_BIN_DIR"] = str(ARGUMENTS.bin.resolve())
from page_driver import PageTest  # noqa: E402


class Pictures(PageTest):
    """The tests' own way to drive the page, used to look at it."""

    server_options = {"bundle": ARGUMENTS.bundle.resolve()}

    def runTest(self):
        with tempfile.TemporaryDirectory() as folder:
            self.folder = pathlib.Path(folder)
            shown = self.series() if ARGUMENTS.series else ARGUMENTS.slice
            self.screen(390, 844, mobile=True)
            self.show(shown)
            self.take("page-phone.png", height=1500)
            self.screen(1360, 900)
            self.show(ARGUMENTS.slice)
            self.take("page.png")
            self.errors()

    def series(self):
        series = self.folder / "phantom-series.zip"
        with zipfile.ZipFile(series, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(ARGUMENTS.series.rglob("*.dcm")):
                archive.write(file, f"series/{file.name}")
        self.screen(1360, 900)
        self.show(series)
        self.take("page-series.png")
        return series

    def errors(self):
        letter = self.folder / "referral.txt"
        letter.write_text("Dear doctor")
        half = self.folder / "half-a-slice.dcm"
        half.write_bytes(ARGUMENTS.slice.read_bytes()[:200_000])
        self.screen(1360, 640, theme="dark")
        self.show(half, letter)
        self.take("page-error.png", height=640)

    def screen(self, width, height, theme="light", mobile=False):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                     {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})
        self.emulate(prefers_color_scheme=theme)
        self.open_page()

    def show(self, *paths):
        self.drop_paths(*paths)
        self.wait(lambda: self.states() and not {"waiting", "running"} & set(self.states()), seconds=300)
        if "done" in self.states():
            self.canvas()
            time.sleep(1)  # until the explanation is asked for
            self.wait(lambda: not self.find("#explaining").is_displayed())
            self.canvas()

    def take(self, name, height=None):
        """The page from its top on, whole unless a height is given."""
        width, whole = self.script("document.activeElement.blur(); scrollTo(0, 0);"
                                   "return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height or whole, "scale": 1}
        png = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        picture = Image.open(io.BytesIO(base64.b64decode(png["data"]))).convert("RGB")
        file = ARGUMENTS.output / name
        picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"{file}: {picture.width} x {picture.height}, {file.stat().st_size} bytes")
        self.assertLess(file.stat().st_size, MOST_BYTES, f"{file} is too large for the documentation")


class StackPicture(Pictures):
    server_options = {"bundle": ARGUMENTS.stack_bundle and ARGUMENTS.stack_bundle.resolve()}

    def runTest(self):
        self.screen(1360, 900)
        self.show(ARGUMENTS.stack)
        self.take("page-attention.png")


class NodulePicture(Pictures):
    server_options = {"bundle": ARGUMENTS.nodule_bundle and ARGUMENTS.nodule_bundle.resolve()}

    def runTest(self):
        self.screen(1360, 900)
        self.show(ARGUMENTS.nodule)
        self.take("page-outline.png")


def make(pictures):
    try:
        pictures.setUpClass()
        outcome = pictures().run()
    finally:
        pictures.doClassCleanups()
    for _, failure, _ in pictures.tearDown_exceptions:
        raise failure
    for _, trace in outcome.errors + outcome.failures:
        raise SystemExit(trace)


if __name__ == "__main__":
    make(Pictures)
    if ARGUMENTS.stack:
        make(StackPicture)
    if ARGUMENTS.nodule:
        make(NodulePicture)
