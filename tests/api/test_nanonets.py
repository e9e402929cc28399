"""Models of images that are made on the paths of Nanonets' API."""

import base64
import struct
import unittest
from urllib.parse import quote, quote_plus

from common import ApiTest, pictures, png
from attune_server import Client


class NanonetsMaking(ApiTest):
    """The flow of an app that trains by Nanonets' API: create, upload, train, poll, label."""

    TOP = "/api/v2/ImageCategorization"
    NAMES = ["top, bright", "left \"edge\"", "mid/dle"]

    def setUp(self):
        self.user = Client(self.api.port, None)
        self.basic = {"Authorization": "Basic " + base64.b64encode(f"{self.api.key}:".encode()).decode()}

    def ask(self, method, path, body=None, kind=None):
        headers = {**self.basic, **({"Content-Type": kind} if kind else {})}
        return self.user.call(method, self.TOP + path, body, headers)

    def send(self, parts, path="/UploadFile/"):
        return self.user.upload(self.TOP + path, parts, headers=self.basic)

    def create(self, names=None):
        answer = self.ask("POST", "/Model/", {"categories": names or self.NAMES})
        self.assertEqual((answer.status, answer.json["state"], answer.json["model_type"]), (200, 0, "classification"), answer)
        return answer.json["model_id"]

    def sorted_pictures(self, count):
        pixels, labels = pictures(count)
        return [[png(one, 8, 8) for one, label in zip(pixels, labels) if label == kind] for kind in range(3)]

    def test_the_whole_flow(self):
        form = "&".join("categories=" + quote_plus(name) for name in self.NAMES)
        made = self.ask("POST", "/Model/", form.encode(), "application/x-www-form-urlencoded")
        self.assertEqual((made.status, made.json["state"]), (200, 0), made)
        self.assertEqual([(one["name"], one["count"]) for one in made.json["categories"]], [(name, 0) for name in self.NAMES])
        model = made.json["model_id"]
        kinds = self.sorted_pictures(90)
        # one by one, all in a form, and with category and model in the query
        first = self.send([("file", "0.png", kinds[0][0]), ("category", self.NAMES[0]), ("modelId", model)])
        self.assertEqual((first.status, first.json["state"]), (200, 1), first)
        self.send([*[("file", "x.png", one) for one in kinds[0][1:]], ("category", self.NAMES[0])], f"/Model/{model}/UploadFile/")
        self.problem(self.ask("POST", f"/Train/?modelId={model}"), 422, "invalid", "/categories/1", "/categories/2")
        for kind in (1, 2):
            query = f"?modelId={model}&category={quote(self.NAMES[kind], safe='')}"
            filled = self.send([("file", "x.png", one) for one in kinds[kind]], "/UploadFile/" + query)
        self.assertEqual((filled.status, filled.json["state"]), (200, 2), filled)
        self.assertEqual([one["count"] for one in filled.json["categories"]], [30, 30, 30])
        begun = self.ask("POST", f"/Train/?modelId={model}&trials=1")
        self.assertEqual(begun.status, 200, begun)
        self.assertIn(begun.json["state"], (3, 4, 5), begun)
        self.assertEqual(self.api.wait_job(begun.json["job"], 120)["state"], "succeeded")
        ready = self.ask("GET", f"/Model/{model}")
        self.assertEqual((ready.status, ready.json["state"]), (200, 5), ready)
        self.assertEqual(ready.json, self.ask("GET", f"/Model/?modelId={model}").json)
        told = self.send([*[("file", f"{i}.png", one[0]) for i, one in enumerate(kinds)], ("modelId", model)], "/LabelFile/")
        self.assertEqual(told.status, 200, told)
        self.assertEqual([one["prediction"][0]["label"] for one in told.json["result"]], self.NAMES)
        # once more on what is there: the same images are not stored a second time
        dataset = self.api.get(f"/api/v1/jobs/{begun.json['job']}").json["dataset"]["id"]
        again = self.ask("POST", f"/Model/{model}/Train/?trials=1")
        self.assertEqual(again.status, 200, again)
        job = self.api.wait_job(again.json["job"], 120)
        self.assertEqual((job["dataset"]["id"], job["model"]["version"] > 1), (dataset, True), job)
        self.assertEqual(self.ask("DELETE", f"/Model/{model}").status, 204)
        # what was trained stays
        self.assertEqual(self.ask("GET", f"/Model/{model}").json["state"], 5)
        self.problem(self.ask("DELETE", f"/Model/{model}"), 404, "model_not_found")

    def test_one_training_at_a_time(self):
        model = self.create(["a", "b"])
        for name, files in zip("ab", self.sorted_pictures(30)):
            self.send([*[("file", "x.png", one) for one in files], ("category", name), ("modelId", model)])
        begun = self.ask("POST", f"/Train/?modelId={model}&seconds=600")
        self.assertEqual(begun.status, 200, begun)
        self.problem(self.ask("POST", f"/Train/?modelId={model}"), 409, "conflict")
        self.api.post(f"/api/v1/jobs/{begun.json['job']}/cancel")
        self.api.wait_job(begun.json["job"], 60)
        self.assertIn(self.ask("GET", f"/Model/{model}").json["state"], (-1, 5))

    def test_bad_creation(self):
        for body, kind, status, code, *places in (
                ({"categories": ["a"]}, None, 422, "invalid", "/categories"),
                ({"categories": "a"}, None, 422, "invalid", "/categories"), ({}, None, 422, "invalid", "/categories"),
                ([], None, 422, "invalid", "/categories"),
                ({"categories": ["a", "a"]}, None, 422, "invalid", "/categories/1"),
                ({"categories": ["a", 1, "", "x" * 201, "\n"]}, None, 422, "invalid", "/categories/1", "/categories/4"),
                (b"{", "application/json", 400, "bad_json"),
                (b"categories=%zz&categories=b", "application/x-www-form-urlencoded", 400, "bad_request"),
                (b"categories=%ff&categories=b", "application/x-www-form-urlencoded", 400, "bad_request"),
                (b"&&=&categories", "application/x-www-form-urlencoded", 422, "invalid", "/categories"),
                (b"&" * 20000, "application/x-www-form-urlencoded", 413, "too_large"),
                (b"a,b", "text/csv", 415, "unsupported_media_type")):
            with self.subTest(str(body)[:40]):
                self.problem(self.ask("POST", "/Model/", body, kind), status, code, *places)

    def test_bad_uploads(self):
        model, image = self.create(["a", "b"]), png(bytes(64), 8, 8)
        huge = bytearray(image)
        huge[16:24] = struct.pack(">II", 100_000, 100_000)
        whole = [("file", "x.png", image), ("category", "a"), ("modelId", model)]
        for parts, status, code, *places in (
                (whole[:2], 422, "invalid", "/modelId"), (whole[::2], 422, "invalid", "/category"),
                (whole[1:], 422, "invalid", "/file"), ([*whole[:2], ("modelId", "im_none")], 404, "model_not_found"),
                ([whole[0], ("category", "c"), whole[2]], 422, "invalid", "/category"),
                ([*whole, ("file", "y.png", b"nothing"), ("file", "z", bytes(huge)), ("file", "e", b"")], 422, "invalid", "/file/1",
                 "/file/2", "/file/3")):
            with self.subTest(str(parts)[:60]):
                self.problem(self.send(parts), status, code, *places)
        self.problem(self.ask("POST", f"/Model/{model}/UploadFile/", {"category": "a"}), 415, "unsupported_media_type")
        self.assertEqual([one["count"] for one in self.ask("GET", f"/Model/{model}").json["categories"]], [0, 0])
        for path in ("/Train/?modelId=im_none", "/Train/?modelId=kinds", "/Model/im_none/Train/"):
            self.problem(self.ask("POST", path), 404, "model_not_found")
        self.problem(self.ask("POST", "/Train/"), 422, "invalid", "/modelId")
        self.problem(self.ask("GET", "/Model/im_none"), 404, "model_not_found")
        self.problem(self.ask("POST", f"/Train/?modelId={model}&trials=0"), 422, "invalid", "/categories/0")

    def test_images_that_only_begin_well(self):
        model, image = self.create(["a", "b"]), bytearray(png(bytes(i * i % 251 for i in range(4096)), 64, 64))
        image[60] ^= 0xff  # of the packed pixels
        for name in "ab":
            sent = self.send([("file", "x.png", bytes(image)), ("category", name), ("modelId", model)])
            self.assertEqual(sent.status, 200, sent)
        self.problem(self.ask("POST", f"/Train/?modelId={model}"), 422, "dataset_invalid")
        self.assertEqual(self.ask("GET", f"/Model/{model}").json["state"], 2)


if __name__ == "__main__":
    unittest.main()
