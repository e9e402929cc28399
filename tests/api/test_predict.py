"""Predictions from rows, CSV and images; faults of single rows; keys bound to one model."""

import base64
import json
import math
import unittest

from common import ApiTest, idx_images, idx_labels, iris, old_model, pictures, png

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
FOLDERS = "/api/v1/models/{}/predict"


class Tables(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.api.upload("/api/v1/train?wait=120", [
            ("file", "iris.csv", iris()), ("target", "species"), ("trials", "2"), ("name", "flowers"),
            ("families", "linear")], timeout=150)
        assert answer.status == 200 and answer.json["state"] == "succeeded", answer

    def predict(self, body, kind="application/json", path="flowers", **more):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        return self.api.call("POST", FOLDERS.format(path), body, {"Content-Type": kind}, **more)

    def test_csv_is_as_json(self):
        rows = [dict(zip(ROW, map(float, line.split(",")[:4])))
                for line in iris().decode().split()[1:]]
        by_json = self.predict({"rows": rows})
        self.assertEqual(by_json.status, 200, by_json)
        by_csv = self.predict(iris(), "text/csv")
        self.assertEqual(by_csv.status, 200, by_csv)
        self.assertEqual(len(by_csv.json["predictions"]), 150)
        for one, other in zip(by_json.json["predictions"], by_csv.json["predictions"]):
            self.assert_same_answer(one["probabilities"], other["probabilities"])
        alone = self.predict({"rows": rows[:1]}).json["predictions"][0]["probabilities"]
        self.assert_same_answer(alone, by_json.json["predictions"][0]["probabilities"])
        form = self.api.upload(FOLDERS.format("flowers"), [("file", "iris.csv", iris())])
        self.assertEqual(form.status, 200, form)
        self.assertEqual(len(form.json["predictions"]), 150)

    def test_numbers_are_short_and_exact(self):
        text = self.predict({"rows": [ROW]}).raw.decode()
        for number in json.loads(text, parse_float=str)["predictions"][0]["probabilities"].values():
            self.assertLessEqual(len(number.lstrip("0.").split("e")[0].replace(".", "")), 9, number)

    def test_faults_of_rows(self):
        answer = self.predict({"rows": [ROW, {**ROW, "sepal_width": "wide"}, {**ROW, "petals": 1},
                                        {"sepal_length": 5.1}, {"nothing": 1}]})
        self.assertEqual(answer.status, 207, answer)
        good, word, unknown, absent, nothing = answer.json["predictions"]
        self.assertIn("label", good)
        self.assertNotIn("warnings", good)
        self.assertNotIn("label", word)
        self.assertEqual(word["error"]["code"], "invalid")
        self.assertEqual(word["error"]["faults"][0]["pointer"], "/rows/1/sepal_width")
        self.assertIn("label", unknown)
        self.assertTrue(unknown["warnings"])
        self.assertEqual(len(absent["warnings"]), 3)
        self.assertIn("error", nothing)

    def test_every_row_faulty(self):
        answer = self.predict({"rows": [{"x": 1}, {**ROW, "petal_width": "no"}]})
        self.problem(answer, 422, "invalid", "/rows/1/petal_width")
        self.assertGreaterEqual(len(answer.json["faults"]), 2)

    def test_explain(self):
        wide = {**ROW, "petal_length": 6.5}
        answer = self.predict({"rows": [ROW, {"nothing": 1}, wide], "explain": True})
        self.assertEqual(answer.status, 207, answer)
        self.assertEqual(answer.json["explain"], {"of": "probability", "method": "exact", "answers": 16,
                                                  "algorithm": "all_sets", "reference": "hidden"})
        self.assertNotIn("explanation", answer.json["predictions"][1])
        for one in (answer.json["predictions"][0], answer.json["predictions"][2]):
            told = one["explanation"]
            self.assertEqual({part["column"] for part in told["contributions"]}, set(ROW))
            parts = [part["contribution"] for part in told["contributions"]]
            self.assertEqual(parts, sorted(parts, key=lambda part: -abs(part)))
            self.assertAlmostEqual(told["base"] + sum(parts), one["probability"], 5)
        plain = self.predict({"rows": [ROW]}).json
        self.assertNotIn("explain", plain)
        self.assertNotIn("explanation", plain["predictions"][0])
        self.assert_same_answer(plain["predictions"][0]["probabilities"],
                                answer.json["predictions"][0]["probabilities"])
        top = self.predict({"rows": [wide], "explain": {"top": 1}}).json["predictions"][0]
        self.assertEqual(len(top["explanation"]["contributions"]), 1)
        self.assertAlmostEqual(top["explanation"]["base"] + top["explanation"]["others"]
                               + top["explanation"]["contributions"][0]["contribution"], top["probability"], 5)
        by_csv = self.api.call("POST", FOLDERS.format("flowers") + "?explain=1", iris(), {"Content-Type": "text/csv"})
        self.assertEqual(len([one for one in by_csv.json["predictions"] if "explanation" in one]), 150)
        by_query = self.api.post(FOLDERS.format("flowers") + "?explain=1", {"rows": [ROW]})
        self.assert_same_answer(by_query.json["predictions"][0], answer.json["predictions"][0])
        self.assertNotIn("explain", self.api.post(FOLDERS.format("flowers") + "?explain=1",
                                                  {"rows": [ROW], "explain": False}).json)
        for bad, place in ((3, "/explain"), ("yes", "/explain"), ({"top": 0}, "/explain/top"),
                           ({"top": "x"}, "/explain/top"), ({"most": 1}, "/explain/most"),
                           ({"of": "odds"}, "/explain/of"), ({"of": 1}, "/explain/of"),
                           ({"of": "value"}, "/explain/of"), ({"grid": 7}, "/explain/grid"),
                           ({"grid": 1}, "/explain/grid"), ({"grid": 15}, "/explain/grid")):
            self.problem(self.predict({"rows": [ROW], "explain": bad}), 422, "invalid", place)
        many = self.api.call("POST", FOLDERS.format("flowers") + "?explain=1", b"sepal_length\n" + b"5\n" * 6251,
                             {"Content-Type": "text/csv"})
        self.problem(many, 422, "invalid", "/explain")
        self.assertIn("6250", json.dumps(many.json["faults"]))
        self.assertEqual(self.api.call("POST", FOLDERS.format("flowers") + "?explain=x", iris(),
                                       {"Content-Type": "text/csv"}).status, 422)

    def test_explain_log_odds(self):
        """Linear models and trees by formula, whatever the number of columns; the answer's own scale on request."""
        answer = self.predict({"rows": [ROW, {**ROW, "petal_length": 6.5}], "explain": {"of": "log_odds"}})
        self.assertEqual(answer.json["explain"]["of"][-9:], "log_ratio", answer)
        self.assertEqual(answer.json["explain"]["method"], "exact")
        wide = ["n%02d" % i for i in range(12)] + ["color"]
        lines = [[((i * 37 + j * 101) % 97) / 10 for j in range(12)] + [("red", "green", "blue")[i % 3]]
                 for i in range(200)]
        for name, family in (("wide-linear", "linear"), ("wide-trees", "trees")):
            body = ",".join(wide) + ",y\n" + "".join(
                ",".join(map(str, line)) + ",%s\n" % ("yes" if line[0] * (1 if line[12] == "red" else -1) + line[3] > 3
                                                      else "no") for line in lines)
            answer = self.api.upload("/api/v1/train?wait=120", [
                ("file", "wide.csv", body.encode()), ("target", "y"), ("trials", "2"), ("name", name),
                ("families", family)], timeout=150)
            self.assertEqual(answer.json["state"], "succeeded", answer)
            rows = [dict(zip(wide, line)) for line in lines[:5]] + [{"n00": 3, "color": None}]
            for of, method in (("log_odds", "exact"), ("probability", "sampled")):
                answer = self.predict({"rows": rows, "explain": {"of": of}}, path=name)
                self.assertEqual(answer.status, 200, answer)
                about = answer.json["explain"]
                self.assertIn(about["of"], (of, "mean_" + of))
                self.assertEqual(about["method"], method)
                for one in answer.json["predictions"]:
                    told = one["explanation"]
                    parts = [part["contribution"] for part in told["contributions"]]
                    self.assertEqual(len(parts), 13)
                    self.assertAlmostEqual(told["base"] + sum(parts) + told["others"], told["total"], 4)
                    chance = one["probability"]
                    if about["of"] == "log_odds" and 0.001 < chance < 0.999:
                        self.assertAlmostEqual(told["total"], math.log(chance / (1 - chance)), 3)
                    elif of == "probability":
                        self.assertAlmostEqual(told["total"], chance, 4)

    def test_unusual(self):
        answer = self.predict({"rows": [ROW, {"nothing": 1}, {**ROW, "petal_width": 99, "sepal_width": -1},
                                        {"petal_length": 1e6}], "unusual": True})
        self.assertEqual(answer.status, 207, answer)
        usual, faulty, strange, alone = answer.json["predictions"]
        self.assertEqual(answer.json["unusual"], {"compared_with": 150})
        self.assertEqual((usual["unusual"]["columns"], usual["unusual"]["score"]), ([], 0))
        self.assertLess(usual["unusual"]["distance"], 2)
        self.assertGreater(usual["unusual"]["farther"], 0.1)
        self.assertNotIn("unusual", faulty)
        self.assertEqual({item["column"]: item["reason"] for item in strange["unusual"]["columns"]},
                         {"petal_width": "above_range", "sepal_width": "below_range"})
        self.assertEqual(strange["unusual"]["score"], 0.5)
        self.assertEqual(strange["unusual"]["farther"], 0)
        self.assertEqual({item["column"] for item in strange["unusual"]["farthest"][:2]}, {"petal_width", "sepal_width"})
        self.assertGreater(strange["unusual"]["distance"], 10)
        self.assertEqual(alone["unusual"]["score"], 1)
        self.assertEqual([item["reason"] for item in alone["unusual"]["columns"]],
                         ["missing", "missing", "above_range", "missing"])
        for off in (False, None):
            self.assertNotIn("unusual", self.predict({"rows": [ROW], "unusual": off}).json["predictions"][0])
        self.problem(self.predict({"rows": [ROW], "unusual": "yes"}), 422, "invalid", "/unusual")
        header, values = ",".join(ROW), ",".join(map(str, ROW.values()))
        text = f"{header}\n{values}\n{values}0\n5,x,1,1\n5,-1,1.4,99\n".encode()
        for kind, body in (("text/csv", text), ("text/tab-separated-values", text.replace(b",", b"\t"))):
            answer = self.api.call("POST", FOLDERS.format("flowers") + "?unusual=1", body, {"Content-Type": kind})
            self.assertEqual(answer.status, 207, answer)
            first, second, word, fourth = answer.json["predictions"]
            self.assertEqual(first["unusual"], usual["unusual"])
            self.assertEqual(second["unusual"], usual["unusual"])
            self.assertNotIn("unusual", word)
            self.assertEqual([item["reason"] for item in fourth["unusual"]["columns"]],
                             ["below_range", "above_range"])
        form = self.api.upload(FOLDERS.format("flowers") + "?unusual=true", [("file", "iris.csv", iris())])
        farther = [one["unusual"]["farther"] for one in form.json["predictions"]]
        self.assertAlmostEqual(sum(farther) / 150, 0.5, 1)
        by_query = self.api.post(FOLDERS.format("flowers") + "?unusual=1", {"rows": [ROW]}).json
        self.assertEqual(by_query["predictions"][0]["unusual"], usual["unusual"])
        self.assertNotIn("unusual", self.api.post(FOLDERS.format("flowers") + "?unusual=1",
                                                  {"rows": [ROW], "unusual": False}).json)
        self.problem(self.api.post(FOLDERS.format("flowers") + "?unusual=x", {"rows": [ROW]}), 422, "invalid",
                     "/unusual")

    def test_unusual_category(self):
        lines = "".join("%s,%d,%s\n" % (("red", "green", "blue")[i % 3], i, "ab"[i % 3 == 0]) for i in range(60))
        answer = self.api.upload("/api/v1/train?wait=120", [
            ("file", "colors.csv", ("color,size,y\n" + lines).encode()), ("target", "y"), ("trials", "2"),
            ("name", "colors"), ("families", "linear")], timeout=150)
        self.assertEqual(answer.json["state"], "succeeded", answer)
        rows = [{"color": "mauve", "size": 20}, {"color": None, "size": 20}, {"color": "red", "size": 20}]
        answer = self.predict({"rows": rows, "unusual": True}, path="colors")
        told = [one["unusual"] for one in answer.json["predictions"]]
        self.assertEqual([(one["score"], [(item["column"], item["reason"]) for item in one["columns"]])
                          for one in told],
                         [(0.5, [("color", "unknown_category")]), (0.5, [("color", "missing")]), (0, [])])
        self.assertGreater(told[0]["distance"], told[2]["distance"])
        by_csv = self.api.call("POST", FOLDERS.format("colors") + "?unusual=1", b"color,size\nmauve,20\n,20\nred,20\n",
                               {"Content-Type": "text/csv"})
        self.assertEqual([one["unusual"] for one in by_csv.json["predictions"]], told)

    def test_older_version(self):
        """A model from before the statistics of its training data were kept says what it can't tell."""
        answer = self.api.call("POST", "/api/v1/models?name=aged", old_model(), {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 201, answer)
        rows = [{"x1": 0, "x2": 3, "color": "red", "flag": "no", "constant": 7, "noise": 0},
                {"x1": 50, "color": "mauve"}]
        answer = self.predict({"rows": rows, "unusual": True, "explain": True}, path="aged")
        self.assertEqual(answer.status, 200, answer)
        self.assertIsNone(answer.json["unusual"]["compared_with"])
        self.assertIn("ranges", answer.json["unusual"]["lacks"])
        usual, strange = (one["unusual"] for one in answer.json["predictions"])
        self.assertEqual(usual, {"columns": [], "score": 0, "distance": None, "farther": None})
        self.assertEqual(strange["columns"], [{"column": "x1", "reason": "above_range"},
                                              {"column": "color", "reason": "unknown_category"}])
        self.assertEqual(strange["score"], 1)
        self.assertEqual(answer.json["explain"]["algorithm"], "all_sets")
        self.problem(self.predict({"rows": rows, "explain": {"of": "log_odds"}}, path="aged"), 422, "invalid",
                     "/explain/of")

    def test_strict(self):
        answer = self.predict({"rows": [ROW, {"sepal_length": 5.1}], "strict": True})
        self.assertEqual(answer.status, 207, answer)
        self.assertIn("error", answer.json["predictions"][1])
        answer = self.api.call("POST", FOLDERS.format("flowers") + "?strict=1", b"sepal_length,x\n5.1,1\n",
                               {"Content-Type": "text/csv"})
        self.problem(answer, 422, "invalid")
        for way, status in (("1", 207), ("true", 207), ("0", 200), ("false", 200), ("yes", 400)):
            answer = self.api.call("POST", FOLDERS.format("flowers") + "?strict=" + way,
                                   {"rows": [ROW, {"sepal_length": 5.1}]})
            self.assertEqual(answer.status, status, (way, answer))

    def test_rows_as_arrays(self):
        """By place, and by name in any order or spelling: the same answers."""
        ways = [{"rows": [list(ROW.values())]}, {"rows": [ROW]}, {"rows": [dict(reversed(ROW.items()))]},
                {"rows": [ROW], "strict": True}, {"strict": False, "rows": [list(ROW.values())]}]
        answers = [self.predict(way).json["predictions"] for way in ways]
        for answer in answers[1:]:
            self.assertEqual(answer, answers[0])

    def test_unusable_bodies(self):
        cases = [
            (b"", "application/json", 400, "bad_request"),
            (b"{", "application/json", 400, "bad_json"),
            (b"[1]", "application/json", 422, "invalid"),
            (b"{}", "application/json", 422, "invalid"),
            (b'{"rows":[]}', "application/json", 422, "invalid"),
            (b'{"rows":{}}', "application/json", 422, "invalid"),
            (b'{"rows":[1,2]}', "application/json", 422, "invalid"),
            (b'{"rows":[null]}', "application/json", 422, "invalid"),
            (b'{"rows":[[5.1,3.5,1.4]]}', "application/json", 422, "invalid"),
            (b'{"row":[{}]}', "application/json", 422, "invalid"),
            (b'{"rows":[{}],"explain":true}', "application/json", 422, "invalid"),
            (b'{"images":["x"]}', "application/json", 422, "invalid"),
            (b'{"rows":[{"sepal_length":1}],"strict":"yes"}', "application/json", 422, "invalid"),
            (b"[" * 5000, "application/json", 400, "bad_json"),
            (b"nonsense", "text/csv", 422, "invalid"),
            (b"a,b\n1\n", "text/csv", 422, "invalid"),
            (b"sepal_length\n\xff\n", "text/csv", 422, "invalid"),
            (b"\0\0\0", "application/octet-stream", 415, "unsupported_media_type"),
            (b"\x89PNG", "image/png", 415, "unsupported_media_type"),
            (b"<a/>", "text/xml", 415, "unsupported_media_type"),
        ]
        for body, kind, status, code in cases:
            with self.subTest(body[:40]):
                self.problem(self.predict(body, kind), status, code)

    def test_strange_values(self):
        for value in ("1e400", '"\\u0000"', "[]", "{}", "true", '"' + "x" * 10000 + '"', "-0.0",
                      "9" * 400, "null"):
            body = ('{"rows":[{"sepal_length":' + value + ',"petal_width":0.2}]}').encode()
            answer = self.predict(body)
            self.assertIn(answer.status, (200, 400, 422), (value[:30], answer))

    def test_many_rows(self):
        answer = self.predict({"rows": [ROW] * 5000})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json["predictions"]), 5000)
        self.problem(self.predict({"rows": [{"petal_width": 1}] * 10001}), 422, "invalid", "/rows")

    def test_key_of_one_model(self):
        made = self.api.post("/api/v1/keys", {"name": "app", "scopes": ["predict"], "model": "flowers"})
        self.assertEqual(made.status, 201, made)
        bearer = {"Authorization": "Bearer " + made.json["key"]}
        model = self.api.get("/api/v1/models/flowers").json
        for name in ("flowers", f"flowers@{model['version']}", model["id"], f"{model['id']}@{model['version']}"):
            answer = self.api.call("POST", FOLDERS.format(name), {"rows": [ROW]}, bearer)
            self.assertEqual(answer.status, 200, answer)
        for name in ("nothing", "mdl_nothing", model["id"][:-1], "flower", "flowersx"):
            answer = self.api.call("POST", FOLDERS.format(name), {"rows": [ROW]}, bearer)
            self.problem(answer, 403, "forbidden")


