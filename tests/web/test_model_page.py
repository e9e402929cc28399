"""A model's page: the rows behind each cell, 200 classes, a shadow, and the code it shows, which is run as it stands."""

import json
import os
import re
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import axe
import test_views
from attune_server import Client
from browser import expect
from page_case import PageCase

MARKUP = "<img src=x onerror=\"window.owned=1\"><b class=evil>x</b>"
# What quoting of some language, of a shell or of HTML could break.
ODD = ['it\'s "so"', "back\\slash \\u0041 \\n", "two\nlines", "$HOME `id` $(id) %s", "</script>&amp;", "ü 字 😀", "??/ ??=", "tab\tand 'quote'\\", "__proto__"]
CLASSES = 200
RUN_S = 60


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def odd_table():
    """Columns and categories with odd names; each category moves the odds."""
    lines = [",".join(map(quoted, ["number"] + ODD + ["answer"]))]
    for i in range(180):
        cells = [ODD[(i + k) % len(ODD)] if (i // 3 + k) % 4 else "plain" for k in range(len(ODD))]
        lines.append(",".join(map(quoted, [str(i % 37)] + cells + ["no " + MARKUP if (i % 37 > 18) != (i % 11 == 0) else "yes " + MARKUP])))
    return "\n".join(lines).encode()


def many_table():
    """200 classes around points of a grid, close enough to be confused with their neighbours."""
    lines = ["x,y,class"]
    for i in range(CLASSES * 8):
        k = i % CLASSES
        lines.append(f"{k % 20 + 0.37 * ((i * 7919) % 11 - 5) / 3:.3f},{k // 20 + 0.21 * ((i * 104729) % 13 - 6) / 3:.3f},<b class=evil>c{k:03}</b>")
    return "\n".join(lines).encode()


class Hear(BaseHTTPRequestHandler):
    """Keeps the body and answers as a model would."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        answer = b'{"predictions": [{}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Echo(ThreadingHTTPServer):
    """Hears what programs send."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hear)
        self.bodies = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class ModelPage(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        jobs = [cls.train("odd", cls.upload("odd.csv", odd_table()), "answer"), cls.train("many-classes", cls.upload("many.csv", many_table()), "class")]
        jobs += [cls.train("odd", cls.server.get(f"/api/v1/jobs/{jobs[0]}").json["dataset"]["id"], "answer")]
        for job in jobs:
            made = cls.server.wait_job(job, 120)
            if made["state"] != "succeeded":
                raise AssertionError(made)

    @classmethod
    def upload(cls, name, content):
        return cls.server.wait_dataset(cls.server.upload("/api/v1/datasets", [("file", name, content)]).json["id"])["id"]

    @classmethod
    def train(cls, name, dataset, target):
        answer = cls.server.post("/api/v1/jobs", {"dataset": dataset, **({"target": target} if target else {}), "deploy_as": name, "families": ["linear"],
                                                  "budget": {"trials": 1}})
        if answer.status != 202:
            raise AssertionError(answer)
        return answer.json["id"]

    def fair(self):
        """No markup came to life, nothing on the console, nothing that axe finds, light and dark."""
        self.text_only()
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.assertEqual(axe.violations(self.page), [], scheme)
        self.quiet()

    # ---- confusions ----

    def test_rows_of_each_cell(self):
        self.open("/models/odd", "#confusion")
        report = self.server.get("/api/v1/models/odd/report").json["metrics"]["confusion"]
        cells, shown = self.page.locator("#confusion tbody td"), self.page.locator("#cell-rows tbody tr")
        for i, j in ((i, j) for i in range(2) for j in range(2)):
            cell = cells.nth(2 * i + j)
            rows = report["matrix"][i][j]
            if not rows:
                expect(cell.locator("button")).to_have_count(0)
                continue
            cell.locator("button").press("Enter")
            head = report["labels"][i] + (", taken for what it is" if i == j else f" taken for {report['labels'][j]}")
            expect(self.page.locator("#cell-rows h3")).to_have_text(head)
            expect(shown).to_have_count(min(20, rows))
            self.assertTrue(all(report["labels"][i] in row for row in shown.all_inner_texts()))
        self.picture("model-cell")
        self.fair()

    def test_200_classes(self):
        self.open("/models/many-classes", "#matrix-picture", "#pairs", "#confusion")
        report = self.server.get("/api/v1/models/many-classes/report").json
        self.assertEqual(len(report["metrics"]["confusion"]["labels"]), CLASSES)
        first = self.page.locator("#pairs tbody tr").first
        truth, predicted = (first.locator("td").nth(i).inner_text() for i in (0, 1))
        first.locator("button").first.press("Enter")
        expect(self.page.locator("#cell-rows h3")).to_have_text(f"{truth} taken for {predicted}")
        self.see("#cell-rows tbody tr")
        self.see("[name=matrix-class]").select_option(label="<b class=evil>c137</b>")
        heads = self.page.locator("#confusion tbody th")
        expect(heads.get_by_text("<b class=evil>c137</b>", exact=True)).to_have_count(1)
        self.assertLessEqual(heads.count(), 12)
        self.assertLess(self.page.locator("#main *").count(), 3000)
        self.see("[name=curve-class]").select_option(index=1)
        self.see("#roc [data-line]")
        self.picture("model-200-classes")
        self.fair()
        self.open("/models/many-classes?view=try")
        self.see("form#try button[type=submit]").press("Enter")
        self.says("#prediction", "more with")
        self.fair()

    # ---- a shadow ----

    def test_shadow(self):
        path = "/api/v1/models/odd/aliases/shown"
        newest = self.server.get("/api/v1/models/odd").json["version"]
        older = newest - 1
        self.assertEqual(self.server.call("PUT", path, {"version": older}).status, 200)
        self.open("/models/odd?view=versions", "#aliases")
        self.see("button[aria-label='Shadow of shown']").press("Enter")
        self.see("[name=shadow]").select_option(str(newest))
        self.page.locator("form:has([name=shadow]) button").first.click()
        self.says("#aliases", f"shown → version {older}, version {newest} in its shadow")
        for number in range(5):
            self.assertEqual(self.server.post("/api/v1/models/odd@shown/predict", {"rows": [{"number": number}]}).status, 200)

        def seen():
            self.see("button[aria-label='look again how the shadow of shown does']").click()
            return re.search(r"Rows that both answered\s+5\s+The same answer\s+100.0 % \(5\)", self.text("#shadow-shown"))
        self.wait(seen)
        self.picture("model-shadow")
        self.fair()
        self.see("button[aria-label='Divide calls of shown']").click()
        self.see("[name=share]").press("Enter")
        self.says("#aliases", f"90 % to version {older}, 10 % to version {newest}")
        self.assertEqual(self.server.get(path).json["shadow"], newest)
        self.see("#rollback-shown").click()
        self.wait(lambda: self.server.get(path).json["split"] is None)
        self.says("#aliases", f"shown → version {older}, version {newest} in its shadow")
        self.see("button[aria-label='end the shadow of shown']").click()
        expect(self.page.locator("#shadow-shown")).to_have_count(0)
        self.assertIsNone(self.server.get(path).json["shadow"])
        self.quiet()

    # ---- the code ----

    def code(self, language):
        self.page.locator("[aria-label=language]").get_by_role("button", name=language, exact=True).click()
        return self.page.locator("#code").text_content()

    def run_code(self, language, text, folder):
        """What a program prints that stands as the page shows it."""
        commands = {"curl": ["bash", "-c", text], "Python": ["python3", "-c", text], "JavaScript": ["node", "--input-type=module", "-e", text],
                    "C": [os.path.join(folder, "predict")], "Go": ["go", "run", "predict.go"], "Java": ["java", "Predict.java"]}
        for ending in ("c", "go", "java"):
            with open(os.path.join(folder, "Predict.java" if ending == "java" else "predict." + ending), "w", encoding="utf-8") as file:
                file.write(text)
        if language == "C":
            subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "predict.c", "-o", "predict", "-lcurl"], check=True, cwd=folder, timeout=RUN_S)
        done = subprocess.run(commands[language], capture_output=True, text=True, check=True, timeout=RUN_S, cwd=folder)
        return done.stdout

    LANGUAGES = os.environ.get("ATTUNE_SNIPPETS", "curl Python JavaScript C").split()

    def test_code_runs_as_shown(self):
        self.open("/models/odd?view=try", "#make-key")
        for name, value in zip(ODD, ODD[1:] + ODD[:1]):
            self.page.evaluate("""([name, value]) => {
              const field = [...document.querySelectorAll("#try select")].find((one) => one.name === name);
              field.value = value;
              field.dispatchEvent(new Event("input", {bubbles: true}));
            }""", ["column:" + name, value])
        self.see("#make-key").click()
        self.see(".flag.ok")
        line = self.code("curl")
        key = re.search(r"Bearer (atk_[\w-]+)", line).group(1)
        asked = Client(self.server.port, key)
        self.assertEqual(asked.get("/api/v1/jobs").status, 403)
        self.assertEqual(asked.post("/api/v1/models/many-classes/predict", {"rows": [{}]}).status, 403)
        number = int(self.see("[name='column:number']").input_value())
        wanted = asked.post("/api/v1/models/odd/predict", {"rows": [{"number": number, **dict(zip(ODD, ODD[1:] + ODD[:1]))}]}).json["predictions"][0]
        self.assertNotIn("warnings", wanted)
        bare = asked.post("/api/v1/models/odd/predict", {"rows": [{"number": number}]}).json["predictions"][0]
        self.assertNotEqual(wanted["probability"], bare["probability"])
        with tempfile.TemporaryDirectory() as folder:
            for language in self.LANGUAGES:
                with self.subTest(language):
                    text = self.code(language)
                    self.assertIn(key, text)
                    printed = self.run_code(language, text, folder)
                    self.assertIn(repr(wanted["probability"]), printed)
                    self.assertNotIn("warnings", printed)
        for language, word in (("Go", "http.NewRequest("), ("Java", "HttpRequest.newBuilder(")):
            self.assertIn(word, self.code(language))
        self.fair()

    def test_code_for_images(self):
        made = self.train("code-sides", self.upload("sides.zip", test_views.pictures()), None)
        self.assertEqual(self.server.wait_job(made, 120)["state"], "succeeded")
        self.open("/models/code-sides?view=try", ".samples button")
        self.see("#make-key").click()
        self.see(".flag.ok")
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "image.png"), "wb") as file:
                file.write(test_views.png(12, lambda x, y: x > 7))
            for language in self.LANGUAGES:
                with self.subTest(language):
                    self.assertRegex(self.run_code(language, self.code(language), folder), r"label['\"]?: ?['\"]right")
        self.fair()

    # ---- dates and texts ----

    def test_dates_and_texts(self):
        lines = ["day,said,number,answer"]
        for i in range(160):
            lines.append(f'2024-{i % 12 + 1:02}-{i % 28 + 1:02},"{"good fine happy" if i % 2 else "bad poor sad"} word{i} and more words here {i * 7919}",{i % 9},{"yes" if i % 2 else "no"}')
        made = self.upload("said.csv", "\n".join(lines).encode())
        types = {column["name"]: column["type"] for column in self.server.get(f"/api/v1/datasets/{made}").json["columns"]}
        self.assertEqual((types["day"], types["said"]), ("datetime", "text"))
        self.assertEqual(self.server.wait_job(self.train("said", made, "answer"), 120)["state"], "succeeded")
        self.open("/models/said?view=try", "#sample")
        day = self.see("[name='column:day']")
        self.assertRegex(day.input_value(), r"^2024-0[67]-\d\dT00:00(:00)?$")
        text = self.see("[name='column:said']")
        self.assertEqual(text.evaluate("(field) => field.tagName"), "TEXTAREA")
        text.press("Control+End")
        self.type("good fine happy\nhere")
        expect(self.see("#prediction .answer")).to_have_text("yes")
        self.assertEqual(self.page.locator("#prediction .warning").count(), 0)
        self.assertIn("2024-0", self.code("curl"))
        self.see("#sample").click()
        self.says("#try", "In the data answer is")
        self.assertRegex(day.input_value(), r"^2024-\d\d-\d\dT00:00(:00)?$")
        day.evaluate("(field) => { field.value = '2031-01-01T00:00:00'; field.dispatchEvent(new Event('input', {bubbles: true})); }")
        self.says("#unusual", "day is above all that was seen")
        self.picture("model-dates")
        self.fair()

    def test_code_of_any_row(self):
        """Every odd text as name and as value at once, through each language's quoting."""
        row = {**{name + value: value + name for name in ODD for value in ODD}, "number": 1e21, "small": 1.5e-7, "gone": None, "yes": True, "list": ODD}
        self.open("/docs", "details.card")
        texts = dict(self.page.evaluate("""async (row) => {
          const code = await import("/assets/snippets.js");
          return code.LANGUAGES.map(([name, make]) => [name, make("odd", {rows: [JSON.parse(row)]}, "KEY")]);
        }""", json.dumps(row)))
        with Echo() as echo, tempfile.TemporaryDirectory() as folder:
            for language in self.LANGUAGES:
                with self.subTest(language):
                    self.run_code(language, texts[language].replace(self.base, f"http://127.0.0.1:{echo.server_port}"), folder)
                    self.assertEqual(json.loads(echo.bodies.pop()), {"rows": [row]})
