"""What the pages say and do when something goes wrong: the server gone, a job deleted meanwhile, files that are no dataset, an
upload under which the server restarts, and more trials, classes and columns than anyone reads."""

import os
import re
import signal
import unittest

import axe
from browser import expect
from every_page_data import MANY_CLASSES, MANY_COLUMNS
from page_case import EveryPageCase

TRIALS = 10_000
UPLOAD_BYTES = 24_000_000
SLOW = 1_000_000  # bytes/s, so that the upload lasts until the server goes
# Trials that the server has not, in its lists.
MADE_UP = """
  const real = window.fetch, count = %d;
  window.fetch = (path, more) => {
    const found = /trials[?]limit=100(?:&cursor=([0-9]+))?$/.exec(path);
    if (!found) return real(path, more);
    const first = Number(found[1] || 0) + 1;
    const items = Array.from({length: Math.max(0, Math.min(100, count - first + 1))}, (_, i) => ({id: "tr_" + (first + i), number: first + i, family: "mlp",
      state: "done", params: {units: first + i}, metric: 1 - 1 / (first + i), metric_name: "accuracy", seconds: 1, reasons: [], rungs: 0, rung: null, within_limits: true}));
    const last = first + items.length - 1;
    return Promise.resolve(new Response(JSON.stringify({items, next_cursor: last < count && items.length ? String(last) : null})));
  };
""" % TRIALS


