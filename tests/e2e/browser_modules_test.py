"""The page's own modules, run in Chromium from the real server, against pydicom, zipfile, zlib and NumPy."""

import base64
import io
import json
import unittest
import urllib.request
import zipfile
import zlib

import numpy as np
import pydicom
import pydicom.uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from page_driver import PageTest, chest, dicom


class ModulesTest(PageTest):
    """The page's policy forbids code made of text; the tests' own steps come in by the debugger's door."""

    def run_in(self, module, body, *inputs):
        """The value of a function body with `m` (the module), `inputs` and `bytes`."""
        texts = [base64.b64encode(one).decode() if isinstance(one, bytes) else one for one in inputs]
        code = (f"(async () => {{ const m = await import('/page/{module}.js'); const inputs = {json.dumps(texts)};"
                "const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));" + body + "})()")
        reply = self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": code, "awaitPromise": True,
                                                                  "returnByValue": True})
        if "exceptionDetails" in reply:
            return {"thrown": reply["exceptionDetails"]["exception"].get("className")}
        return reply["result"].get("value")

    def decoded(self, data):
        slice_ = self.run_in("dicom", "const { values, ...rest } = m.readSlice(bytes(inputs[0]));"
                             "return { ...rest, values: [...values] };", data)
        if "values" in slice_:
            slice_["values"] = np.array(slice_["values"]).reshape(slice_["rows"], slice_["columns"])
        return slice_

    def variant(self, implicit=False, signed=True, inverted=False, stored=16, slope=1.0, padding=None, nested=False):
        """(bytes, Hounsfield units by pydicom and NumPy)."""
        dataset = pydicom.dcmread(io.BytesIO(dicom(chest(48, nodule=True))))
        rng = np.random.default_rng(7)
        low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1)) if signed else (0, 2 ** stored)
        pixels = rng.integers(low, high, (40, 56))
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored, stored - 1, int(signed)
        dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, -1024
        dataset.WindowCenter, dataset.WindowWidth = [-600, 40], [1500, 400]
        if padding is not None:
            dataset.add_new(0x00280120, "SS" if signed else "US", padding)
            pixels[:5] = padding
        if nested:
            inner = Dataset()
            inner.Rows = 9  # a trap: not that of the picture
            inner.ReferencedSOPInstanceUID = "1.2.3"
            outer = Dataset()
            outer.SourceImageSequence = Sequence([inner])
            dataset.ReferencedImageSequence = Sequence([outer, inner])
            dataset["ReferencedImageSequence"].is_undefined_length = True
            for item in dataset.ReferencedImageSequence:
                item.is_undefined_length_sequence_item = True
        dataset.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
        dataset.is_implicit_VR = implicit
        dataset.file_meta.TransferSyntaxUID = (pydicom.uid.ImplicitVRLittleEndian if implicit
                                               else pydicom.uid.ExplicitVRLittleEndian)
        stream = io.BytesIO()
        dataset.save_as(stream, write_like_original=False)
        raw = pydicom.dcmread(io.BytesIO(stream.getvalue())).pixel_array.astype(np.float64)
        expected = raw * slope - 1024
        if padding is not None:
            expected = np.where(raw == padding, np.minimum(expected, -1000), expected)
        return stream.getvalue(), expected

    def test_ct_slices_are_decoded_as_pydicom_does(self):
        cases = ({}, {"implicit": True}, {"signed": False, "stored": 12}, {"stored": 12, "slope": 0.5},
                 {"inverted": True}, {"inverted": True, "signed": False, "stored": 12}, {"padding": -2000},
                 {"signed": False, "padding": 65000}, {"nested": True}, {"nested": True, "implicit": True})
        for case in cases:
            with self.subTest(case):
                data, expected = self.variant(**case)
                slice_ = self.decoded(data)
                np.testing.assert_allclose(slice_["values"], expected, rtol=1e-6)
                self.assertEqual(slice_["window"], {"level": -600, "width": 1500})

    def test_what_only_the_server_can_decode_is_left_to_it(self):
        data, _ = self.variant()
        for broken in (b"", b"Dear doctor" * 40, data[:-10], data[:300], data.replace(b"MONOCHROME2", b"PALETTE COL")):
            self.assertEqual(self.decoded(broken), {"thrown": "NotShown"})
        for syntax in (pydicom.uid.JPEG2000Lossless, pydicom.uid.ExplicitVRBigEndian):
            packed = data.replace(b"1.2.840.10008.1.2.1\0", str(syntax).encode()[:20].ljust(20, b"\0"), 1)
            self.assertEqual(self.decoded(packed), {"thrown": "NotShown"})

    def test_series_and_place_are_read_from_the_header_alone(self):
        dataset = pydicom.dcmread(io.BytesIO(dicom(chest(48))))
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [10, -20, 30.5], [1, 0, 0, 0, 0.6, 0.8]
        stream = io.BytesIO()
        dataset.save_as(stream, write_like_original=False)
        got = self.run_in("dicom", "const h = m.readHeader(bytes(inputs[0]).subarray(0, 1200));"
                          "return [h.series, m.alongNormal(h)];", stream.getvalue())
        self.assertEqual(got[0], dataset.SeriesInstanceUID)
        normal = np.cross([1, 0, 0], [0, 0.6, 0.8])
        self.assertAlmostEqual(got[1], float(normal @ [10, -20, 30.5]), places=9)

    def test_the_edges_of_a_picture_are_named_as_numpy_does(self):
        def sides(direction):
            order = sorted(range(3), key=lambda axis: -abs(direction[axis]))
            seen = [axis for axis in order if axis == order[0] or abs(direction[axis]) > 0.5]
            return "".join(("LPH" if direction[axis] > 0 else "RAF")[axis] for axis in seen)

        def turn(axis, degrees):
            a, b = [i for i in range(3) if i != axis]
            matrix, angle = np.eye(3), np.radians(degrees)
            matrix[a, a] = matrix[b, b] = np.cos(angle)
            matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
            return matrix

        for degrees in (0, 12, 29, 31, 44, 58, 90, 135, 180, 270):
            for axis in range(3):
                for mirror in (1, -1):
                    row, column = (turn(axis, degrees) @ np.diag([mirror, 1, 1]))[:, :2].T
                    edges, turned = self.run_in("orientation", "return [m.edgesOf(inputs[0]), m.isTurned(inputs[0])];",
                                                [*row, *column])
                    with self.subTest(degrees=degrees, axis=axis, mirror=mirror):
                        self.assertEqual(edges, {"left": sides(-row), "right": sides(row), "top": sides(-column),
                                                 "bottom": sides(column)})
                        off = np.degrees(np.arccos(np.clip([row[0], column[1]], -1, 1)))
                        self.assertEqual(turned, bool((off > 30).any()))
        self.assertEqual(self.run_in("orientation", "return inputs.map((one) => [m.edgesOf(one), m.isTurned(one)]);",
                                     None, [1, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0]), [[None, False]] * 3)

    def test_the_orientation_of_a_slice_is_that_of_its_file(self):
        for cosines in ([0, 1, 0, -1, 0, 0], [0.96, 0.28, 0, -0.28, 0.96, 0]):
            data = dicom(chest(48), ImageOrientationPatient=cosines)
            self.assertEqual(self.decoded(data)["orientation"], list(pydicom.dcmread(io.BytesIO(data)).ImageOrientationPatient))
        self.assertNotIn("orientation", self.decoded(dicom(chest(48))))

    def test_every_cut_of_a_file_ends_in_an_answer(self):
        data, _ = self.variant(nested=True)
        got = self.run_in("dicom", "const all = bytes(inputs[0]); let n = 0;"
                          "for (let i = 0; i < 1500; ++i) { try { m.readSlice(all.subarray(0, i)); } catch (e) {"
                          " if (!(e instanceof m.NotShown)) throw e; ++n; } } return n;", data)
        self.assertEqual(got, 1500)

    def test_archives_are_read_as_zipfile_writes_them(self):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a/stored.bin", b"abc" * 100)
            archive.writestr("a/", b"")
            archive.writestr("Lücke.dcm", bytes(range(256)) * 300, zipfile.ZIP_DEFLATED)
            archive.comment = b"a comment"
        got = self.run_in("zip", """
          const archive = new Blob([bytes(inputs[0])]);
          return Promise.all((await m.listZip(archive)).map(async (entry) =>
            [entry.name, entry.size, m.crc32(await m.readEntry(archive, entry))]));""", stream.getvalue())
        self.assertEqual(got, [["a/stored.bin", 300, zlib.crc32(b"abc" * 100)],
                               ["Lücke.dcm", 76800, zlib.crc32(bytes(range(256)) * 300)]])

    def test_names_in_archives_are_read_as_the_server_reads_them(self):
        """Names of letters beyond ASCII: flagged as UTF-8, not flagged, of code page 437, in Info-ZIP's extra field."""
        def path_field(raw, path):
            content = b"\1" + zlib.crc32(raw).to_bytes(4, "little") + path
            return b"\x55\x54\2\0ab" + (0x7075).to_bytes(2, "little") + len(content).to_bytes(2, "little") + content

        high = bytes(range(128, 256))
        cases = {"flagged": (0x800, "Lücke.dcm".encode(), b""), "not flagged": (0, "Lücke.dcm".encode(), b""),
                 "437": (0, b"L\x81cke.dcm", b""), "437, one half": (0, high[:64], b""),
                 "437, other half": (0, high[64:], b""),
                 "field": (0, b"L\x81cke.dcm", path_field(b"L\x81cke.dcm", "Ł.dcm".encode())),
                 "field of another": (0, b"L\x81cke.dcm", path_field(b"other.dcm", "Ł.dcm".encode())),
                 "cut field": (0, b"a.dcm", b"\x75\x70\xff\0\1")}
        names = self.run_in("zip", "return inputs[0].map(([flags, ...both]) =>"
                            "m.decodeName(flags, ...both.map((part) => Uint8Array.from(part))));",
                            [[flags, list(name), list(extra)] for flags, name, extra in cases.values()])
        self.assertEqual(dict(zip(cases, names)), {
            "flagged": "Lücke.dcm", "not flagged": "Lücke.dcm", "437": "Lücke.dcm",
            "437, one half": high[:64].decode("cp437"), "437, other half": high[64:].decode("cp437"), "field": "Ł.dcm", "field of another": "Lücke.dcm", "cut field": "a.dcm"})
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for number, (case, (_, name, extra)) in enumerate(cases.items()):
                info = zipfile.ZipInfo(f"{number:02}".ljust(len(name), "-"))
                info.extra = extra if case != "cut field" else b""  # zipfile does not write the cut one
                archive.writestr(info, self.png)
        data = stream.getvalue()
        for number, (_, name, _) in enumerate(cases.values()):
            data = data.replace(f"{number:02}".ljust(len(name), "-").encode(), name)
        listed = self.run_in("zip", "return (await m.listZip(new Blob([bytes(inputs[0])]))).map(({ name }) => name);", data)
        request = urllib.request.Request(self.server.address + "/v1/predict", data, {"Content-Type": "application/zip"})
        told = [result["name"] for result in json.load(urllib.request.urlopen(request))["results"]]
        self.assertEqual(listed, names)
        self.assertEqual(listed, told)

    def test_an_archive_that_lies_about_its_sizes_is_not_believed(self):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb", b"\0" * 100_000)
        data = bytearray(stream.getvalue())
        at = data.index(b"PK\x01\x02")
        data[at + 24:at + 28] = (1000).to_bytes(4, "little")
        read = ("const archive = new Blob([bytes(inputs[0])]); const [entry] = await m.listZip(archive);"
                "return (await m.readEntry(archive, entry)).length;")
        self.assertEqual(self.run_in("zip", read, bytes(data)), {"thrown": "NotRead"})
        self.assertEqual(self.run_in("zip", read, b"PK\x03\x04" + b"\0" * 100), {"thrown": "NotRead"})

    def test_zipfile_reads_the_archives_that_the_page_makes(self):
        files = {"scan/001.dcm": dicom(chest(64)), "Lücke.png": b"\x89PNG" * 50, "empty": b""}
        got = self.run_in("zip", """
          const files = inputs.slice(1).map((text, i) => ({ name: inputs[0][i], blob: new Blob([bytes(text)]) }));
          const archive = new Uint8Array(await (await m.makeZip(files)).arrayBuffer());
          return btoa(archive.reduce((text, byte) => text + String.fromCharCode(byte), ""));""",
                          list(files), *files.values())
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(got))) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual({name: archive.read(name) for name in archive.namelist()}, files)

    def test_windows_shade_as_numpy_does(self):
        values = np.linspace(-1500, 1500, 601)
        for level, width in ((-300, 1400), (40, 400), (127.5, 255)):
            got = self.run_in("picture", "const [values, level, width] = inputs;"
                              "return [...m.shades(Float32Array.from(values), { level, width })]"
                              ".filter((_, i) => i % 4 === 0);", list(values), level, width)
            expected = np.clip((values - (level - width / 2)) / width, 0, 1) * 255
            self.assertLessEqual(np.abs(np.array(got) - expected).max(), 0.51)

    def test_zoom_keeps_the_pixel_under_the_pointer(self):
        got = self.run_in("view", """
          const picture = { rows: 512, columns: 300 }, frame = { width: 640, height: 480 }, point = { x: 400, y: 200 };
          let view = m.kWholeView; const before = m.pixelAt(view, picture, frame, point);
          view = m.zoomed(view, picture, frame, 4, point); view = m.moved(view, picture, frame, 7, -5);
          return [before, m.pixelAt(view, picture, frame, { x: 407, y: 195 }), m.zoomed(view, picture, frame, 1e-9),
                  m.zoomed(view, picture, frame, 1e9).zoom];""")
        for name in ("row", "column"):
            self.assertAlmostEqual(got[0][name], got[1][name], places=6)
        self.assertEqual(got[2], {"zoom": 1, "x": 0.5, "y": 0.5})
        self.assertEqual(got[3], 16)

    def test_the_overlay_lies_where_the_model_looked(self):
        # The square of core/image/preprocess.cpp: the longer side, or the crop, about the middle.
        got = self.run_in("view", "return inputs.map(([rows, columns, crop]) => m.sourceSquare({ rows, columns }, crop));",
                          [512, 300, 0], [512, 512, 128], [64, 65, 80])
        self.assertEqual(got, [{"left": -106, "top": 0, "side": 512}, {"left": 192, "top": 192, "side": 128},
                               {"left": -8, "top": -8, "side": 80}])

    def test_remarks_name_what_calls_for_caution(self):
        base = {"kind": "hounsfield", "class": "malignant", "probabilities": {"normal": 0.57, "malignant": 0.43},
                "threshold": 0.41, "lung_fraction": 0.2, "warnings": ["the lungs are small"],
                "input": {"lung_fraction": 0.02, "mean_intensity": 0.1}}
        body = ("const [result, model, explanation] = inputs;"
                "const list = m.remarks({ result, subject: 'malignant', model, explanation });"
                "return [list.map(({ tone, text }) => `${tone}: ${text}`), m.inShort(list).text];")
        model = {"temperature": 1.5, "metrics": {"test": {"sample": {"ece": 0.031}}}}
        remarks, short = self.run_in("certainty", body, base, model, {"inside_lungs": 0.2})
        self.assertEqual(remarks, ["caution: The lungs are small.", "caution: Looks elsewhere",
                                   "note: Near the operating point", "good: Calibrated"])
        self.assertEqual(short, "2 reasons for caution")
        calm = {**base, "probabilities": {"normal": 0.01, "malignant": 0.99}, "warnings": []}
        remarks, short = self.run_in("certainty", body, calm, model, {"inside_lungs": 0.9})
        self.assertEqual([one.split(":")[0] for one in remarks], ["good"] * 3)
        self.assertEqual(short, "Nothing unusual seen")
        for inside in (0.2, 1.0):  # to a model that looks for no lungs the whole picture is lung
            of_all = {**model, "preprocess": {"mask": "none"}}
            remarks, _ = self.run_in("certainty", body, calm, of_all, {"inside_lungs": inside})
            self.assertEqual(remarks, ["good: Clear of the operating point", "good: Calibrated"])

    def test_a_slice_that_is_stored_turned_calls_for_caution(self):
        result = {"kind": "hounsfield", "probabilities": {"malignant": 0.9}, "threshold": 0.4}
        body = ("const [result, ...all] = inputs; return all.map((orientation) =>"
                "m.remarks({ result, subject: 'malignant', orientation }).map(({ tone, text }) => `${tone}: ${text}`));")
        usual, turned, mirrored, unknown = self.run_in("certainty", body, result, [1, 0, 0, 0, 1, 0], [0, 1, 0, -1, 0, 0],
                                                       [-1, 0, 0, 0, 1, 0], None)
        said = ("caution: This slice is stored turned or mirrored against the usual view; the model was trained on slices "
                "as they are usually stored.")
        self.assertEqual([said in one for one in (usual, turned, mirrored, unknown)], [False, True, True, False])

    def test_files_that_were_not_looked_at_and_warnings_of_a_series_are_told(self):
        got = self.run_in("findings", "return inputs.map(([answer, summary]) => m.cautionsOf(answer, summary));",
                          [{}, None], [{"summary": {"skipped": 0}}, None], [{"summary": {"skipped": 1}}, None],
                          [{"summary": {"skipped": 3}}, {"warnings": ["slices are missing"]}])
        self.assertEqual(got, [[], [], ["1 file was not looked at: neither DICOM nor PNG nor JPEG."],
                               ["3 files were not looked at: neither DICOM nor PNG nor JPEG.", "Slices are missing."]])

    def test_remarks_tell_what_the_model_outlines(self):
        result = {"kind": "hounsfield", "probabilities": {"malignant": 0.9}, "threshold": 0.4}
        body = ("const [result, nodules] = inputs; return nodules.map((nodule) => m.remarks({ result, subject: 'malignant',"
                "explanation: { inside_lungs: 0.9, rows: 64, columns: 32, nodule } }).find(({ tone }) => tone === 'note'));")
        one, none, nothing = self.run_in("certainty", body, result, [
            {"area_px": 512, "largest_probability": 0.875}, {"area_px": 0, "largest_probability": 0.25}, None])
        self.assertEqual((one["text"], one["why"]), ("Outlines a nodule",
                         "Its outline holds 25.0 % of what the model sees; the surest pixel has a probability of 87.5 %."))
        self.assertEqual((none["text"], none["why"]), ("Outlines no nodule",
                         "No pixel reaches 50 %: the surest pixel has a probability of 25.0 %."))
        self.assertIsNone(nothing)

    def test_saved_answers_hold_figures_but_no_pictures(self):
        picture = "data:image/png;base64,AA=="
        nodule = {"outline": picture, "area_px": 3, "largest_probability": 0.75}
        explanation = {"method": "occlusion", "picture": picture, "lungs": picture, "heat": picture, "inside_lungs": 0.5}
        body = ("return m.answersOf(inputs.map((explanation) => ({ title: 't', answer: { results: [{ explanation }] } })))"
                ".map(({ answer }) => answer.results[0].explanation);")
        plain, outlined = self.run_in("report", body, explanation, {**explanation, "nodule": nodule})
        self.assertEqual(plain, {"method": "occlusion", "inside_lungs": 0.5})
        self.assertEqual(outlined, {**plain, "nodule": {"area_px": 3, "largest_probability": 0.75}})

    def test_waits_grow_and_follow_the_server(self):
        got = self.run_in("api", "return inputs.map(([told, tries]) => m.backoff(told, tries));",
                          ["1", 1], ["3", 2], [None, 3], ["Wed, 21 Oct", 1], ["500", 1], ["0", 1])
        self.assertEqual(got, [1, 6, 3, 1, 60, 1])
        got = self.run_in("predict", "return inputs.map(m.patience);", *range(1, 10))
        self.assertEqual(got, [1, 2, 4, 8, 16, 32, 60, 60, 60])

    def test_every_refusal_of_a_slice_or_an_upload_has_its_sentence(self):
        document = json.load(urllib.request.urlopen(self.server.address + "/openapi.json"))
        codes = document["components"]["schemas"]["ErrorCode"]["enum"]
        machines = {"malformed_request", "malformed_multipart", "bad_parameter", "not_found", "method_not_allowed",
                    "length_required", "field_too_large", "target_too_long", "expectation_failed", "headers_too_large",
                    "unknown_method", "http_version", "internal", "forbidden", "cross_site", "load_failed", "plain_http"}  # what a program gets wrong, never a person at this page
        got = self.run_in("words", "return inputs[0].filter((code) => m.sentence(code) === m.sentence('?'));", codes)
        self.assertEqual(set(got) - machines, set())

    def test_an_answer_is_sorted_into_its_series(self):
        answer = {"results": [{"name": "c"}, {"name": "a"}, {"name": "loose"}, {"name": "b"}],
                  "summary": {"series": [{"profile": [{"result": 1, "position_mm": 1, "probability": 0.1},
                                                      {"result": 3, "position_mm": 2, "probability": None},
                                                      {"result": 0, "position_mm": 3, "probability": 0.3}]}]}}
        got = self.run_in("study", """
          const stacks = m.stacksOf(["a", "b", "c", "loose"].map((name) => ({ name })), inputs[0]);
          return stacks.map(({ label, entries }) =>
            [label, entries.map(({ slice, index, probability }) => [slice.name, index, probability ?? null])]);""", answer)
        self.assertEqual(got, [["Series", [["a", 1, 0.1], ["b", 3, None], ["c", 0, 0.3]]],
                               ["Other pictures", [["loose", 2, None]]]])
        got = self.run_in("study", """
          const answer = { results: [{ name: inputs[0].slice(-255) }, { name: "b" }] };
          return m.stacksOf([inputs[0], "\\tb"].map((name) => ({ name })), answer)[0].entries.map(({ slice }) => slice?.name);""",
                          "folder/" * 60 + "a.dcm")  # names as the server tells them: the end of long ones, no control characters
        self.assertEqual(got, ["folder/" * 60 + "a.dcm", "\tb"])
        self.assertEqual(self.run_in("study", "return m.differentNames(['a', 'b', 'a', 'a']);"),
                         ["a", "b", "2-a", "3-a"])

    def test_of_a_dropped_folder_all_is_taken_that_can_be_read_and_the_rest_is_counted(self):
        got = self.run_in("upload", """
          const file = (name) => ({ isFile: true, name, file: (resolve) => resolve({ name }) });
          const broken = { isFile: true, name: "broken.dcm", file: (_, reject) => reject(new Error("no")) };
          const folder = (name, batches) => ({ name, createReader: () => ({ readEntries: (resolve, reject) => {
            const next = batches.shift() ?? [];
            if (next === "locked") reject(new Error("no")); else resolve(next);
          } }) });
          const drop = (...entries) => m.filesOfDrop({ files: [], items: entries.map((entry) =>
            ({ kind: "file", webkitGetAsEntry: () => entry })) });
          const some = await drop(folder("scan", [[file("2.dcm"), broken], [file("1.dcm"), file(".DS_Store")],
            [folder("locked", ["locked"])]]), file("10.png"));
          const many = await drop(folder("scan", [[...Array(4098).keys()].map((i) => file(`${i}.dcm`))]));
          return [some.files.map(({ name }) => name), m.missing(some), many.files.length, m.missing(many),
            m.missing({ unread: 1, left: 1 }), m.missing({ unread: 0, left: 0 })];""")
        self.assertEqual(got, [["10.png", "scan/1.dcm", "scan/2.dcm"], ["2 files or folders could not be read."], 4096,
                               ["2 files left out: no more than 4096 are taken at a time."],
                               ["1 file or folder could not be read.",
                                "1 file left out: no more than 4096 are taken at a time."], []])

    def test_a_slice_is_explained_with_those_that_the_server_judged_it_with(self):
        got = self.run_in("sources", """
          const entry = (index, judged_with, slice = {}) => ({ index, slice, result: { judged_with } });
          const stack = { entries: [entry(4, [4, 2]), entry(2, [4, 2]), entry(7), entry(9, [9, 8]), entry(8, [9, 8], null),
            entry(5, [5, 99])] };
          return stack.entries.map((one) => m.judgedWith(one, stack)?.map(({ index }) => index) ?? null);""")
        self.assertEqual(got, [[4, 2], [4, 2], [7], None, None, None])

    def test_a_picker_says_how_many_files_it_leaves_out(self):
        got = self.run_in("upload", """
          const found = m.filesOfPicker({ files: [...Array(4100).keys()].map((i) => ({ name: `${i}.png` })) });
          return [found.files.length, found.unread, found.left];""")
        self.assertEqual(got, [4096, 0, 4])


if __name__ == "__main__":
    unittest.main(verbosity=2)