class Images(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images, cls.labels = pictures()
        answer = cls.api.upload("/api/v1/train?wait=120", [
            ("images", "images", idx_images(cls.images)), ("labels", "labels", idx_labels(cls.labels)),
            ("trials", "2"), ("name", "shapes"), ("families", "linear")], timeout=150)
        assert answer.status == 200 and answer.json["state"] == "succeeded", answer
        assert answer.json["model"]["score"] > 0.9, answer

    def predict(self, body, kind):
        return self.api.call("POST", FOLDERS.format("shapes"), body, {"Content-Type": kind})

    def test_every_way_gives_the_same(self):
        raw = self.predict(b"".join(self.images[:6]), "application/octet-stream")
        self.assertEqual(raw.status, 200, raw)
        first = [p["probabilities"] for p in raw.json["predictions"]]
        self.assertEqual([p["label"] for p in raw.json["predictions"]], ["0", "1", "2"] * 2)
        files = [png(pixels, 8, 8) for pixels in self.images[:6]]
        one = self.predict(files[0], "image/png")
        self.assertEqual(one.status, 200, one)
        self.assert_same_answer(one.json["predictions"][0]["probabilities"], first[0])
        coded = self.api.post(FOLDERS.format("shapes"), {
            "images": [base64.b64encode(one).decode() for one in files]})
        self.assert_same_answer([p["probabilities"] for p in coded.json["predictions"]], first)
        form = self.api.upload(FOLDERS.format("shapes"),
                               [("file", f"{i}.png", one) for i, one in enumerate(files)])
        self.assertEqual(form.status, 200, form)
        self.assert_same_answer([p["probabilities"] for p in form.json["predictions"]], first)
        self.assertEqual([p["file"] for p in form.json["predictions"]], [f"{i}.png" for i in range(6)])

    def test_all_at_once(self):
        answer = self.predict(b"".join(self.images) * 20, "application/octet-stream")
        self.assertEqual(answer.status, 200, answer)
        right = sum(int(p["label"]) == self.labels[i % 240]
                    for i, p in enumerate(answer.json["predictions"]))
        self.assertGreater(right / 4800, 0.9)

    def test_other_sizes_and_colour(self):
        pixels = self.images[1]
        large = b"".join(bytes(pixels[y // 4 * 8 + x // 4] for x in range(32)) for y in range(32))
        one = self.predict(png(large, 32, 32), "image/png").json["predictions"][0]
        same = self.predict(pixels, "application/octet-stream").json["predictions"][0]
        self.assertEqual(one["probabilities"], same["probabilities"])
        colour = b"".join(bytes([v, v, v]) for v in large)
        one = self.predict(png(colour, 32, 32, 3), "image/png").json["predictions"][0]
        self.assertEqual(one["probabilities"], same["probabilities"])

    def test_bad_images(self):
        good = png(self.images[0], 8, 8)
        for body in (good[:-20], good[:30], b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"text"):
            self.problem(self.predict(body, "image/png"), 422, "invalid")
        bomb = png(bytes(1), 1, 1).replace(b"\0\0\0\1\0\0\0\1\x08", b"\x7f\0\0\0\x7f\0\0\0\x08", 1)
        self.problem(self.predict(bomb, "image/png"), 422, "invalid")
        huge = png(bytes(5000 * 5000), 5000, 5000)
        self.problem(self.predict(huge, "image/png"), 422, "invalid")
        mixed = self.api.upload(FOLDERS.format("shapes"), [
            ("file", "a.png", good), ("file", "b.png", b"not an image")])
        self.assertEqual(mixed.status, 207, mixed)
        self.assertIn("label", mixed.json["predictions"][0])
        self.assertEqual(mixed.json["predictions"][1]["error"]["faults"][0]["pointer"], "/file/1")
        coded = self.api.post(FOLDERS.format("shapes"), {
            "images": [base64.b64encode(good).decode(), "!!!", 7, ""]})
        self.assertEqual(coded.status, 207, coded)
        self.assertEqual([("label" in p) for p in coded.json["predictions"]], [True, False, False, False])

    def test_explain(self):
        """How much each cell counts: a map of the wanted size, within the limit, whatever way the image came."""
        picture = png(self.images[0], 8, 8)
        plain = self.predict(picture, "image/png").json
        answer = self.api.call("POST", FOLDERS.format("shapes") + "?explain=1", picture, {"Content-Type": "image/png"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["explain"], {"of": "probability", "method": "occlusion", "answers": 50,
                                                  "algorithm": "occlusion", "reference": "training_mean"})
        drops = answer.json["predictions"][0]["explanation"]["drops"]
        self.assertEqual([len(row) for row in drops], [7] * 7)
        self.assertGreater(max(map(max, drops)), 0)
        self.assertEqual(plain["predictions"][0]["probabilities"], answer.json["predictions"][0]["probabilities"])
        coded = base64.b64encode(picture).decode()
        one, faulty, other = self.api.post(FOLDERS.format("shapes"), {
            "images": [coded, "!", coded], "explain": {"grid": 3, "of": "probability"}}).json["predictions"]
        self.assertEqual([len(row) for row in one["explanation"]["drops"]], [3] * 3)
        self.assertEqual(one["explanation"], other["explanation"])
        self.assertNotIn("explanation", faulty)
        many = self.api.post(FOLDERS.format("shapes"), {"images": [coded] * 21, "explain": True})
        self.problem(many, 422, "invalid", "/explain")
        self.assertIn("at most 20 images", json.dumps(many.json["faults"]))

    def test_unusual(self):
        """Brightness, contrast, detail and colour against the training images'."""
        usual, white = (self.api.call("POST", FOLDERS.format("shapes") + "?unusual=1", png(pixels, 8, 8),
                                      {"Content-Type": "image/png"}).json
                        for pixels in (self.images[0], b"\xff" * 64))
        self.assertGreater(usual["unusual"]["compared_with"], 100)
        one, other = usual["predictions"][0]["unusual"], white["predictions"][0]["unusual"]
        self.assertEqual((one["columns"], one["score"]), ([], 0))
        self.assertGreater(one["farther"], 0)
        self.assertLess(one["distance"], other["distance"])
        self.assertEqual(other["farther"], 0)
        self.assertIn({"brightness": "above_range"}, [{item["column"]: item["reason"]} for item in other["columns"]])
        coded = [base64.b64encode(png(pixels, 8, 8)).decode() for pixels in (self.images[0], b"\xff" * 64)]
        answer = self.api.post(FOLDERS.format("shapes"), {"images": [coded[0], "!", coded[1]], "unusual": True})
        self.assertEqual([item.get("unusual") for item in answer.json["predictions"]], [one, None, other])
        form = self.api.upload(FOLDERS.format("shapes") + "?unusual=1", [("file", "a.png", png(self.images[0], 8, 8))])
        self.assertEqual(form.json["predictions"][0]["unusual"], one)

    def test_wrong_kind(self):
        self.problem(self.predict(bytes(63), "application/octet-stream"), 422, "invalid")
        self.problem(self.predict(b"a\n1\n", "text/csv"), 415, "unsupported_media_type")
        self.problem(self.api.post(FOLDERS.format("shapes"), {"rows": [{"a": 1}]}), 422, "invalid", "/rows")
        self.problem(self.api.post(FOLDERS.format("shapes"), {"images": []}), 422, "invalid", "/images")
        picture = base64.b64encode(png(self.images[0], 8, 8)).decode()
        for bad, place in (({"top": 3}, "/explain/top"), ({"of": "log_odds"}, "/explain/of"),
                           ({"of": "value"}, "/explain/of"), ({"grid": 15}, "/explain/grid")):
            self.problem(self.api.post(FOLDERS.format("shapes"), {"images": [picture], "explain": bad}), 422,
                         "invalid", place)
        self.problem(self.api.upload(FOLDERS.format("shapes"), [("picture", "a.png", b"x")]), 422,
                     "invalid", "/picture", "/file")


if __name__ == "__main__":
    unittest.main()
