"""The pages as people use them: names with markup, keyboard alone, a broken upload, what is gone, phones."""

import base64
import re
import struct
import tempfile
import unittest
import zipfile
import zlib
from io import BytesIO

from attune_server import Client
from browser import expect
from page_case import PageCase

MARKUP = "<img src=x onerror=\"window.owned=1\"><b class=evil>x</b>"


def table():
    """Columns, categories, target and classes with markup in their names; `kind` follows from `size`."""
    quote = lambda text: '"' + text.replace('"', '""') + '"'  # noqa: E731
    lines = [",".join(map(quote, ("size", "shade " + MARKUP, "kind " + MARKUP)))]
    for i in range(120):
        lines.append(f"{i % 60 + i / 1000:.3f},{quote(('dark ', 'light ')[i // 7 % 2] + MARKUP)},{quote('big ' + MARKUP if i % 60 > 30 else 'small')}")
    return "\n".join(lines).encode()


def png(side, lit):
    """A grey PNG, white where lit(x, y)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(255 if lit(x, y) else 0 for x in range(side)) for y in range(side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pictures():
    """A zip of two classes: lit on the left, lit on the right."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(24):
            archive.writestr(f"left/{i}.png", png(12, lambda x, y: x < 4 + i % 3))
            archive.writestr(f"right/{i}.png", png(12, lambda x, y: x > 6 + i % 3))
    return out.getvalue()


