"""Images from archives and forms, and tables in archives, TSV and decimal commas: from upload to prediction."""

import base64
import bz2
import json
import random
import tarfile
import unittest

from common import ApiTest, gz
from image_files import SHAPES, jpeg_lying, jpegs, lying, png, png_head, png_lying, shapes, tarred, zipped


def files_of(pictures, top="", end=".png", encode=None):
    """(name, bytes) in class folders."""
    made = encode(pictures) if encode else [png(*one[1:]) for one in pictures]
    return [(f"{top}{SHAPES[one[0]]}/{i}{end}", content)
            for i, (one, content) in enumerate(zip(pictures, made))]


def as_jpegs(pictures):
    return jpegs([one[1:] for one in pictures])


class ImageUpload(ApiTest):
    def images(self, content, name="data.zip", **more):
        answer = self.api.upload("/api/v1/datasets", [("file", name, content)], **more)
        self.assertIn(answer.status, (201, 202), answer)
        made = self.api.wait_dataset(answer.json["id"])
        self.assertEqual((made["state"], made["kind"]), ("ready", "images"), made)
        return made

    def test_archives_give_the_same(self):
        files = files_of(shapes(30), top="all/")
        found = set()
        for name, content in (("a.zip", zipped(files)), ("a.tar", tarred(files, "w:")),
                              ("a.tgz", tarred(files)), ("a.tar.xz", tarred(files, "w:xz"))):
            with self.subTest(name):
                made = self.images(content, name)
                found.add(made["sha256"])
                self.assertEqual([(c["name"], c["count"]) for c in made["classes"]],
                                 [(name, 10) for name in sorted(SHAPES)])
                self.assertEqual(made["channels"], 3)
                self.assertRegex(" ".join(made["warnings"]), r"resized from \d+×\d+…\d+×\d+ to \d+×\d+")
        self.assertEqual(len(found), 1)

    def test_photos_are_turned(self):
        pictures = shapes(30)
        upright = self.images(zipped(files_of(pictures)))
        side = self.images(zipped(files_of(pictures, encode=lambda all: [png_lying(*one[1:]) for one in all])))
        self.assertEqual(side["sha256"], upright["sha256"])
        self.assertEqual((side["height"], side["width"]), (upright["height"], upright["width"]))
        made = self.images(zipped(files_of(shapes(30, sizes=(40, 44)), end=".jpg", encode=lambda all: [
            jpeg_lying(content) for content in jpegs([(*lying(*one[1:]), one[4]) for one in all])])))
        straight = self.images(zipped(files_of(shapes(30, sizes=(40, 44)), end=".jpg", encode=as_jpegs)))
        self.assertEqual((made["height"], made["width"]), (straight["height"], straight["width"]))

    def test_litter_and_others_are_passed_over(self):
        files = files_of(shapes(12, sizes=(16, 16), channels=(1,)))
        more = [("__MACOSX/bar/._0.png", b"x"), (".DS_Store", b"x"), ("bar/Thumbs.db", b"x"),
                ("bar/.hidden.png", b"x"), ("README.md", b"about")]
        made = self.images(zipped(files + more))
        self.assertEqual((made["rows"], made["height"], made["width"], made["channels"]), (12, 16, 16, 1))
        self.assertEqual(len(made["warnings"]), 1, made["warnings"])
        self.assertIn("README.md", made["warnings"][0])

    def test_one_bad_among_many_is_named(self):
        files = files_of(shapes(30))
        for name, content, reason in (
                ("bar/torn.png", files[0][1][:80], "PNG can't be read"),
                ("bar/text.png", b"just text", "neither a PNG nor a JPEG"),
                ("bar/empty.jpg", b"", "empty"),
                ("bar/old.gif", b"GIF89a" + bytes(50), "neither a PNG nor a JPEG"),
                ("bar/huge.png", png_head(2 ** 16 - 1, 2 ** 15), "at most"),
                ("bar/lies.png", png_head(2 ** 31 - 1, 2 ** 31 - 1), "can't be read"),
                ("loose.png", files[1][1], "no class folder")):
            with self.subTest(name):
                made = self.images(zipped(files + [(name, content)]))
                self.assertEqual(made["rows"], 30)
                self.assertIn(name, made["warnings"][0])
                self.assertIn(reason, made["warnings"][0])

    def test_many_bad_are_counted(self):
        files = files_of(shapes(60)) + [(f"bar/x{i}.png", b"no") for i in range(50)]
        made = self.images(zipped(files))
        self.assertEqual(made["rows"], 60)
        self.assertEqual(sum("left out:" in text for text in made["warnings"]), 20)
        self.assertIn("and 30 more images were left out", made["warnings"])

    def test_a_name_may_lie_about_the_format(self):
        pictures = shapes(12)
        files = files_of(pictures, end=".jpg") + files_of(pictures, top="", end=".png", encode=as_jpegs)
        self.assertEqual(self.images(zipped(files))["rows"], 24)

    def test_refused(self):
        good = files_of(shapes(30))
        link = tarfile.TarInfo("bar/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        hard = tarfile.TarInfo("bar/hard.png")
        hard.type, hard.linkname = tarfile.LNKTYPE, good[0][0]
        device = tarfile.TarInfo("bar/dev.png")
        device.type = tarfile.CHRTYPE
        locked = bytearray(zipped(good))
        # The flag of an encrypted entry, in the first local header and in the directory at the end.
        locked[6] |= 1
        locked[locked.find(b"PK\1\2") + 8] |= 1
        cases = [
            ("symbolic link", tarred(good, more=[link]), "bar/link.png"),
            ("hard link", tarred(good, more=[hard]), "bar/hard.png"),
            ("device", tarred(good, more=[device]), "bar/dev.png"),
            ("above", tarred(good + [("../x.png", b"x")]), "../x.png"),
            ("above in the middle", zipped(good + [("bar/../../x.png", b"x")]), "points outside"),
            ("absolute", zipped(good + [("/etc/x.png", b"x")]), "/etc/x.png"),
            ("drive", zipped(good + [("C:/x.png", b"x")]), "C:/x.png"),
            ("nested", zipped(good + [("bar/more.zip", zipped(good))]), "bar/more.zip"),
            ("encrypted", bytes(locked), "without a password"),
            ("torn zip", zipped(good)[:-900], "not whole"),
            ("torn tar", tarred(good)[:-400], "not whole"),
            ("bomb", zipped([("x.csv", bytes(90_000_000))]), "times its size"),
            ("bomb beside", tarred([("x.bin", bytes(90_000_000))] + good[:2]), "times its size"),
            ("twice", gz(bz2.compress(b"a,b\n1,2\n")), "compressed twice"),
            ("idx alone", gz(b"\0\0\x08\x01\0\0\0\1\1"), "send both"),
            ("nothing", zipped([]), "empty"),
            ("no images", zipped([("a.md", b"x")]), "a.md"),
            ("tables", zipped([("a.csv", b"a\n1\n"), ("b.csv", b"a\n1\n")]), "2 tables"),
            ("workbook", zipped([("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")]), "Excel"),
            ("one class", zipped([("all/bar/" + n.replace("/", "-"), c) for n, c in good]),
             "nothing to tell apart"),
            ("few", zipped(good[:6]), "at least 10"),
            ("mostly bad", zipped(good + [(f"bar/x{i}.png", b"no") for i in range(40)]), "more than half"),
            ("no folders", zipped([(n.replace("/", "-"), c) for n, c in good]), "folder of its own"),
        ]
        for name, content, says in cases:
            with self.subTest(name):
                answer = self.api.upload_parsed([("file", "data.zip", content)])
                self.problem(answer, 422, "dataset_invalid")
                self.assertIn(says, json.dumps(answer.json, ensure_ascii=False))

    def test_size_can_be_asked_for(self):
        content = zipped(files_of(shapes(12)))
        for text, height, width in (("16", 16, 16), ("20x24", 24, 20)):
            answer = self.api.upload_parsed([("file", "a.zip", content), ("image_size", text)])
            self.assertEqual((answer.status, answer.json["height"], answer.json["width"]), (201, height, width))
        for text in ("0", "16x", "big", "9999", "-4x4"):
            answer = self.api.upload("/api/v1/datasets", [("file", "a.zip", content), ("image_size", text)])
            self.problem(answer, 422, "invalid", "/image_size")

    def test_raw_body(self):
        content = zipped(files_of(shapes(12)))
        answer = self.api.upload_parsed(content, "?name=raw&image_size=16", {"Content-Type": "application/zip"})
        self.assertEqual((answer.status, answer.json["kind"], answer.json["width"]), (201, "images", 16))


class ManyFiles(ApiTest):
    def test_classes_by_folder(self):
        for part in ("file", "images"):
            parts = [(part, name, content) for name, content in files_of(shapes(30))]
            answer = self.api.upload_parsed(parts + [("name", "many")])
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual((answer.json["rows"], len(answer.json["classes"])), (30, 3))

    def test_as_an_archive(self):
        files = files_of(shapes(30))
        one = self.api.upload_parsed([("file", n, c) for n, c in files]).json
        two = self.api.upload_parsed([("file", "a.zip", zipped(files))]).json
        self.assertEqual(one["sha256"], two["sha256"])

    def test_labels_beside(self):
        pictures = shapes(30)
        files = [(f"{i}.png", png(*one[1:])) for i, one in enumerate(pictures)]
        names = [SHAPES[one[0]] for one in pictures]
        table = "file,label\n" + "".join(f"{n},{label}\n" for (n, _), label in zip(files, names))
        lists = [table, json.dumps([{"file": n, "label": label} for (n, _), label in zip(files, names)]),
                 json.dumps(names)]
        digests = set()
        parts = [("images", n, c) for n, c in files]
        for labels in lists:
            for more in (("labels", labels), ("labels", "labels.csv", labels.encode())):
                answer = self.api.upload_parsed(parts + [more])
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual(len(answer.json["classes"]), 3)
                digests.add(answer.json["sha256"])
        answer = self.api.upload_parsed([("file", "a.zip", zipped(files)), ("labels", table)])
        digests.add(answer.json["sha256"])
        inside = zipped([("pics/" + n, c) for n, c in files] + [("pics/labels.csv", table.encode())])
        answer = self.api.upload_parsed([("file", "a.zip", inside)])
        digests.add(answer.json["sha256"])
        self.assertEqual(len(digests), 1)
        # One that the list does not name is left out and named.
        answer = self.api.upload_parsed(parts[:-1] + [("images", "stray.png", files[-1][1]), ("labels", table)])
        self.assertEqual((answer.status, answer.json["rows"]), (201, 29))
        self.assertIn("stray.png", answer.json["warnings"][0])

    def test_bad_labels(self):
        parts = [("images", f"{i}.png", png(*one[1:])) for i, one in enumerate(shapes(12))]
        for labels, says in (("a,b,c\n1,2,3\n", "has 3 fields"), ("[1, 2]", "item 0"),
                             ("0.png,a\n0.png,b\n", "two labels"), ("[", "labels"), ("file,label\n", "no files")):
            answer = self.api.upload_parsed(parts + [("labels", labels)])
            self.problem(answer, 422, "dataset_invalid")
            self.assertIn(says, json.dumps(answer.json, ensure_ascii=False))

    def test_a_bad_file_among_them(self):
        parts = [("file", n, c) for n, c in files_of(shapes(30))] + [("file", "bar/bad.png", b"no image")]
        answer = self.api.upload_parsed(parts)
        self.assertEqual((answer.status, answer.json["rows"]), (201, 30))
        self.assertIn("bar/bad.png", answer.json["warnings"][0])

    def test_names_are_judged(self):
        parts = [("file", n, c) for n, c in files_of(shapes(12))]
        answer = self.api.upload_parsed(parts + [("file", "../../x.png", parts[0][2])])
        self.problem(answer, 422, "dataset_invalid")
        self.assertIn("points outside", json.dumps(answer.json, ensure_ascii=False))

    def test_tables_can_not_be_many(self):
        answer = self.api.upload("/api/v1/datasets", [("file", "a.csv", b"a,b\n1,2\n"),
                                                      ("file", "b.csv", b"a,b\n1,2\n")])
        self.problem(answer, 422, "invalid", "/file")

    def test_a_long_name(self):
        folder = "é" * 90
        parts = [("file", n.replace("bar", folder), c) for n, c in files_of(shapes(12))]
        answer = self.api.upload_parsed(parts)
        self.assertEqual(answer.status, 201, answer)
        self.assertIn(folder, [c["name"] for c in answer.json["classes"]])


class ImageModel(ApiTest):
    """Mixed JPEGs and PNGs, grey and colour, of any size, to a model and single predictions."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pictures = shapes(240, seed=5, sizes=(30, 66))
        half = len(pictures) // 2
        files = files_of(pictures[:half]) + files_of(pictures[half:], end=".jpg", encode=as_jpegs)
        cls.answer = cls.api.upload("/api/v1/train?wait=120", [
            ("file", "shapes.zip", zipped(files)), ("trials", "4"), ("name", "shapes"),
            ("families", "mlp,linear")], timeout=150)

    def test_learns(self):
        self.assertEqual((self.answer.status, self.answer.json["state"]), (200, "succeeded"), self.answer)
        self.assertGreater(self.answer.json["model"]["score"], 0.8)

    def predict(self, bodies):
        right = 0
        for kind, content, media in bodies:
            answer = self.api.call("POST", "/api/v1/models/shapes/predict", content, {"Content-Type": media})
            self.assertEqual(answer.status, 200, answer)
            right += answer.json["predictions"][0]["label"] == SHAPES[kind]
        return right / len(bodies)

    def test_single_images(self):
        for channels in (1, 3):
            for sizes in ((20, 44), (70, 130)):
                with self.subTest(channels=channels, sizes=sizes):
                    fresh = shapes(24, seed=77, sizes=sizes, channels=(channels,))
                    bodies = [(one[0], png(*one[1:]), "image/png") for one in fresh]
                    bodies += [(one[0], content, "image/jpeg")
                               for one, content in zip(fresh, as_jpegs(fresh))]
                    self.assertGreater(self.predict(bodies), 0.75)

    def test_photos_are_turned(self):
        for one in shapes(6, seed=79, sizes=(30, 60)):
            answers = [self.api.call("POST", "/api/v1/models/shapes/predict", body, {"Content-Type": "image/png"})
                       for body in (png(*one[1:]), png_lying(*one[1:]))]
            self.assertEqual([answer.status for answer in answers], [200, 200])
            self.assertEqual(answers[0].json["predictions"], answers[1].json["predictions"])

    def test_forms_and_base64(self):
        fresh = shapes(9, seed=78)
        files = [("file", f"{i}.png", png(*one[1:])) for i, one in enumerate(fresh)]
        answer = self.api.upload("/api/v1/models/shapes/predict", files)
        self.assertEqual(answer.status, 200, answer)
        by_form = [item["label"] for item in answer.json["predictions"]]
        answer = self.api.post("/api/v1/models/shapes/predict",
                               {"images": [base64.b64encode(content).decode() for _, _, content in files]})
        self.assertEqual([item["label"] for item in answer.json["predictions"]], by_form)

    def test_looks(self):
        dataset = self.answer.json["dataset"]
        dataset = dataset if isinstance(dataset, str) else dataset["id"]
        preview = self.api.get(f"/api/v1/datasets/{dataset}/preview?limit=5").json["images"]
        self.assertEqual(len(preview), 5)
        for item in preview:
            self.assertTrue(base64.b64decode(item["png_base64"]).startswith(b"\x89PNG"))
            self.assertIn(item["label"], SHAPES)
        profile = self.api.get(f"/api/v1/datasets/{dataset}/profile").json
        self.assertEqual(sum(item["count"] for item in profile["classes"]), 240)
        self.assertEqual(len(profile["pixels"]), profile["channels"])
        sizes = profile["original_sizes"]
        self.assertLess(sizes["smallest"]["width"] * sizes["smallest"]["height"], 40 * 40)
        self.assertGreater(sizes["largest"]["width"] * sizes["largest"]["height"], 55 * 55)


class Tables(ApiTest):
    """The same table in every way of writing it."""

    @staticmethod
    def write(delimiter, comma):
        rng = random.Random(4)
        lines = [delimiter.join(["size", "price", "kind", "y"])]
        for i in range(60):
            size, price = rng.uniform(0.5, 9), rng.uniform(1000, 99999)
            if comma:
                cells = [f"{size:.2f}".replace(".", ","),
                         f"{price:,.2f}".translate(str.maketrans(",.", ".,"))]
            else:
                cells = [f"{size:.2f}", f"{price:.2f}"]
            lines.append(delimiter.join(cells + [rng.choice(["a", "b"]), "yes" if size > 5 else "no"]))
        return ("\r\n".join(lines) + "\r\n").encode()

    def columns(self, answer):
        self.assertEqual(answer.status, 201, answer)
        return [{k: v for k, v in column.items() if k not in ("format", "note")}
                for column in answer.json["columns"]]

    def test_all_give_the_same_columns(self):
        plain = self.columns(self.api.upload_parsed([("file", "a.csv", self.write(",", False))]))
        for name, content in (("a.tsv", self.write("\t", False)), ("b.csv", self.write(";", False)),
                              ("c.csv", self.write(";", True)), ("d.tsv", self.write("\t", True)),
                              ("e.csv.gz", gz(self.write(",", False))),
                              ("f.zip", zipped([("inner/x.csv", self.write(",", False))])),
                              ("g.tgz", tarred([("x.tsv", self.write("\t", True))]))):
            with self.subTest(name):
                answer = self.api.upload_parsed([("file", name, content)])
                self.assertEqual(self.columns(answer), plain)
        raw = self.api.upload_parsed(self.write("\t", True), headers={"Content-Type": "text/tab-separated-values"})
        self.assertEqual(self.columns(raw), plain)

    def test_formats_are_told_and_can_be_put_right(self):
        made = self.api.upload_parsed([("file", "c.csv", self.write(";", True))]).json
        formats = {column["name"]: column.get("format") for column in made["columns"]}
        self.assertEqual((formats["size"], formats["price"]), ("decimal_comma", "thousands_point"))
        # "1.234" can be a fraction or a thousand: which it was is said, and can be turned round.
        doubtful = "a;b\n" + "".join(f"1.{i:03};{i}\n" for i in range(100, 140))
        made = self.api.upload_parsed([("file", "x.csv", doubtful.encode())]).json
        first = {column["name"]: column for column in made["columns"]}["a"]
        self.assertEqual((first["type"], first["examples"][0]), ("numeric", 1.1))
        answer = self.api.call("PATCH", f"/api/v1/datasets/{made['id']}/schema",
                               {"columns": {"a": {"format": "thousands_point"}}})
        self.assertEqual(answer.status, 201, answer)
        turned = {column["name"]: column for column in answer.json["columns"]}["a"]
        self.assertEqual((turned["examples"][0], turned["format"]), (1100, "thousands_point"))
        back = self.api.call("PATCH", f"/api/v1/datasets/{made['id']}/schema",
                             {"columns": {"a": {"format": "decimal_point"}}})
        self.assertEqual(back.status, 201, back)
        self.assertEqual({c["name"]: c for c in back.json["columns"]}["a"]["examples"][0], 1.1)

    def test_predict_reads_the_same_ways(self):
        answer = self.api.upload("/api/v1/train?wait=60", [
            ("file", "c.csv", self.write(";", True)), ("target", "y"), ("trials", "2"),
            ("families", "linear"), ("name", "commas")], timeout=90)
        self.assertEqual((answer.status, answer.json["state"]), (200, "succeeded"), answer)
        wanted = None
        for media, content in (("text/csv", self.write(";", True)),
                               ("text/tab-separated-values", self.write("\t", True)),
                               ("text/csv", self.write("\t", True))):
            answer = self.api.call("POST", "/api/v1/models/commas/predict", content, {"Content-Type": media})
            self.assertEqual(answer.status, 200, answer)
            labels = [item["label"] for item in answer.json["predictions"]]
            self.assertEqual(len(labels), 60)
            wanted = wanted or labels
            self.assertEqual(labels, wanted)


if __name__ == "__main__":
    unittest.main()