class Faults(EveryPageCase):
    # ---- files ----

    def drop(self, *files):
        """Drops files of (name, text) on the page."""
        self.page.evaluate("""(named) => {
          const files = new DataTransfer();
          for (const [name, text] of named) files.items.add(new File([text], name));
          document.body.dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: files}));
        }""", files)

    def datasets(self):
        return [item["name"] for item in self.server.get("/api/v1/datasets?limit=100").json["items"]]

    def test_wrong_files(self):
        """Each is told what it is and what to do, and nothing is sent; the page takes a right one afterwards."""
        before = self.datasets()
        self.open("/", "#upload")
        sent = []
        self.page.on("request", note := lambda request: sent.append(request.method))
        self.addCleanup(self.page.remove_listener, "request", note)
        for names, words in ((["book.xlsx"], "workbook"), (["paper.pdf"], "no table"), (["data.json"], "as CSV"), (["cat.jpg"], "folder for each class"), (["empty.csv"], "empty"),
                             (["a.csv", "b.csv"], "2 files"), (["a.png", "b.png", "c.png"], "zip"), (["<img src=x onerror=window.owned=1>.pdf"], "<img src=x")):
            with self.subTest(names):
                self.drop(*((name, "" if name.startswith("empty") else "a,b\n1,2\n") for name in names))
                self.says("#upload .problem", words)
                self.says("#upload .problem", "Nothing was sent")
        self.text_only()
        self.assertNotIn("POST", sent)
        self.assertEqual(self.datasets(), before)
        self.picture("wrong-file")
        self.assertEqual(axe.violations(self.page), [])
        self.drop(("right.csv", "a,b\n1,2\n3,4\n5,6\n"))
        expect(self.page).to_have_url(re.compile(r"/jobs/new\?dataset=ds_"))
        self.see("#plan table, #plan [role=alert]")
        self.assertIn("POST", sent)
        self.quiet("422")

    def test_dropped_elsewhere(self):
        """On a page that takes no file the browser stays, and is asked whether it is meant as a dataset."""
        self.open("/models/every", "#confusion")
        self.drop(("elsewhere.csv", "a,b\n1,2\n3,4\n5,6\n"))
        self.see("#upload-dialog")
        self.focus_on("#upload-dialog button[type=submit]")
        self.assertEqual(axe.violations(self.page), [])
        self.picture("dropped-elsewhere")
        self.press("Escape")
        expect(self.page.locator("#upload-dialog")).to_have_count(0)
        self.assertNotIn("elsewhere", self.datasets())
        self.drop(("elsewhere.csv", "a,b\n1,2\n3,4\n5,6\n"))
        self.focus_on("#upload-dialog button[type=submit]")
        self.press("Enter")
        self.see("#columns")
        self.assertIn("/datasets/ds_", self.page.url)
        self.quiet()

    def test_restart_during_upload(self):
        """The server is killed under an upload: the page says so, goes on once it is back, and offers to send again: one whole dataset is stored."""
        path = os.path.join(self.server.data_dir, "interrupted.csv")
        line = b"1.25,2.5,3.75,4.5\n"
        with open(path, "wb") as file:
            file.write(b"a,b,c,d\n" + line * (UPLOAD_BYTES // len(line)))
        self.open("/", "#jobs tbody tr")
        self.see("#upload [name=name]").fill("interrupted")
        with self.upload_rate(SLOW):
            self.page.locator("#upload [name=file]").set_input_files(path)
            self.see("#upload button[type=submit]").press("Enter")
            bar = self.see("#upload [role=progressbar]")
            self.focus_on("#stop-upload")
            self.wait(lambda: 5 <= int(bar.get_attribute("aria-valuenow") or 0) < 90)
            self.assertRegex(self.text("#upload"), r"\d MB of 24 MB, ")
            self.assertEqual(axe.violations(self.page), [])
            self.server.stop(signal.SIGKILL)
            self.says("#upload .problem", "connection broke")
            self.says("#banner", "Trying again")
            self.assertEqual(axe.violations(self.page), [])
        self.server.start()
        self.see("#again")
        expect(self.page.locator("#banner")).to_be_hidden()
        expect(self.page.locator("#upload [name=name]")).to_have_value("interrupted")
        self.assertNotIn("interrupted", self.datasets())
        self.picture("upload-broken-off")
        self.see("#again").click()
        expect(self.page).to_have_url(re.compile(r"/jobs/new\?dataset=ds_"))
        self.see("#plan [role=alert]")  # all its rows are the same
        self.assertEqual(self.datasets().count("interrupted"), 1)
        self.assertEqual(self.server.get("/api/v1/datasets/" + self.page.url.rsplit("=", 1)[1]).json["rows"], UPLOAD_BYTES // len(line))
        self.assertEqual(os.listdir(os.path.join(self.server.data_dir, "spool")), [])
        self.quiet("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_SOCKET", "503", "422")

    def test_upload_stopped(self):
        path = os.path.join(self.server.data_dir, "stopped.csv")
        with open(path, "wb") as file:
            file.write(b"a,b\n" + b"1.25,2.5\n" * 1_000_000)
        self.open("/datasets", "#upload")
        with self.upload_rate(1_000_000):
            self.page.locator("#upload [name=file]").set_input_files(path)
            self.see("#upload button[type=submit]").press("Enter")
            self.see("#stop-upload").press("Enter")
            self.says("#upload .problem", "Nothing was stored")
            self.focus_on("#upload button[type=submit]")
        self.assertNotIn("stopped", self.datasets())
        self.quiet()

    # ---- what goes away ----

    def test_deleted_meanwhile(self):
        """A job and a dataset that go while their page is open, and a new job of what is gone."""
        job = self.server.post("/api/v1/jobs", {"dataset": self.data["many"], "target": "which", "families": ["linear"], "budget": {"seconds": 600}}).json["id"]
        self.open(f"/jobs/{job}", ".head .state.running")
        self.page.evaluate("""(gone) => {
          const real = window.fetch;
          window.fetch = (path, more) => (path.includes(gone) ? Promise.resolve(new Response('{"status": 404, "detail": "gone"}', {status: 404})) : real(path, more));
        }""", job)
        self.says("#gone", "deleted")
        self.assertEqual(axe.violations(self.page), [])
        self.server.post(f"/api/v1/jobs/{job}/cancel")
        made = self.server.upload("/api/v1/datasets", [("file", "short-lived.csv", b"a,b\n1,2\n3,4\n5,6\n")]).json["id"]
        self.open(f"/datasets/{made}", "#columns")
        self.server.call("DELETE", f"/api/v1/datasets/{made}")
        self.see("[name='type:a']").select_option("categorical")
        self.see("#save-types").press("Enter")
        self.see(".problem")
        self.focus_on("#save-types")
        self.open(f"/jobs/new?dataset={made}", "#gone a")
        self.quiet("404")

    # ---- more than anyone reads ----

    def test_many_classes(self):
        """200 classes: the confusions that matter, the classes that do worst, and an answer with the likeliest."""
        self.open("/models/many", "#confusion tbody tr", "#classes tbody tr")
        self.assertLessEqual(self.page.locator("#confusion tbody tr").count(), 40)
        self.says("#view-panel", f"{MANY_CLASSES} classes")
        self.says("#confusion", "<i class=evil>")
        self.fits()
        self.picture("many-classes")
        self.open("/models/many?view=try", "form#try")
        self.see("#sample").click()
        self.see("#prediction .answer")
        self.picture("many-classes-try")
        self.assertLess(self.page.locator("#prediction .share").count(), 30)
        self.quiet()

    def test_many_columns(self):
        """2,000 columns: a page of them at a time, all of them as targets."""
        self.open("/datasets/{wide}", "#columns tbody tr", "#preview")
        self.assertLess(self.page.locator("#columns tbody tr").count(), 100)
        self.fits()
        self.open("/jobs/new?dataset={wide}", "#plan table")
        expect(self.page.locator("[name=target] option")).to_have_count(MANY_COLUMNS)
        self.picture("many-columns")
        self.quiet()

    def test_rounding_is_no_range(self):
        """Scores that differ in their last bit: the ticks of a scale between them once had no end, and the page stood still."""
        self.open("/studies", "#studies")
        ticks = self.page.evaluate("""async () => {
          const {scale} = await import("/assets/scale.js");
          return [[0.5207, 0.5207 + 1.2e-16], [-1e9, -1e9 + 1e-7], [0, 0], [3, 4]].map((ends) => scale({kind: "linear"}, ends, 0, 100, 5).ticks.length);
        }""")
        self.assertTrue(all(1 <= count <= 12 for count in ticks), ticks)

    def test_many_trials(self):
        """10,000 trials (made up on the way from the server): their page is there in a moment and draws few of them."""
        with self.apart() as page:
            page.add_init_script(MADE_UP)
            self.open("/jobs/{job}", "#best-chart [data-line]")
            expect(page.locator("#trials [role=grid]")).to_have_attribute("aria-rowcount", str(TRIALS + 1))
            self.assertLess(page.locator("#trials .v-body .v-row").count(), 60)
            self.assertEqual(axe.violations(page), [])
            self.open("/jobs/{job}/search", "#parallel svg")
            print(f"    the search of {TRIALS} trials is drawn after {page.evaluate('Math.round(performance.now())')} ms")
            self.quiet("/trials/tr_", "/importance", "/gain")  # the server knows nothing of them


if __name__ == "__main__":
    unittest.main()
