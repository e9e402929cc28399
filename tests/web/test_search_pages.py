"""Jobs, the search explained, range tests, studies and the comparison in Chromium, in light and dark: nothing on the console,
nothing that axe finds, names as text, what can be saved, and what happens when something goes wrong."""

import glob
import math
import os
import shutil
import tempfile
import unittest
import xml.etree.ElementTree

from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import axe
from attune_server import TOP, AttuneServer
from test_walk import browser

SHOTS = os.environ.get("ATTUNE_SCREENSHOTS")
MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
FIRST_LOAD_BYTES = 250_000


class SearchPages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = AttuneServer()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.folder = tempfile.mkdtemp(prefix="attune-chromium-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.make()
        cls.browser = browser(cls.folder)
        cls.addClassCleanup(cls.browser.quit)
        cls.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": cls.folder})
        cls.base = f"http://127.0.0.1:{cls.server.port}"
        cls.browser.get(cls.server.sign_in_link())
        cls.see(cls, "#jobs")  # the frame is there before the session is

    @classmethod
    def make(cls):
        api = cls.server
        with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
            cls.dataset = api.upload("/api/v1/datasets", [("file", "iris.csv", file.read())]).json["id"]
        api.wait_dataset(cls.dataset)

        def job(name, families, trials, **search):
            answer = api.post("/api/v1/jobs", {"dataset": cls.dataset, "target": "species", "name": name, "families": families,
                                               "budget": {"trials": trials}, "search": search})
            assert answer.status == 202, answer
            return answer.json["id"]

        cls.asha = job(MARKUP, ["mlp"], 9, early_stopping="asha", seed=1)
        cls.bayes = job("by bayes", ["linear"], 6, seed=1)
        cls.random = job("by chance", ["linear"], 6, seed=1, method="random")
        cls.range_test = api.post("/api/v1/lr-range-tests", {"dataset": cls.dataset, "target": "species", "family": "mlp", "steps": 60,
                                                             "params": {"optimizer": "sgd", "schedule": "one_cycle"}}).json["id"]
        study = api.post("/api/v1/studies", {"name": MARKUP, "seed": 7, "space": {
            "rate": {"type": "float", "low": 1e-4, "high": 1, "scale": "log"}, "units": {"type": "int", "low": 8, "high": 512, "scale": "log"}}})
        cls.study = study.json["id"]
        for turn in range(8):
            trial = api.post(f"/api/v1/studies/{cls.study}/suggest", {"client_id": MARKUP[:60]}).json["trials"][0]
            value = (math.log10(trial["params"]["rate"]) + 2) ** 2 + (math.log2(trial["params"]["units"]) - 6) ** 2
            api.post(f"/api/v1/studies/{cls.study}/trials/{trial['id']}/complete",
                     {"failed": True, "reason": MARKUP} if turn == 5 else {"value": value})
        for one in (cls.asha, cls.bayes, cls.random):
            assert api.wait_job(one, 120)["state"] == "succeeded"

    def tearDown(self):
        axe.colours(self.browser, "light")
        self.browser.get_log("browser")  # each test looks at its own lines

    def wait(self, what, seconds=60):
        return WebDriverWait(self.browser, seconds, 0.1, [StaleElementReferenceException, JavascriptException]).until(what)

    def see(self, selector, seconds=60):
        return SearchPages.wait(self, lambda page: next(
            (e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None), seconds)

    def no_console_error(self, allowed="no such line"):
        bad = [line for line in self.browser.get_log("browser") if line["level"] in ("SEVERE", "ERROR") and allowed not in line["message"]]
        self.assertEqual(bad, [])

    def visit(self, name, path, *selectors):
        """The page in light and dark: there, quiet, accessible, and names with markup are text."""
        page = self.browser
        for scheme in ("light", "dark"):
            axe.colours(page, scheme)
            if scheme == "light":
                page.get(self.base + path)
            for selector in selectors:
                self.see(selector)
            self.assertEqual(axe.violations(page, None if scheme == "light" else ["color-contrast"]), [], f"{name}, {scheme}")
            if SHOTS:
                page.save_screenshot(os.path.join(SHOTS, f"{name}-{scheme}.png"))
        self.assertEqual(page.find_elements(By.CSS_SELECTOR, "main img[src=x], main b"), [])
        self.assertNotEqual(page.title, "owned")
        self.assertFalse(page.execute_script("return document.documentElement.scrollWidth > document.documentElement.clientWidth"))
        self.no_console_error()

    def test_job(self):
        self.visit("job-ended", f"/jobs/{self.asha}?trial=2", "#best-chart svg .line", "#curves-chart svg .line", "#trials .v-body .v-row", "#trial #trial-params", "#model form#try")
        self.assertIn("<b>bold</b>", self.browser.find_element(By.CSS_SELECTOR, "h1").text)

    def test_search_explained(self):
        self.visit("search", f"/jobs/{self.bayes}/search", "#gp svg .band", "#acquisition svg .line", "#importance svg .solid", "#parallel svg .line", "#pair svg .solid", "#slices svg .dots", "#methods svg .line")
        self.visit("search-asha", f"/jobs/{self.asha}/search", "#rungs svg .dots", "#parallel svg")

    def test_range_test(self):
        self.visit("range-test", f"/range-tests/{self.range_test}", "#range svg .line", "#suggested")
        self.see("#try-rates").click()
        self.wait(lambda page: len(page.find_elements(By.CSS_SELECTOR, "#three svg path.line[class*=' s']")) >= 3)
        self.no_console_error()

    def test_studies(self):
        self.visit("studies", "/studies", "#studies tbody tr")
        self.visit("study", f"/studies/{self.study}", "#best-chart svg .line", "#gp svg .band", "#trials .v-row.failed")

    def test_study_in_steps(self):
        """A study with rungs: curves and rungs are drawn, and what a client tells is seen without a reload."""
        page, api = self.browser, self.server
        study = api.post("/api/v1/studies", {"name": "in steps", "seed": 1, "early_stopping": "asha", "steps": {"min": 1, "max": 9},
                                             "space": {"rate": {"type": "float", "low": 0, "high": 1}}}).json["id"]
        path = f"/api/v1/studies/{study}"

        def run_one():
            trial = api.post(f"{path}/suggest", {"client_id": "one"}).json["trials"][0]
            for step in range(int(trial["from_step"]) + 1, int(trial["until_step"]) + 1):
                api.post(f"{path}/trials/{trial['id']}/measure", {"step": step, "value": trial["params"]["rate"] / step})

        def measured():
            return sum(bool(item["steps"]) for item in api.get(f"{path}/curves").json["items"])

        for _ in range(4):
            run_one()
        known = measured()
        self.visit("study-steps", f"/studies/{study}", "#curves-chart", "#rungs")
        self.assertIn(f"{known} trials", self.see("#curves-chart").text)
        while measured() < known + 2:
            run_one()
        self.wait(lambda _: f"{known + 2} trials" in page.find_element(By.ID, "curves-chart").text)
        self.assertEqual(len(page.find_elements(By.CSS_SELECTOR, "[aria-label='Trials at each rung'] tbody tr")), 3)
        self.no_console_error()

    def test_brush_is_shared(self):
        """A range that was picked is in the address, and there again for who opens it."""
        page = self.browser
        page.get(f"{self.base}/jobs/{self.bayes}/search")
        self.see("#parallel svg .line")
        Select(page.find_element(By.NAME, "parallel-axis")).select_by_value("linear.penalty")
        page.find_element(By.NAME, "parallel-from").send_keys("0.0001")
        page.find_element(By.NAME, "parallel-to").send_keys("0.1", Keys.ENTER)
        self.wait(lambda _: "brush=linear.penalty" in page.current_url)
        told = self.wait(lambda _: next((e.text for e in page.find_elements(By.CSS_SELECTOR, ".plot-note") if " of 6 trials." in e.text), None))
        page.get(page.current_url)
        self.wait(lambda _: told in page.find_element(By.ID, "main").text)

    def test_compare(self):
        self.visit("compare", f"/compare?jobs={self.bayes},{self.random}", "#compare tbody tr", "#by-trial svg .line", "#by-time svg .line")
        self.assertIn("random", self.browser.find_element(By.ID, "compare").text)

    def test_phone(self):
        page = self.browser
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True})
        try:
            self.visit("phone-job", f"/jobs/{self.asha}", "#best-chart svg .line", "#trials .v-body .v-row")
            self.visit("phone-search", f"/jobs/{self.bayes}/search", "#gp svg .band", "#parallel svg .line")
        finally:
            page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def test_first_load(self):
        """Everything that a page fetches over the wire, with nothing in the cache."""
        page = self.browser
        page.execute_cdp_cmd("Network.enable", {})
        for path, there in ((f"/jobs/{self.bayes}", "#best-chart svg .line"), (f"/jobs/{self.bayes}/search", "#gp svg .band"), ("/jobs/new", "main form"),
                            ("/", "main .card")):
            page.execute_cdp_cmd("Network.clearBrowserCache", {})
            page.get(self.base + path)
            self.see(there)
            sizes = page.execute_script("return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                                        ".map((e) => [e.name, e.transferSize])")
            self.assertTrue(any(name.endswith("/assets/main.js") and size > 1000 for name, size in sizes), sizes)
            self.assertEqual([name for name, _ in sizes if not name.startswith(self.base)], [])
            # What a module imports is asked for with it, and once.
            self.assertGreater(page.execute_script("return document.querySelectorAll('link[rel=modulepreload]').length"), 3)
            scripts = [name for name, size in sizes if name.endswith(".js") and size]
            self.assertEqual(sorted(scripts), sorted(set(scripts)))
            self.assertLess(sum(size for _, size in sizes), FIRST_LOAD_BYTES, sizes)
            print(f"{path.split('/')[-1] or 'home'}: {sum(size for _, size in sizes)} bytes", flush=True)

    def test_saved(self):
        """A chart as SVG, PNG and CSV: files that hold it."""
        page = self.browser
        page.get(f"{self.base}/jobs/{self.asha}")
        self.see("#best-chart svg .line")
        for kind in ("SVG", "PNG", "CSV"):
            page.find_element(By.CSS_SELECTOR, f"#best-chart button[aria-label$='as {kind}']").click()

        def saved(end):
            return self.wait(lambda _: next((name for name in glob.glob(os.path.join(self.folder, "best-score-so-far" + end)) if os.path.getsize(name)), None))

        root = xml.etree.ElementTree.parse(saved(".svg")).getroot()
        lines = [node for node in root.iter("{http://www.w3.org/2000/svg}path") if node.get("fill") == "none"]
        self.assertTrue(any(node.get("stroke", "none") != "none" for node in lines))
        with open(saved(".png"), "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        with open(saved(".csv"), encoding="utf-8") as file:
            rows = file.read().splitlines()
        self.assertTrue(rows[0].startswith("series,trial,accuracy"), rows[0])
        self.assertGreater(len(rows), 9)
        self.no_console_error()

    def test_keyboard(self):
        """A trial is opened and closed, and a hyperparameter chosen, without a pointer."""
        page = self.browser
        page.get(f"{self.base}/jobs/{self.asha}")
        self.see("#trials .v-body .v-row")
        page.execute_script("document.getElementById('trials').focus()")
        ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER).perform()
        self.see("#trial #trial-params")
        self.assertIn("trial=", page.current_url)
        self.see("#close-trial").send_keys(Keys.ENTER)
        self.wait(lambda _: not page.find_element(By.ID, "trial").is_displayed())
        page.get(f"{self.base}/jobs/{self.bayes}/search")
        self.see("#gp svg")
        for key, name in ((Keys.END, "linear.l1_ratio"), (Keys.HOME, "linear.penalty")):
            page.find_element(By.NAME, "param").send_keys(key)
            self.wait(lambda _, name=name: "param=" + name in page.current_url)
        page.get(f"{self.base}/jobs")
        ActionChains(page).send_keys(Keys.TAB, Keys.ENTER).perform()
        self.wait(lambda _: page.current_url.endswith("#main"))

    def test_many_trials(self):
        """Ten thousand rows: a few dozen are in the page wherever one scrolls to, and scrolling draws frames."""
        page = self.browser
        page.get(f"{self.base}/studies")
        self.see("#studies")
        page.set_script_timeout(60)
        found = page.execute_async_script("""
          const done = arguments[0];
          import("/assets/virtual.js").then(async ({virtualTable}) => {
            const table = virtualTable({id: "many", name: "Many", columns: [
              {text: "n", number: true, cell: (item) => String(item.n), sort: (item) => item.n}, {text: "name", cell: (item) => item.name}]});
            document.getElementById("main").append(table.box);
            table.set(Array.from({length: 10000}, (_, n) => ({n, name: "<b>" + n + "</b>"})));
            const frame = () => new Promise(requestAnimationFrame);
            await frame(); await frame();
            let most = 0, frames = 0;
            const end = table.box.scrollHeight - table.box.clientHeight, from = performance.now();
            for (let i = 0; i <= 60; i++) { table.box.scrollTop = end * i / 60; await frame(); frames++; most = Math.max(most, table.box.querySelectorAll(".v-body .v-row").length); }
            const rate = 1000 * frames / (performance.now() - from);
            await frame();
            const rows = [...table.box.querySelectorAll(".v-body .v-row")];
            done({most, last: rows[rows.length - 1].textContent, rate, bold: table.box.querySelectorAll("b").length});
          }, (error) => done({error: String(error)}));""")
        self.assertEqual(found.get("error"), None)
        self.assertLess(found["most"], 60)
        self.assertEqual(found["last"], "9999<b>9999</b>")
        self.assertEqual(found["bold"], 0)
        print(f"    scrolling 10,000 rows: {found['rate']:.0f} frames/s")
        self.no_console_error()

    def test_gone(self):
        page = self.browser
        for path in ("/jobs/job_00000000000000000000", "/jobs/job_00000000000000000000/search", "/studies/st_00000000000000000000", "/range-tests/lrt_00000000000000000000"):
            page.get(self.base + path)
            self.assertIn("deleted", self.see("#gone").text)
            self.no_console_error("404")

    def test_session_ended(self):
        """A page that is open when its session ends asks for a key on the spot and goes on."""
        page = self.browser
        page.get(f"{self.base}/jobs/{self.asha}")
        self.see("#best-chart svg .line")
        page.execute_async_script("""
          const done = arguments[0];
          import("/assets/api.js").then(({signOut}) => signOut()).then(done, done);""")
        self.see("#trials .v-body .v-row").click()
        key = self.see("#expired input")
        self.assertEqual(axe.violations(page), [])
        key.send_keys("not a key")
        key.send_keys(Keys.ENTER)
        self.see("#expired .problem")
        key.clear()
        key.send_keys(self.server.key)
        key.send_keys(Keys.ENTER)
        self.see("#trial #trial-params")
        self.no_console_error("401")

    def test_restart(self):
        """The server goes and comes back under a running job's page: it says so, and in the end it has every trial."""
        page, api = self.browser, self.server
        job = api.post("/api/v1/jobs", {"dataset": self.dataset, "target": "species", "name": "through a restart", "families": ["mlp"],
                                        "budget": {"seconds": 10}, "validation": {"holdout": 0.3}, "search": {"space": {"mlp": {"epochs": 800}}}}).json["id"]
        page.get(f"{self.base}/jobs/{job}")
        self.see("#trials .v-body .v-row")
        api.stop()
        self.assertIn("Trying again", self.see("#banner").text)
        api.start()
        self.wait(lambda _: page.find_elements(By.CSS_SELECTOR, ".head .state.succeeded"), 120)
        self.wait(lambda _: not page.find_element(By.ID, "banner").is_displayed())
        told = page.find_element(By.CSS_SELECTOR, "#trials [role=grid]").get_attribute("aria-rowcount")
        found = api.get(f"/api/v1/jobs/{job}/trials?limit=100").json["items"]
        self.assertEqual(int(told) - 1, len(found))
        numbers = {str(trial["number"]) for trial in found}
        self.wait(lambda _: {row.text.split("\n")[0] for row in page.find_elements(By.CSS_SELECTOR, "#trials .v-body .v-row")} <= numbers)


if __name__ == "__main__":
    unittest.main()
