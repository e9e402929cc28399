"""Jobs, the search explained, range tests, studies and the comparison, in light and dark: nothing on the console,
nothing that axe finds, names as text, what can be saved, and what happens when something goes wrong."""

import math
import os
import re
import unittest
import xml.etree.ElementTree

import axe
from attune_server import TOP
from browser import expect
from page_case import PageCase

MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
FIRST_LOAD_BYTES = 250_000


class SearchPages(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make()

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

    def visit(self, name, path, *selectors):
        """The page in light and dark: there, quiet, accessible, and names with markup are text."""
        page = self.page
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if scheme == "light":
                page.goto(path)
            for selector in selectors:
                self.see(selector)
            self.assertEqual(axe.violations(page, None if scheme == "light" else ["color-contrast"]), [], f"{name}, {scheme}")
            self.picture(f"{name}-{scheme}")
        self.assertEqual(page.locator("main img[src=x], main b").count(), 0)
        self.assertNotEqual(page.title(), "owned")
        self.fits()
        self.quiet()

    def test_job(self):
        self.visit("job-ended", f"/jobs/{self.asha}?trial=2", "#best-chart [data-line]", "#curves-chart [data-line]", "#trials .v-body .v-row", "#trial #trial-params", "#model form#try")
        self.says("h1", "<b>bold</b>")

    def test_search_explained(self):
        self.visit("search", f"/jobs/{self.bayes}/search", "#gp [data-band]", "#acquisition [data-line]", "#importance svg:has(.solid)", "#parallel svg:has(.line)", "#pair svg:has(.solid)", "#slices [data-dots]", "#methods [data-line]")
        self.visit("search-asha", f"/jobs/{self.asha}/search", "#rungs svg:has(.dots)", "#parallel svg")

    def test_range_test(self):
        self.visit("range-test", f"/range-tests/{self.range_test}", "#range [data-line]", "#suggested")
        self.see("#try-rates").click()
        expect(self.page.locator("#three .plot-legend > span").nth(2)).to_be_attached()
        self.quiet()

    def test_studies(self):
        self.visit("studies", "/studies", "#studies tbody tr")
        self.visit("study", f"/studies/{self.study}", "#best-chart [data-line]", "#gp [data-band]", "#trials .v-row.failed")

    def test_study_in_steps(self):
        """A study with rungs: curves and rungs are drawn, and what a client tells is seen without a reload."""
        page, api = self.page, self.server
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
        self.says("#curves-chart", f"{known} trials")
        while measured() < known + 2:
            run_one()
        expect(page.locator("#curves-chart")).to_contain_text(f"{known + 2} trials")
        expect(page.locator("[aria-label='Trials at each rung'] tbody tr")).to_have_count(3)
        self.quiet()

    def test_brush_is_shared(self):
        """A range that was picked is in the address, and there again for who opens it."""
        page = self.page
        self.open(f"/jobs/{self.bayes}/search", "#parallel svg:has(.line)")
        page.locator("[name=parallel-axis]").select_option("linear.penalty")
        page.locator("[name=parallel-from]").fill("0.0001")
        self.enter("[name=parallel-to]", "0.1")
        expect(page).to_have_url(re.compile("brush=linear.penalty"))
        told = page.locator(".plot-note").filter(has_text=" of 6 trials.").first.inner_text()
        page.goto(page.url)
        expect(page.locator("#main")).to_contain_text(told, use_inner_text=True)

    def test_compare(self):
        self.visit("compare", f"/compare?jobs={self.bayes},{self.random}", "#compare tbody tr", "#by-trial [data-line]", "#by-time [data-line]")
        self.says("#compare", "random")

    def test_compare_models(self):
        """Two models, and two versions of one; what is chosen stands in the address and can be changed."""
        first, second = (self.server.get(f"/api/v1/jobs/{job}").json["model"] for job in (self.bayes, self.random))
        self.visit("compare-models", f"/compare/models?models={first['name']},{second['name']}@{second['version']}", "#compare tbody tr", "#compare-scores tbody tr",
                   "#compare-classes tbody tr", "#compare-importance tbody tr", "#compare-calibration [data-line]")
        for one in (first, second):
            self.says("#compare thead", f"{one['name']}@{one['version']}")
        report = self.server.get(f"/api/v1/models/{first['name']}/report").json
        row = self.page.locator("#compare-scores tr", has_text="log loss").locator("td").first
        self.assertAlmostEqual(float(row.inner_text().split()[0]), report["metrics"]["metrics"]["log_loss"], 4)
        self.assertEqual(self.page.locator("#compare-scores tr", has_text="log loss").locator("strong").count(), int(
            report["metrics"]["metrics"]["log_loss"] != self.server.get(f"/api/v1/models/{second['name']}/report").json["metrics"]["metrics"]["log_loss"]))
        self.see("details.card summary").click()
        self.page.locator(f"[name=model][value='{second['name']}@{second['version']}']").uncheck()
        expect(self.page.locator("#compare thead th")).to_have_count(1)
        self.assertIn(f"models={first['name']}", self.page.url)
        self.open("/compare/models?models=no-such-model", ".problem")
        self.says(".problem", "not here any more")
        self.quiet("404")

    def test_search_live(self):
        """The page of a search follows the job: what has ended is there soon, without a reload."""
        job = self.server.post("/api/v1/jobs", {"dataset": self.dataset, "target": "species", "name": "live", "families": ["mlp"], "budget": {"trials": 7},
                                                "search": {"seed": 3}}).json["id"]
        self.open(f"/jobs/{job}/search", "#gain")
        done = self.server.wait_job(job, 120)["trials"]["done"]
        expect(self.page.locator("h1 + p")).to_contain_text(f"{done} finished trials", timeout=30_000)
        expect(self.page.locator("h1 + p")).to_contain_text("succeeded", timeout=30_000)
        self.see("#gp [data-band], #gp svg")
        self.see("#importance svg:has(.solid)")
        self.quiet()

    def test_phone(self):
        with self.phone():
            self.visit("phone-job", f"/jobs/{self.asha}", "#best-chart [data-line]", "#trials .v-body .v-row")
            self.visit("phone-search", f"/jobs/{self.bayes}/search", "#gp [data-band]", "#parallel svg:has(.line)")

    def test_first_load(self):
        """Everything that a page fetches over the wire, with nothing in the cache."""
        for path, there in ((f"/jobs/{self.bayes}", "#best-chart [data-line]"), (f"/jobs/{self.bayes}/search", "#gp [data-band]"), ("/jobs/new", "main form"),
                            ("/", "main .card")):
            with self.apart() as page:
                self.open(path, there)
                sizes = page.evaluate("performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).map((e) => [e.name, e.transferSize])")
                self.assertTrue(any(name.endswith("/assets/main.js") and size > 1000 for name, size in sizes), sizes)
                self.assertEqual([name for name, _ in sizes if not name.startswith(self.base)], [])
                # What a module imports is asked for with it, and once.
                self.assertGreater(page.locator("link[rel=modulepreload]").count(), 3)
                scripts = [name for name, size in sizes if name.endswith(".js") and size]
                self.assertEqual(sorted(scripts), sorted(set(scripts)))
                self.assertLess(sum(size for _, size in sizes), FIRST_LOAD_BYTES, sizes)
                print(f"{path.split('/')[-1] or 'home'}: {sum(size for _, size in sizes)} bytes", flush=True)

    def save(self, kind):
        """The file that a chart's button gives."""
        with self.page.expect_download() as download:
            self.page.locator(f"#best-chart button[aria-label$='as {kind}']").click()
        self.assertEqual(download.value.suggested_filename, f"best-score-so-far.{kind.lower()}")
        return download.value.path()

    def test_saved(self):
        """A chart as SVG, PNG and CSV: files that hold it."""
        self.open(f"/jobs/{self.asha}", "#best-chart [data-line]")
        root = xml.etree.ElementTree.parse(self.save("SVG")).getroot()
        lines = [node for node in root.iter("{http://www.w3.org/2000/svg}path") if node.get("fill") == "none"]
        self.assertTrue(any(node.get("stroke", "none") != "none" for node in lines))
        with open(self.save("PNG"), "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        with open(self.save("CSV"), encoding="utf-8") as file:
            rows = file.read().splitlines()
        self.assertTrue(rows[0].startswith("series,trial,accuracy"), rows[0])
        self.assertGreater(len(rows), 9)
        self.quiet()

    def test_keyboard(self):
        """A trial is opened and closed, and a hyperparameter chosen, without a pointer."""
        page = self.page
        self.open(f"/jobs/{self.asha}", "#trials .v-body .v-row")
        page.locator("#trials").focus()
        self.press("ArrowDown", "ArrowDown", "Enter")
        self.see("#trial #trial-params")
        self.assertIn("trial=", page.url)
        self.see("#close-trial").press("Enter")
        expect(page.locator("#trial")).to_be_hidden()
        self.open(f"/jobs/{self.bayes}/search", "#gp canvas")
        for key, name in (("End", "linear.l1_ratio"), ("Home", "linear.penalty")):
            page.locator("[name=param]").press(key)
            expect(page).to_have_url(re.compile("param=" + re.escape(name)))
        self.open("/jobs")
        self.press("Tab", "Enter")
        expect(page).to_have_url(re.compile("#main$"))

    def test_many_trials(self):
        """Ten thousand rows: a few dozen are in the page wherever one scrolls to, and scrolling draws frames."""
        self.open("/studies", "#studies")
        found = self.page.evaluate("""async () => {
          const {virtualTable} = await import("/assets/virtual.js");
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
          return {most, last: rows[rows.length - 1].textContent, rate, bold: table.box.querySelectorAll("b").length};
        }""")
        self.assertLess(found["most"], 60)
        self.assertEqual(found["last"], "9999<b>9999</b>")
        self.assertEqual(found["bold"], 0)
        print(f"    scrolling 10,000 rows: {found['rate']:.0f} frames/s")
        self.quiet()

    def test_gone(self):
        for path in ("/jobs/job_00000000000000000000", "/jobs/job_00000000000000000000/search", "/studies/st_00000000000000000000", "/range-tests/lrt_00000000000000000000"):
            self.open(path)
            self.says("#gone", "deleted")
            self.quiet("404")

    def test_session_ended(self):
        """A page that is open when its session ends asks for a key on the spot and goes on."""
        self.open(f"/jobs/{self.asha}", "#best-chart [data-line]")
        self.page.evaluate("async () => (await import('/assets/api.js')).signOut()")
        # The page may find out by itself a moment earlier, and then nothing beneath the question can be pressed.
        self.see("#trials .v-body .v-row").dispatch_event("click")
        self.see("#expired input")
        self.assertEqual(axe.violations(self.page), [])
        self.enter("#expired input", "not a key")
        self.see("#expired .problem")
        self.enter("#expired input", self.server.key)
        self.see("#trial #trial-params")
        self.quiet("401")

    def test_restart(self):
        """The server goes and comes back under a running job's page: it says so, and in the end it has every trial."""
        page, api = self.page, self.server
        job = api.post("/api/v1/jobs", {"dataset": self.dataset, "target": "species", "name": "through a restart", "families": ["mlp"],
                                        "budget": {"seconds": 10}, "validation": {"holdout": 0.3}, "search": {"space": {"mlp": {"epochs": 800}}}}).json["id"]
        self.open(f"/jobs/{job}", "#trials .v-body .v-row")
        api.stop()
        self.says("#banner", "Trying again")
        api.start()
        self.see(".head .state.succeeded", 120)
        expect(page.locator("#banner")).to_be_hidden()
        told = page.locator("#trials [role=grid]").get_attribute("aria-rowcount")
        found = api.get(f"/api/v1/jobs/{job}/trials?limit=100").json["items"]
        self.assertEqual(int(told) - 1, len(found))
        numbers = {str(trial["number"]) for trial in found}
        self.wait(lambda: {row.split()[0] for row in page.locator("#trials .v-body .v-row").all_inner_texts()} <= numbers)


if __name__ == "__main__":
    unittest.main()