class Views(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = [cls.train("small", table(), MARKUP + ".csv", "trees", target="kind " + MARKUP),
                    cls.train("small", None, None, "linear"), cls.train("sides", pictures(), "sides.zip", "linear")]
        cls.jobs = [cls.server.wait_job(job, 90) for job in cls.jobs]
        cls.table = cls.jobs[0]["dataset"]["id"]

    @classmethod
    def train(cls, name, content, file, family, target=None):
        """Starts one trial; without content on the first job's data."""
        if content:
            cls.dataset = cls.server.wait_dataset(cls.server.upload("/api/v1/datasets", [("file", file, content)]).json["id"])["id"]
            cls.target = target
        answer = cls.server.post("/api/v1/jobs", {
            "dataset": cls.dataset, **({"target": cls.target} if cls.target else {}), "name": name + MARKUP if file and target else name,
            "deploy_as": name, "families": [family], "budget": {"trials": 1}})
        if answer.status != 202:
            raise AssertionError(answer)
        return answer.json["id"]

    # ---- names with markup, on every page ----

    PAGES = ("/", "/datasets", "/datasets/{data}?target={target}", "/jobs", "/jobs/new?dataset={data}", "/jobs/{job}", "/models", "/models/small",
             "/models/small?view=try", "/models/small?view=versions", "/models/small?view=drift", "/settings", "/settings?section=audit", "/settings?section=usage",
             "/settings?section=webhooks")

    def addresses(self):
        target = "kind%20" + "".join(f"%{byte:02x}" for byte in MARKUP.encode())
        return [path.format(data=self.table, job=self.jobs[0]["id"], target=target) for path in self.PAGES]

    def test_markup_is_text(self):
        self.assertEqual(self.server.post("/api/v1/keys", {"name": "key " + MARKUP, "scopes": ["read"]}).status, 201)
        self.assertEqual(self.server.post("/api/v1/webhooks", {"url": "https://example.org/<b/class=evil>", "events": ["job.failed"]}).status, 201)
        for path in self.addresses():
            with self.subTest(path):
                self.open(path, "#main .card")
                expect(self.page.locator("#main")).not_to_contain_text("Loading")
                if path == "/models/small?view=try":
                    self.see("#sample").click()
                    self.see("#prediction .answer")
                    self.see("#reasons")
                if path == "/settings":
                    self.says("#keys", "<b class=evil>")
                if path == "/models/small":
                    self.says("#confusion", "<b class=evil>")
                    self.page.locator("#dependence-card").scroll_into_view_if_needed()
                    self.see("#dependence [data-line], #dependence svg .solid")
                if path.startswith("/datasets/"):
                    self.says("#columns", "<b class=evil>")
                    self.says("#balance", "<b class=evil>")
                self.text_only()
                self.quiet()

    # ---- a phone ----

    def test_phone(self):
        with self.phone():
            for path in self.addresses():
                with self.subTest(path):
                    self.open(path, "#main .card")
                    expect(self.page.locator("#main")).not_to_contain_text("Loading")
                    self.fits()

    # ---- keyboard alone ----

    def test_keyboard(self):
        self.open("/models/small", "#view-report")
        self.tab_to("#view-report")
        self.press("ArrowRight")
        self.see("form#try")
        self.tab_to("[name='column:size']")
        self.retype("59", "Enter")
        expect(self.see("#prediction .answer")).to_have_text(re.compile("^big"))
        self.retype("900", "Enter")
        self.says("#unusual", "above")
        self.picture("try-it")

        self.open("/jobs/new?dataset=" + self.table, "#plan table")
        self.tab_to("[name=deploy_as]")
        self.tab_to("summary", 1)
        self.press("Enter")
        self.tab_to("[name=trials]")
        self.type("1")
        self.tab_to("[name=family][value=mlp]")
        self.press("Space")
        self.tab_to("details:has(#space-trees) > summary")
        expect(self.held()).to_have_text("Search space of trees")
        self.press("Enter")
        self.see("#space-trees")
        self.assertEqual(self.page.evaluate("(box => box.scrollWidth - box.clientWidth)(document.querySelector('#space-trees').parentNode)"), 0)
        self.tab_to("[aria-label='trees max_depth: to']")
        self.retype("3")
        self.says("#curl", '"high": 3')
        self.says("#curl", '"families"')
        expect(self.page.locator("#plan [role=alert], #plan[aria-busy]")).to_have_count(0)
        self.picture("new-job-space")
        self.press("Enter")
        expect(self.page).to_have_url(re.compile("/jobs/job_"))
        self.quiet()
        made = self.server.get("/api/v1/jobs/" + self.page.url.rsplit("/", 1)[1]).json
        self.assertEqual(made["spec"]["search"]["space"]["trees"]["max_depth"]["high"], 3)
        self.server.post(f"/api/v1/jobs/{made['id']}/cancel")

    def test_fold_is_filled_by_the_press(self):
        """However soon the next Tab comes, it leads into what was opened."""
        for path, fold in (("/jobs/new?dataset=" + self.table, "details.space:has(#space-trees)"), ("/docs", "details.card")):
            with self.subTest(path):
                self.open(path)
                self.page.wait_for_selector(fold, state="attached")
                fields = self.page.evaluate("""(selector) => {
                  const fold = document.querySelector(selector), count = () => fold.querySelectorAll("input, select, button").length, before = count();
                  fold.querySelector("summary").click();
                  return [before, count()];
                }""", fold)
                self.assertEqual(fields[0], 0)
                self.assertGreater(fields[1], 0)
        self.quiet()

    # ---- a broken upload, an ended session, what is gone ----

    def test_upload_breaks_off(self):
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(b"a,b\n" + b"1,2\n" * 50)
            file.flush()
            self.open("/", "#upload")
            self.page.route("**/api/v1/datasets", lambda route: route.abort("blockedbyclient"))
            try:
                self.page.locator("#upload [name=file]").set_input_files(file.name)
                self.see("#upload button").click()
                self.says("#upload .problem", "connection broke")
                again = self.see("#again")
            finally:
                self.page.unroute("**/api/v1/datasets")
            again.click()
            expect(self.page).to_have_url(re.compile(r"/jobs/new\?dataset=ds_"))
            self.see("#plan table, #plan [role=alert]")
        self.quiet("ERR_BLOCKED_BY_CLIENT", "/jobs?validate_only=1")

    def test_session_ends(self):
        self.open("/settings")
        self.see("#new-key [name=name]").fill("kept")
        self.window.context.clear_cookies()
        self.see("#new-key button").click()
        self.enter("#expired [name=key]", self.server.key)
        self.see("#secret pre")
        self.says("#keys", "kept")
        self.quiet("401")

    def test_gone(self):
        for path in ("/datasets/ds_0123456789abcdefghjk", "/models/nothing", "/models/small?version=99"):
            self.open(path, "#gone a")
        self.quiet("404")

    def test_dropped_file(self):
        self.open("/", "#upload")
        self.page.evaluate("""() => {
          const files = new DataTransfer();
          files.items.add(new File(["a,b\\n1,2\\n3\\n"], "uneven.csv", {type: "text/csv"}));
          document.body.dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: files}));
        }""")
        self.says("#upload .problem", "line 3")
        self.quiet("422")

    # ---- many columns ----

    def test_many_columns(self):
        head = ",".join(f"c{i}" for i in range(2000))
        body = "\n".join(",".join(str((i * j) % 7) for i in range(2000)) for j in range(12))
        made = self.server.upload("/api/v1/datasets", [("file", "wide.csv", f"{head}\n{body}\n".encode())]).json["id"]
        self.server.wait_dataset(made)
        self.open("/datasets/" + made, "#columns")
        expect(self.page.locator("#columns tbody tr")).to_have_count(50)
        self.see("[name=filter]").press_sequentially("c1999")
        expect(self.page.locator("#columns tbody tr")).to_have_count(1)
        self.see("[name='type:c1999']").select_option("categorical")
        self.see("#save-types").click()
        expect(self.page.locator(".facts strong").nth(2)).to_have_text("2")
        self.quiet()

    # ---- versions ----

    def test_versions(self):
        self.open("/models/small?view=versions", "#aliases")
        self.says("#aliases", "best → version")
        served = self.server.get("/api/v1/models/small").json
        other = next(item["version"] for item in served["versions"] if item["version"] != served["aliases"]["best"])
        self.see(f"button[aria-label='serve version {other} as best']").click()
        self.says("#aliases", f"best → version {other}")
        self.see("#rollback-best").click()
        self.says("#aliases", f"best → version {served['aliases']['best']}")
        self.enter("#new-alias [name=alias]", "production")
        self.says("#aliases", "production → version")
        self.see(f"button[aria-label='verify version {served['aliases']['best']}']").click()
        self.see(".flag.ok")
        self.picture("versions")
        self.quiet()

    # ---- drift ----

    def test_drift(self):
        before = self.server.get("/api/v1/models/small/drift").json["feedback"]["rows"]  # other tests ask, too
        self.open("/models/small?view=try")
        self.see("#sample").click()
        self.see("#prediction .answer")
        key = Client(self.server.port, self.server.key)
        asked = [key.post("/api/v1/models/small/predict", {"rows": [{"size": 200 + i}]}).json["prediction_id"] for i in range(30)]
        for prediction in asked[:20]:
            self.assertEqual(key.post("/api/v1/feedback", {"prediction_id": prediction, "truth": "big " + MARKUP}).status, 202)
        self.open("/models/small?view=drift", "#drift-columns")
        self.assertRegex(self.text("#drift-columns"), r"size (moved far|too few rows to tell) [1-9]")
        self.says("#view-panel", f"20 truths of {before + 30} predictions")  # what was tried in the page is not among them
        self.see("#drift-columns button").click()
        self.see("#drift-columns svg")
        self.picture("drift")
        self.quiet()

    # ---- images ----

    def test_image(self):
        self.open("/datasets/" + self.jobs[2]["dataset"]["id"], ".class-row img")
        expect(self.page.locator(".class-row strong")).to_have_text(["left", "right"])
        self.open("/models/sides?view=try")
        self.see(".samples button:nth-child(2)").click()
        expect(self.see("#prediction .answer")).to_have_text("right")
        pad = self.see(".pad canvas")
        pad.scroll_into_view_if_needed()
        frame = pad.bounding_box()
        x, y, mouse = frame["x"] + frame["width"] / 2 - 110, frame["y"] + frame["height"] / 2 - 120, self.page.mouse
        # One stroke: each sends the picture when it ends.
        mouse.move(x, y)
        mouse.down()
        for right, down in ((0, 235), (30, 235), (30, 0)):
            mouse.move(x + right, y + down, steps=10)
        mouse.up()
        expect(self.see("#prediction .answer")).to_have_text("left")
        self.picture("image")
        shown = base64.b64encode(png(12, lambda x, y: x > 7)).decode()
        self.page.evaluate("""(shown) => {
          const bytes = Uint8Array.from(atob(shown), (letter) => letter.charCodeAt(0));
          const files = new DataTransfer();
          files.items.add(new File([bytes], "right.png", {type: "image/png"}));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: files, bubbles: true}));
        }""", shown)
        expect(self.see("#prediction .answer")).to_have_text("right")
        self.quiet()


if __name__ == "__main__":
    unittest.main()
