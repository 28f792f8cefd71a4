"""Series and zip archives through the real server: order, profile, summary, and every archive that is refused."""

import io
import json
import random
import struct
import tempfile
import unittest
import zipfile
import pathlib

import numpy as np
import torch

import sample_images
from server_process import Server, multipart

ZIP = "application/zip"


def set_threshold(source, target, threshold):
    """The same model with another operating point."""
    extra = {"pulmo.json": ""}
    module = torch.jit.load(str(source), _extra_files=extra)
    metadata = json.loads(extra["pulmo.json"])
    metadata["threshold"] = threshold
    torch.jit.save(module, str(target), _extra_files={"pulmo.json": json.dumps(metadata)})


def smoothed(profile, spacing):
    """The rule as the documentation tells it, from positions and probabilities alone."""
    values = []
    for i, point in enumerate(profile):
        if point["probability"] is None:
            values.append(None)
            continue
        near = [profile[j] for j in (i - 1, i, i + 1) if 0 <= j < len(profile)]
        values.append(np.mean([p["probability"] for p in near if p["probability"] is not None
                               and abs(p["position_mm"] - point["position_mm"]) <= 1.5 * spacing]))
    return values


class SeriesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        random.seed(4)
        pictures = [np.clip(sample_images.chest(256, nodule=i % 5 > 2).astype(int) + 4 * i, 0, 255).astype(np.uint8)
                    for i in range(12)]
        cls.files = sample_images.series(pictures)
        first = Server("limits.files=80")
        try:
            answer = first.post(sample_images.zipped(enumerate_names(cls.files)), ZIP).json()
            middle = np.median([result["probabilities"]["malignant"] for result in answer["results"]])
            bundle = pathlib.Path(cls.folder.name) / "bundle.pt"
            set_threshold(first.bundle, bundle, float(middle))
        finally:
            first.stop()
        cls.server = Server("limits.files=80", bundle=bundle)

    @classmethod
    def tearDownClass(cls):
        left, log, code = list(cls.server.work.iterdir()), cls.server.log(), cls.server.stop()
        cls.folder.cleanup()
        if code != 0 or left or "SECRET" in log:
            raise AssertionError(f"the server ended with {code} and left {left}:\n{log[-3000:]}")

    def predict(self, body, kind=ZIP, path="/v1/predict"):
        reply = self.server.post(body, kind, path)
        self.assertEqual(reply.status, 200, reply.body[:500])
        for secret in (b"SECRET", b"1.2.826"):
            self.assertNotIn(secret, reply.body)
        return reply.json()

    def refused(self, body, kind=ZIP):
        reply = self.server.post(body, kind)
        return reply.status, reply.code()

    def test_a_zip_of_a_series_is_ordered_profiled_and_summed_up(self):
        names = [f"{i:02}.dcm" for i in range(len(self.files))]
        shuffled = list(zip(names, self.files))
        random.shuffle(shuffled)
        answer = self.predict(sample_images.zipped([("study/" + name, data) for name, data in shuffled]))
        self.assertEqual([result["name"] for result in answer["results"]], ["study/" + name for name in names])
        self.assertEqual({result["series"] for result in answer["results"]}, {0})
        (series,) = answer["summary"]["series"]
        self.assertEqual((series["slices"], series["predicted"], series["refused"]), (12, 12, 0))
        self.assertEqual(answer["summary"]["skipped"], 0)
        self.assertAlmostEqual(series["spacing_mm"], 2.5, places=6)
        profile = series["profile"]
        np.testing.assert_allclose([point["position_mm"] for point in profile], -100 + 2.5 * np.arange(12), atol=1e-6)
        for i, (point, result) in enumerate(zip(profile, answer["results"])):
            self.assertEqual(point["result"], i)
            self.assertEqual(point["probability"], result["probabilities"]["malignant"])
            self.assertEqual(point["position_mm"], result["position_mm"])
        values = smoothed(profile, 2.5)
        self.assertAlmostEqual(series["probability"], max(values), places=12)
        self.assertEqual(series["class"], "malignant" if max(values) >= series["threshold"] else "normal")
        reaches = [value >= series["threshold"] for value in values]
        self.assertTrue(any(reaches) and not all(reaches), values)
        covered = [any(region["from_mm"] - .01 <= point["position_mm"] <= region["to_mm"] + .01
                       for region in series["suspicious"]) for point in profile]
        self.assertEqual(covered, reaches)
        best = series["suspicious"][0]
        self.assertAlmostEqual(best["probability"], max(values), places=12)
        self.assertEqual(best["peak_result"], int(np.argmax(values)))
        self.assertEqual(best["peak_mm"], profile[int(np.argmax(values))]["position_mm"])

    def test_the_summary_alone_leaves_the_slices_out(self):
        body = sample_images.zipped(enumerate_names(self.files) + [("a.png", sample_images.encode(sample_images.chest(), "png"))])
        answer = self.predict(body, path="/v1/predict?detail=summary")
        self.assertEqual([result["name"] for result in answer["results"]], ["a.png"])
        self.assertEqual(len(answer["summary"]["series"][0]["profile"]), 12)
        self.assertEqual(self.server.post(body, ZIP, "/v1/predict?detail=all").code(), "bad_parameter")

    def test_several_series_and_pictures_in_one_form_are_told_apart(self):
        other = sample_images.series([sample_images.chest()] * 3, spacing_mm=1.0)
        parts = [("first.zip", ZIP, sample_images.zipped(enumerate_names(self.files[:4]))),
                 ("alone.png", "image/png", sample_images.encode(sample_images.chest(), "png")),
                 *[(f"other-{i}.dcm", "application/dicom", data) for i, data in enumerate(other)]]
        answer = self.predict(*reversed(multipart(parts)))
        self.assertEqual([result.get("series") for result in answer["results"]], [0] * 4 + [None] + [1] * 3)
        self.assertEqual([series["slices"] for series in answer["summary"]["series"]], [4, 3])
        self.assertEqual([series["spacing_mm"] for series in answer["summary"]["series"]], [2.5, 1.0])

    def test_slices_that_are_of_no_use_are_refused_one_by_one_with_their_reason(self):
        uid = "1.2.3.4"
        pictures = [sample_images.body_without_lungs()] + [sample_images.chest()] * 3
        good = sample_images.series(pictures, uid=uid)
        lone = {"SeriesInstanceUID": uid, "InstanceNumber": 9, "ImagePositionPatient": [0, 0, 0]}
        files = enumerate_names(good) + [
            ("mr.dcm", sample_images.dicom(sample_images.chest(), modality="MR", **lone)),
            ("scout.dcm", sample_images.dicom(sample_images.chest(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **lone)),
            ("coronal.dcm", sample_images.dicom(sample_images.chest(), ImageOrientationPatient=[1, 0, 0, 0, 0, -1])),
            ("cut.dcm", good[1][:4000]),
            ("notes.txt", b"no picture"), ("data.bin", b"\1\2\3" * 99), ("empty", b"")]
        answer = self.predict(sample_images.zipped(files))
        codes = {result["name"]: result["error"]["code"] for result in answer["results"] if "error" in result}
        self.assertEqual(codes, {"0.dcm": "no_lung", "mr.dcm": "wrong_modality", "scout.dcm": "localizer",
                                 "coronal.dcm": "not_axial", "cut.dcm": "truncated_dicom"})
        self.assertEqual(answer["summary"]["skipped"], 3)
        (series,) = answer["summary"]["series"]
        self.assertEqual((series["slices"], series["predicted"], series["refused"]), (4, 3, 1))
        self.assertIsNone(series["profile"][0]["probability"])
        self.assertIsNotNone(series["profile"][0]["position_mm"])

    def test_slices_without_a_position_stand_by_their_numbers(self):
        uid = "1.2.3.5"
        files = [sample_images.dicom(sample_images.chest(), SeriesInstanceUID=uid, InstanceNumber=number) for number in (3, 1, 2)]
        answer = self.predict(sample_images.zipped(enumerate_names(files)))
        self.assertEqual([result["name"] for result in answer["results"]], ["1.dcm", "2.dcm", "0.dcm"])
        (series,) = answer["summary"]["series"]
        self.assertIsNone(series["spacing_mm"])
        self.assertTrue(any("no position" in warning for warning in series["warnings"]))

    def test_a_series_larger_than_the_queue_is_answered(self):
        server = Server("limits.files=4", "batch.queue=4", "batch.per_request=4")
        try:
            files = sample_images.series([sample_images.chest()] * 40)
            answer = server.post(sample_images.zipped(enumerate_names(files)), ZIP).json()
            self.assertEqual(answer["summary"]["series"][0]["predicted"], 40)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_nested_zips_are_refused(self):
        inner = sample_images.zipped(enumerate_names(self.files[:2]))
        for name in ("inner.zip", "slice.dcm"):
            outer = sample_images.zipped([("a.dcm", self.files[0]), (name, inner)])
            self.assertEqual(self.refused(outer), (422, "nested_zip"))

    def test_bombs_are_refused_before_they_are_unpacked(self):
        bomb = sample_images.zipped([("a.dcm", self.files[0]), ("big.dcm", b"\0" * 60_000_000)])
        many = sample_images.zipped([(f"{i}.dcm", b"\0" * 900_000) for i in range(60)])
        large = sample_images.zipped([("huge.png", b"\0" * 70_000_000)])
        crowd = sample_images.zipped([(str(i), b"") for i in range(5000)])
        before = self.server.memory_kib()
        for body in (bomb, many, large, crowd):
            self.assertEqual(self.refused(body), (422, "zip_bomb"))
        self.assertLess(self.server.memory_kib() - before, 20_000)

    def test_an_entry_that_holds_more_than_it_declares_costs_itself_alone(self):
        body = bytearray(sample_images.zipped(enumerate_names(self.files[:3])))
        size = len(self.files[1])
        lie, at = struct.pack("<I", 1000), 0
        with zipfile.ZipFile(io.BytesIO(bytes(body))) as archive:
            at = archive.getinfo("1.dcm").header_offset
        body[at + 22:at + 26] = lie
        directory = bytes(body).rindex(b"1.dcm") - 46
        self.assertEqual(struct.unpack("<I", body[directory + 24:directory + 28])[0], size)
        body[directory + 24:directory + 28] = lie
        answer = self.predict(bytes(body))
        errors = {result["name"]: result["error"]["code"] for result in answer["results"] if "error" in result}
        self.assertEqual(set(errors), {"1.dcm"})
        self.assertIn(errors["1.dcm"], {"zip_bomb", "corrupt_zip"})

    def test_encrypted_zips_are_refused(self):
        body = bytearray(sample_images.zipped(enumerate_names(self.files[:1])))
        body[6] |= 1  # the flag of the local header, and of the directory
        body[bytes(body).index(b"PK\1\2") + 8] |= 1
        self.assertEqual(self.refused(bytes(body)), (422, "encrypted_zip"))

    def test_damaged_and_empty_zips_are_refused(self):
        whole = sample_images.zipped(enumerate_names(self.files[:3]))
        self.assertEqual(self.refused(whole[: len(whole) // 2]), (422, "corrupt_zip"))
        self.assertEqual(self.refused(b"PK\3\4"), (422, "corrupt_zip"))
        self.assertEqual(self.refused(b"no zip at all"), (422, "corrupt_zip"))
        self.assertEqual(self.refused(sample_images.zipped([])), (422, "no_picture"))
        self.assertEqual(self.refused(sample_images.zipped([("readme.txt", b"hello")])), (422, "no_picture"))

    def test_a_bad_zip_in_a_form_costs_itself_alone(self):
        parts = [("bad.zip", ZIP, b"PK\3\4 broken"), ("good.dcm", "application/dicom", self.files[0])]
        bad, good = self.predict(*reversed(multipart(parts)))["results"]
        self.assertEqual((bad["name"], bad["error"]["code"]), ("bad.zip", "corrupt_zip"))
        self.assertIn("class", good)

    def test_too_many_slices_are_413(self):
        server = Server("limits.slices=5")
        try:
            reply = server.post(sample_images.zipped(enumerate_names(self.files[:6])), ZIP)
            self.assertEqual((reply.status, reply.code()), (413, "too_many_slices"))
        finally:
            server.stop()

    def test_odd_names_in_zips_come_back_harmless(self):
        odd = "../../etc/" + "x" * 300 + "\x07.dcm"
        (result,) = self.predict(sample_images.zipped([(odd, self.files[0])]))["results"]
        self.assertLessEqual(len(result["name"].encode()), 255)
        self.assertTrue(result["name"].endswith(".dcm") and "xxx" in result["name"])
        self.assertTrue(result["name"].isprintable())


def enumerate_names(files):
    return [(f"{i}.dcm", data) for i, data in enumerate(files)]


if __name__ == "__main__":
    unittest.main(verbosity=2)
