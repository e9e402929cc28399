"""What the pages say and do when something goes wrong: the server gone, a job deleted meanwhile, files that are no dataset, an
upload under which the server restarts, and more trials, classes and columns than anyone reads."""

import os
import signal
import unittest

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

import axe
from every_page_data import MANY_CLASSES, MANY_COLUMNS
from page_case import PageCase

TRIALS = 10_000
UPLOAD_BYTES = 24_000_000
SLOW = 4_000_000  # bytes/s, so that the upload lasts until the server goes


class Faults(PageCase):
    # ---- files ----

    def drop(self, *files, target="document.body"):
        """Drops files of (name, text) on the page."""
        self.browser.execute_script(f"""
          const files = new DataTransfer();
          for (const [name, text] of arguments[0]) files.items.add(new File([text], name));
          {target}.dispatchEvent(new DragEvent("drop", {{bubbles: true, cancelable: true, dataTransfer: files}}));""", files)

    def datasets(self):
        return [item["name"] for item in self.server.get("/api/v1/datasets?limit=100").json["items"]]

    def test_wrong_files(self):
        """Each is told what it is and what to do, and nothing is sent; the page takes a right one afterwards."""
        before = self.datasets()
        self.open("/", "#upload")
        self.browser.execute_script("const open = XMLHttpRequest.prototype.open; window.sent = 0; XMLHttpRequest.prototype.open = function (...all) { window.sent++; return open.apply(this, all); };")
        for names, words in ((["book.xlsx"], "workbook"), (["paper.pdf"], "no table"), (["data.json"], "as CSV"), (["cat.jpg"], "folder for each class"), (["empty.csv"], "empty"),
                             (["a.csv", "b.csv"], "2 files"), (["a.png", "b.png", "c.png"], "zip"), (["<img src=x onerror=window.owned=1>.pdf"], "<img src=x")):
            with self.subTest(names):
                self.drop(*((name, "" if name.startswith("empty") else "a,b\n1,2\n") for name in names))
                told = self.see("#upload .problem").text
                self.assertIn(words, told)
                self.assertIn("Nothing was sent", told)
        self.assertEqual(self.browser.execute_script("return [window.sent, window.owned || 0]"), [0, 0])
        self.assertEqual(self.datasets(), before)
        self.picture("wrong-file")
        self.assertEqual(axe.violations(self.browser), [])
        self.drop(("right.csv", "a,b\n1,2\n3,4\n5,6\n"))
        self.wait(lambda page: "/jobs/new?dataset=ds_" in page.current_url)
        self.see("#plan table, #plan [role=alert]")
        self.quiet("422")

    def test_dropped_elsewhere(self):
        """On a page that takes no file the browser stays, and is asked whether it is meant as a dataset."""
        self.open("/models/every", "#confusion")
        self.drop(("elsewhere.csv", "a,b\n1,2\n3,4\n5,6\n"))
        self.see("#upload-dialog")
        self.focus_on("#upload-dialog button[type=submit]")
        self.assertEqual(axe.violations(self.browser), [])
        self.picture("dropped-elsewhere")
        self.press(Keys.ESCAPE)
        self.wait(lambda page: not page.find_elements(By.ID, "upload-dialog"))
        self.assertNotIn("elsewhere", self.datasets())
        self.drop(("elsewhere.csv", "a,b\n1,2\n3,4\n5,6\n"))
        self.focus_on("#upload-dialog button[type=submit]")
        self.press(Keys.ENTER)
        self.see("#columns")
        self.assertIn("/datasets/ds_", self.browser.current_url)
        self.quiet()

    def test_restart_during_upload(self):
        """The server is killed under an upload: the page says so, goes on once it is back, and offers to send again: one whole dataset is stored."""
        path = os.path.join(self.server.data_dir, "interrupted.csv")
        line = b"1.25,2.5,3.75,4.5\n"
        with open(path, "wb") as file:
            file.write(b"a,b,c,d\n" + line * (UPLOAD_BYTES // len(line)))
        self.open("/", "#jobs tbody tr")
        self.see("#upload [name=name]").send_keys("interrupted")
        page = self.browser
        page.execute_cdp_cmd("Network.enable", {})
        page.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW})
        try:
            page.find_element(By.CSS_SELECTOR, "#upload [name=file]").send_keys(path)
            self.see("#upload button[type=submit]").send_keys(Keys.ENTER)
            bar = self.see("#upload [role=progressbar]")
            self.focus_on("#stop-upload")
            self.wait(lambda _: 5 <= int(bar.get_attribute("aria-valuenow") or 0) < 90)
            self.assertRegex(self.see("#upload").text, r"\d MB of 24 MB, ")
            self.assertEqual(axe.violations(page), [])
            self.server.stop(signal.SIGKILL)
            self.assertIn("connection broke", self.see("#upload .problem").text)
            self.assertIn("Trying again", self.see("#banner").text)
            self.assertEqual(axe.violations(page), [])
            page.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
            self.server.start()
            self.see("#again")
            self.wait(lambda _: not page.find_element(By.ID, "banner").is_displayed())
            self.assertEqual(self.see("#upload [name=name]").get_attribute("value"), "interrupted")
            self.assertNotIn("interrupted", self.datasets())
            self.picture("upload-broken-off")
            self.see("#again").click()
            self.wait(lambda _: "/jobs/new?dataset=ds_" in page.current_url)
        finally:
            page.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
        self.see("#plan [role=alert]")  # all its rows are the same
        self.assertEqual(self.datasets().count("interrupted"), 1)
        self.assertEqual(self.server.get("/api/v1/datasets/" + page.current_url.rsplit("=", 1)[1]).json["rows"], UPLOAD_BYTES // len(line))
        self.assertEqual(os.listdir(os.path.join(self.server.data_dir, "spool")), [])
        self.quiet("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_SOCKET", "503", "422")

    def test_upload_stopped(self):
        path = os.path.join(self.server.data_dir, "stopped.csv")
        with open(path, "wb") as file:
            file.write(b"a,b\n" + b"1.25,2.5\n" * 1_000_000)
        self.open("/datasets", "#upload")
        page = self.browser
        page.execute_cdp_cmd("Network.enable", {})
        page.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1_000_000})
        try:
            page.find_element(By.NAME, "file").send_keys(path)
            self.see("#upload button[type=submit]").send_keys(Keys.ENTER)
            self.see("#stop-upload").send_keys(Keys.ENTER)
            self.assertIn("Nothing was stored", self.see("#upload .problem").text)
            self.focus_on("#upload button[type=submit]")
        finally:
            page.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
        self.assertNotIn("stopped", self.datasets())
        self.quiet()

    # ---- what goes away ----

    def test_deleted_meanwhile(self):
        """A job and a dataset that go while their page is open, and a new job of what is gone."""
        job = self.server.post("/api/v1/jobs", {"dataset": self.data["many"], "target": "which", "families": ["linear"], "budget": {"seconds": 600}}).json["id"]
        self.open(f"/jobs/{job}", ".head .state.running")
        self.browser.execute_script("""
          const real = window.fetch;
          const gone = arguments[0];
          window.fetch = (path, more) => (path.includes(gone) ? Promise.resolve(new Response('{"status": 404, "detail": "gone"}', {status: 404})) : real(path, more));""", job)
        self.assertIn("deleted", self.see("#gone").text)
        self.assertEqual(axe.violations(self.browser), [])
        self.server.post(f"/api/v1/jobs/{job}/cancel")
        made = self.server.upload("/api/v1/datasets", [("file", "short-lived.csv", b"a,b\n1,2\n3,4\n5,6\n")]).json["id"]
        self.open(f"/datasets/{made}", "#columns")
        self.server.call("DELETE", f"/api/v1/datasets/{made}")
        Select(self.see("[name='type:a']")).select_by_value("categorical")
        self.see("#save-types").send_keys(Keys.ENTER)
        self.see(".problem")
        self.focus_on("#save-types")
        self.open(f"/jobs/new?dataset={made}", "#gone a")
        self.quiet("404")

    # ---- more than anyone reads ----

    def test_many_classes(self):
        """200 classes: the confusions that matter, the classes that do worst, and an answer with the likeliest."""
        self.open("/models/many", "#confusion tbody tr", "#classes tbody tr")
        page = self.browser
        self.assertLessEqual(len(page.find_elements(By.CSS_SELECTOR, "#confusion tbody tr")), 40)
        self.assertIn(f"{MANY_CLASSES} classes", self.see("#view-panel").text)
        self.assertIn("<i class=evil>", self.see("#confusion").text)
        self.assertLessEqual(page.execute_script("return document.documentElement.scrollWidth - window.innerWidth"), 0)
        self.picture("many-classes")
        self.open("/models/many?view=try", "form#try")
        self.see("#sample").click()
        self.see("#prediction .answer")
        self.picture("many-classes-try")
        self.assertLess(len(page.find_elements(By.CSS_SELECTOR, "#prediction .share")), 30)
        self.quiet()

    def test_many_columns(self):
        """2,000 columns: a page of them at a time, all of them as targets."""
        self.open("/datasets/{wide}", "#columns tbody tr", "#preview")
        self.assertLess(len(self.browser.find_elements(By.CSS_SELECTOR, "#columns tbody tr")), 100)
        self.assertLessEqual(self.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth"), 0)
        self.open("/jobs/new?dataset={wide}", "#plan table")
        self.assertEqual(len(Select(self.see("[name=target]")).options), MANY_COLUMNS)
        self.picture("many-columns")
        self.quiet()

    def test_rounding_is_no_range(self):
        """Scores that differ in their last bit: the ticks of a scale between them once had no end, and the page stood still."""
        self.open("/studies", "#studies")
        ticks = self.browser.execute_async_script("""
          const done = arguments[0];
          import("/assets/scale.js").then(({scale}) => done([[0.5207, 0.5207 + 1.2e-16], [-1e9, -1e9 + 1e-7], [0, 0], [3, 4]].map((ends) => scale({kind: "linear"}, ends, 0, 100, 5).ticks.length)));""")
        self.assertTrue(all(1 <= count <= 12 for count in ticks), ticks)

    def test_many_trials(self):
        """10,000 trials (made up on the way from the server): their page is there in a moment and draws few of them."""
        page = self.browser
        added = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
          const real = window.fetch, count = %d;
          window.fetch = (path, more) => {
            const found = /trials[?]limit=100(?:&cursor=([0-9]+))?$/.exec(path);
            if (!found) return real(path, more);
            const first = Number(found[1] || 0) + 1;
            const items = Array.from({length: Math.max(0, Math.min(100, count - first + 1))}, (_, i) => ({id: "tr_" + (first + i), number: first + i, family: "mlp",
              state: "done", params: {units: first + i}, metric: 1 - 1 / (first + i), metric_name: "accuracy", seconds: 1, reasons: [], rungs: 0, rung: null, within_limits: true}));
            const last = first + items.length - 1;
            return Promise.resolve(new Response(JSON.stringify({items, next_cursor: last < count && items.length ? String(last) : null})));
          };""" % TRIALS})["identifier"]
        try:
            self.open("/jobs/{job}", "#best-chart svg .line")
            self.wait(lambda _: page.find_element(By.CSS_SELECTOR, "#trials [role=grid]").get_attribute("aria-rowcount") == str(TRIALS + 1))
            self.assertLess(len(page.find_elements(By.CSS_SELECTOR, "#trials .v-body .v-row")), 60)
            self.assertEqual(axe.violations(page), [])
            self.open("/jobs/{job}/search", "#parallel svg")
            took = page.execute_script("return Math.round(performance.now())")
            print(f"    the search of {TRIALS} trials is drawn after {took} ms")
        finally:
            page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": added})
        self.quiet("/trials/tr_", "/importance", "/gain")  # the server knows nothing of them


if __name__ == "__main__":
    unittest.main()
