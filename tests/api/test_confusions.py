"""The rows behind each cell of a confusion matrix: of tables, of images, of old versions, of data that are gone."""

import random
import unittest
from urllib.parse import quote

from common import ApiTest, sql
from image_files import SHAPES, png, shapes, zipped

ODD = 'b<i>"ü"</i>'


def table():
    """Two classes that overlap, and one that does not."""
    draw = random.Random(5)
    lines = ["size,name"]
    for i in range(240):
        name = ("low", '"' + ODD.replace('"', '""') + '"', "high")[i % 3]
        lines.append(f"{draw.gauss((0, 0.8, 30)[i % 3], 1):.4f},{name}")
    return "\n".join(lines).encode() + b"\n"


class Confusions(ApiTest):
    def cell(self, model, truth, predicted):
        return self.api.get(f"/api/v1/models/{model}/confusions?true={quote(truth)}&predicted={quote(predicted)}")

    def each_cell(self, model):
        """Every cell with what is asked of all of them: as many rows as its number says, the surest first."""
        report = self.api.get(f"/api/v1/models/{model}/report").json
        self.assertNotIn("confusion_rows", report)
        labels, matrix = (report["metrics"]["confusion"][name] for name in ("labels", "matrix"))
        for i, truth in enumerate(labels):
            for j, predicted in enumerate(labels):
                answer = self.cell(model, truth, predicted)
                self.assertEqual(answer.status, 200, answer)
                found = answer.json
                self.assertEqual((found["true"], found["predicted"], found["count"]), (truth, predicted, matrix[i][j]))
                self.assertEqual(len(found["rows"]), min(20, matrix[i][j]))
                sure = [row["probability"] for row in found["rows"]]
                self.assertEqual(sure, sorted(sure, reverse=True))
                yield found

    def test_table(self):
        dataset = self.upload(table())["id"]
        self.run_job({"dataset": dataset, "target": "name", "families": ["linear"], "deploy_as": "overlap", "budget": {"trials": 1}})
        wrong = 0
        for found in self.each_cell("overlap"):
            self.assertEqual(found["dataset"]["id"], dataset)
            for row in found["rows"]:
                first = self.api.get(f"/api/v1/datasets/{dataset}/preview?limit=1&offset={row['row']}").json
                self.assertEqual((found["columns"], row["values"]), (first["columns"], first["rows"][0]))
                self.assertEqual(row["values"][1], found["true"])
                wrong += found["true"] != found["predicted"]
        self.assertGreater(wrong, 10)
        version = self.api.get("/api/v1/models/overlap").json["version"]
        numbered = self.api.get(f"/api/v1/models/overlap/versions/{version}/confusions?true=low&predicted=low").json
        self.assertEqual(numbered, self.cell("overlap", "low", "low").json)

        self.problem(self.cell("overlap", "nothing", ODD), 422, "invalid", "/true")
        self.problem(self.cell("overlap", "low", "x" * 3000), 422, "invalid", "/predicted")
        self.problem(self.api.get("/api/v1/models/overlap/confusions"), 422, "invalid", "/true", "/predicted")
        self.problem(self.api.get("/api/v1/models/overlap/confusions?true=low&predicted=low&limit=1"), 400, "bad_request")
        self.problem(self.cell("nobody", "low", "low"), 404, "model_not_found")
        self.problem(self.api.get("/api/v1/models/overlap/versions/99/confusions?true=low&predicted=low"), 404, "model_not_found")

        self.assertEqual(self.api.call("DELETE", f"/api/v1/datasets/{dataset}").status, 204)
        found = self.cell("overlap", "low", "low").json
        self.assertIsNone(found["dataset"])
        self.assertEqual(set(found["rows"][0]), {"row", "probability"})

        # a version of an Attune that kept none, and a report that was written elsewhere
        change = "UPDATE model_version SET report = {} WHERE model_id = (SELECT id FROM model WHERE name = 'overlap')"
        sql(change.format("""report || '{"confusion_rows": {"0,0": [["x"], 5, [1e300, "y"], [-7, 0.5]]}, "metrics": {"confusion": {"matrix": [["z"]]}}}'"""))
        found = self.cell("overlap", "low", "low")
        self.assertEqual(found.status, 200, found)
        sql(change.format("report - 'confusion_rows'"))
        self.problem(self.cell("overlap", "low", "low"), 404, "confusions_not_kept")

    def test_images(self):
        pictures = shapes(36, sizes=(16, 16))
        content = zipped([(f"{SHAPES[one[0]]}/{i}.png", png(*one[1:])) for i, one in enumerate(pictures)])
        dataset = self.upload(content, "shapes.zip")["id"]
        self.run_job({"dataset": dataset, "families": ["linear"], "deploy_as": "shapes-cells", "budget": {"trials": 1}})
        pictured = [row for found in self.each_cell("shapes-cells") for row in found["rows"] if self.assertEqual(row["label"], found["true"]) is None]
        self.assertTrue(pictured)
        first = self.api.get(f"/api/v1/datasets/{dataset}/preview?limit=1&offset={pictured[0]['row']}").json["images"][0]
        self.assertEqual(pictured[0]["png_base64"], first["png_base64"])

    def test_numbers_are_not_confused(self):
        lines = ["a,b"] + [f"{i},{3 * i % 17}" for i in range(60)]
        dataset = self.upload("\n".join(lines).encode())["id"]
        self.run_job({"dataset": dataset, "target": "b", "task": "regression", "families": ["linear"], "deploy_as": "numbers-cells", "budget": {"trials": 1}})
        self.problem(self.cell("numbers-cells", "1", "2"), 422, "invalid")


if __name__ == "__main__":
    unittest.main()
