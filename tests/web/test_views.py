"""The pages as people use them: names with markup, keyboard alone, a broken upload, what is gone, phones."""

import base64
import os
import struct
import tempfile
import unittest
import zipfile
import zlib
from io import BytesIO

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from attune_server import Client
from one_server import server_and_browser

SHOTS = os.environ.get("ATTUNE_SCREENSHOTS")
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


class Views(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server, cls.browser = server_and_browser()
        cls.base = f"http://127.0.0.1:{cls.server.port}"
        cls.jobs = [cls.train("small", table(), MARKUP + ".csv", "trees", target="kind " + MARKUP),
                    cls.train("small", None, None, "linear"), cls.train("sides", pictures(), "sides.zip", "linear")]
        cls.jobs = [cls.server.wait_job(job, 90) for job in cls.jobs]
        cls.data = cls.jobs[0]["dataset"]["id"]

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

    def tearDown(self):
        self.browser.get_log("browser")

    def wait(self, what, seconds=60):
        return WebDriverWait(self.browser, seconds, 0.1, [StaleElementReferenceException]).until(what)

    def see(self, selector, seconds=60):
        return self.wait(lambda page: next(
            (e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None), seconds)

    def text(self, selector):
        return self.see(selector).text

    def open(self, path, selector):
        self.browser.get(self.base + path)
        return self.see(selector)

    def shot(self, name):
        if SHOTS:
            self.browser.save_screenshot(os.path.join(SHOTS, name + ".png"))

    def quiet(self, *allowed):
        bad = [line for line in self.browser.get_log("browser")
               if line["level"] in ("SEVERE", "ERROR") and not any(word in line["message"] for word in allowed)]
        self.assertEqual(bad, [])

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def retype(self, text):
        """Writes over what the field with the focus has."""
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(text).perform()

    def tab_to(self, wanted, most=120):
        """Presses Tab until `wanted(element)` holds for what has the focus."""
        for _ in range(most):
            self.press(Keys.TAB)
            element = self.browser.switch_to.active_element
            if wanted(element):
                return element
        self.fail("no Tab leads there")

    # ---- names with markup, on every page ----

    PAGES = ("/", "/datasets", "/datasets/{data}?target={target}", "/jobs", "/jobs/new?dataset={data}", "/jobs/{job}", "/models", "/models/small",
             "/models/small?view=try", "/models/small?view=versions", "/models/small?view=drift", "/settings", "/settings?section=audit", "/settings?section=usage",
             "/settings?section=webhooks")

    def addresses(self):
        target = "kind%20" + "".join(f"%{byte:02x}" for byte in MARKUP.encode())
        return [path.format(data=self.data, job=self.jobs[0]["id"], target=target) for path in self.PAGES]

    def test_markup_is_text(self):
        self.assertEqual(self.server.post("/api/v1/keys", {"name": "key " + MARKUP, "scopes": ["read"]}).status, 201)
        self.assertEqual(self.server.post("/api/v1/webhooks", {"url": "https://example.org/<b/class=evil>", "events": ["job.failed"]}).status, 201)
        for path in self.addresses():
            with self.subTest(path):
                self.browser.get(self.base + path)
                self.see("#main .card")
                self.wait(lambda page: "Loading" not in page.find_element(By.ID, "main").text)
                if path == "/models/small?view=try":
                    self.see("#sample").click()
                    self.see("#prediction .answer")
                    self.see("#reasons")
                if path == "/settings":
                    self.assertIn("<b class=evil>", self.text("#keys"))
                if path == "/models/small":
                    self.assertIn("<b class=evil>", self.text("#confusion"))
                    self.browser.execute_script("document.getElementById('dependence-card').scrollIntoView()")
                    self.see("#dependence svg")
                if path.startswith("/datasets/"):
                    self.assertIn("<b class=evil>", self.text("#columns"))
                    self.assertIn("<b class=evil>", self.text("#balance"))
                found = self.browser.execute_script("return [window.owned || 0, document.querySelectorAll('.evil, img[src=x]').length]")
                self.assertEqual(found, [0, 0])
                self.quiet()

    # ---- a phone ----

    def test_phone(self):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True})
        try:
            for path in self.addresses():
                with self.subTest(path):
                    self.browser.get(self.base + path)
                    self.see("#main .card")
                    self.wait(lambda page: "Loading" not in page.find_element(By.ID, "main").text)
                    wide = self.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
                    self.assertLessEqual(wide, 0)
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    # ---- keyboard alone ----

    def test_keyboard(self):
        self.open("/models/small", "#view-report")
        self.tab_to(lambda e: e.get_attribute("id") == "view-report")
        self.press(Keys.ARROW_RIGHT)
        self.see("form#try")
        self.tab_to(lambda e: e.get_attribute("name") == "column:size")
        self.retype("59" + Keys.ENTER)
        self.wait(lambda _: self.text("#prediction .answer").startswith("big"))
        self.retype("900" + Keys.ENTER)
        self.assertIn("above", self.text("#unusual"))
        self.shot("try-it")

        self.open("/jobs/new?dataset=" + self.data, "#plan table")
        self.tab_to(lambda e: e.get_attribute("name") == "deploy_as")
        self.press(Keys.TAB)
        self.assertEqual(self.browser.switch_to.active_element.tag_name, "summary")
        self.press(Keys.ENTER)
        self.tab_to(lambda e: e.get_attribute("name") == "trials")
        self.press("1")
        self.tab_to(lambda e: e.get_attribute("name") == "family" and e.get_attribute("value") == "mlp")
        self.press(Keys.SPACE)
        self.tab_to(lambda e: e.text == "Search space of trees")
        self.press(Keys.ENTER)
        self.see("#space-trees")
        self.tab_to(lambda e: e.get_attribute("aria-label") == "trees max_depth: to")
        self.retype("3")
        self.wait(lambda _: '"high": 3' in self.text("#curl") and '"families"' in self.text("#curl"))
        self.wait(lambda page: not page.find_elements(By.CSS_SELECTOR, "#plan [role=alert], #plan[aria-busy]"))
        self.shot("new-job-space")
        self.press(Keys.ENTER)
        self.wait(lambda page: "/jobs/job_" in page.current_url)
        self.quiet()
        made = self.server.get("/api/v1/jobs/" + self.browser.current_url.rsplit("/", 1)[1]).json
        self.assertEqual(made["spec"]["search"]["space"]["trees"]["max_depth"]["high"], 3)
        self.server.post(f"/api/v1/jobs/{made['id']}/cancel")

    # ---- a broken upload, an ended session, what is gone ----

    def test_upload_breaks_off(self):
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(b"a,b\n" + b"1,2\n" * 50)
            file.flush()
            self.open("/", "#upload")
            self.browser.execute_cdp_cmd("Network.enable", {})
            self.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/api/v1/datasets"]})
            try:
                self.browser.find_element(By.NAME, "file").send_keys(file.name)
                self.see("#upload button").click()
                self.assertIn("connection broke", self.text("#upload .problem"))
                again = self.see("#again")
            finally:
                self.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
            again.click()
            self.wait(lambda page: "/jobs/new?dataset=ds_" in page.current_url)
            self.see("#plan table, #plan [role=alert]")
        self.quiet("ERR_BLOCKED_BY_CLIENT", "/jobs?validate_only=1")

    def test_session_ends(self):
        self.open("/settings", "#new-key [name=name]").send_keys("kept")
        self.browser.delete_all_cookies()
        self.see("#new-key button").click()
        self.see("#expired [name=key]").send_keys(self.server.key, Keys.ENTER)
        self.see("#secret pre")
        self.assertIn("kept", self.text("#keys"))
        self.quiet("401")

    def test_gone(self):
        for path in ("/datasets/ds_0123456789abcdefghjk", "/models/nothing", "/models/small?version=99"):
            self.open(path, "#gone a")
        self.quiet("404")

    def test_dropped_file(self):
        self.open("/", "#upload")
        self.browser.execute_script("""
          const files = new DataTransfer();
          files.items.add(new File(["a,b\\n1,2\\n3\\n"], "uneven.csv", {type: "text/csv"}));
          document.body.dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: files}));""")
        self.assertIn("line 3", self.text("#upload .problem"))
        self.quiet("422")

    # ---- many columns ----

    def test_many_columns(self):
        head = ",".join(f"c{i}" for i in range(2000))
        body = "\n".join(",".join(str((i * j) % 7) for i in range(2000)) for j in range(12))
        made = self.server.upload("/api/v1/datasets", [("file", "wide.csv", f"{head}\n{body}\n".encode())]).json["id"]
        self.server.wait_dataset(made)
        self.open("/datasets/" + made, "#columns")
        self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, "#columns tbody tr")), 50)
        self.see("[name=filter]").send_keys("c1999")
        self.wait(lambda page: len(page.find_elements(By.CSS_SELECTOR, "#columns tbody tr")) == 1)
        Select(self.see("[name='type:c1999']")).select_by_value("categorical")
        self.see("#save-types").click()
        self.wait(lambda page: "2" == page.find_elements(By.CSS_SELECTOR, ".facts strong")[2].text)
        self.quiet()

    # ---- versions ----

    def test_versions(self):
        self.open("/models/small?view=versions", "#aliases")
        self.assertIn("best → version", self.text("#aliases"))
        served = self.server.get("/api/v1/models/small").json
        other = next(item["version"] for item in served["versions"] if item["version"] != served["aliases"]["best"])
        self.see(f"button[aria-label='serve version {other} as best']").click()
        self.wait(lambda _: f"best → version {other}" in self.text("#aliases"))
        self.see("#rollback-best").click()
        self.wait(lambda _: f"best → version {served['aliases']['best']}" in self.text("#aliases"))
        self.see("#new-alias [name=alias]").send_keys("production", Keys.ENTER)
        self.wait(lambda _: "production → version" in self.text("#aliases"))
        self.see(f"button[aria-label='verify version {served['aliases']['best']}']").click()
        self.see(".flag.ok")
        self.shot("versions")
        self.quiet()

    # ---- drift ----

    def test_drift(self):
        before = self.server.get("/api/v1/models/small/drift").json["feedback"]["rows"]  # other tests ask, too
        self.open("/models/small?view=try", "#sample").click()
        self.see("#prediction .answer")
        key = Client(self.server.port, self.server.key)
        asked = [key.post("/api/v1/models/small/predict", {"rows": [{"size": 200 + i}]}).json["prediction_id"] for i in range(30)]
        for prediction in asked[:20]:
            self.assertEqual(key.post("/api/v1/feedback", {"prediction_id": prediction, "truth": "big " + MARKUP}).status, 202)
        self.open("/models/small?view=drift", "#drift-columns")
        self.assertRegex(self.text("#drift-columns"), r"size (moved far|too few rows to tell) [1-9]")
        self.assertIn(f"20 truths of {before + 30} predictions", self.text("#view-panel"))  # what was tried in the page is not among them
        self.see("#drift-columns button").click()
        self.see("#drift-columns svg")
        self.shot("drift")
        self.quiet()

    # ---- images ----

    def test_image(self):
        self.open("/datasets/" + self.jobs[2]["dataset"]["id"], ".class-row img")
        self.assertEqual([e.text for e in self.browser.find_elements(By.CSS_SELECTOR, ".class-row strong")], ["left", "right"])
        self.open("/models/sides?view=try", ".samples button:nth-child(2)").click()
        self.wait(lambda _: self.text("#prediction .answer") == "right")
        pad = self.see(".pad canvas")
        # One stroke: each sends the picture when it ends.
        stroke = ActionChains(self.browser).move_to_element_with_offset(pad, -110, -120).click_and_hold()
        for x, y in ((0, 235), (30, 0), (0, -235)):
            stroke.move_by_offset(x, y)
        stroke.release().perform()
        self.wait(lambda _: self.text("#prediction .answer") == "left")
        self.shot("image")
        shown = base64.b64encode(png(12, lambda x, y: x > 7)).decode()
        self.browser.execute_script("""
          const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
          const files = new DataTransfer();
          files.items.add(new File([bytes], "right.png", {type: "image/png"}));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: files, bubbles: true}));""", shown)
        self.wait(lambda _: self.text("#prediction .answer") == "right")
        self.quiet()


if __name__ == "__main__":
    unittest.main()
