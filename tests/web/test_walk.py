"""One walk through the pages in Chromium: sign in → job → live progress → try the model; no console error."""

import os
import shutil
import tempfile
import time
import unittest

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from attune_server import TOP, AttuneServer

SHOTS = os.environ.get("ATTUNE_SCREENSHOTS")


def browser(profile):
    options = Options()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--window-size=1280,1000", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


class Walk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = AttuneServer()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.profile = tempfile.mkdtemp(prefix="attune-chromium-")
        cls.addClassCleanup(shutil.rmtree, cls.profile, True)
        cls.browser = browser(cls.profile)
        cls.addClassCleanup(cls.browser.quit)

    def wait(self, what, seconds=60):
        # Charts are drawn anew while they are being looked at.
        return WebDriverWait(self.browser, seconds, 0.1, [StaleElementReferenceException]).until(what)

    def see(self, selector, seconds=60):
        return self.wait(lambda page: next(
            (e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None), seconds)

    def shot(self, name):
        if SHOTS:
            self.browser.save_screenshot(os.path.join(SHOTS, name + ".png"))

    def no_console_error(self):
        bad = [line for line in self.browser.get_log("browser") if line["level"] in ("SEVERE", "ERROR")]
        self.assertEqual(bad, [])

    def test_walk(self):
        page, server = self.browser, self.server
        base = f"http://127.0.0.1:{server.port}"
        page.get(server.sign_in_link())
        self.see("#jobs")
        self.assertNotIn("code=", page.current_url)
        self.shot("jobs-empty")

        with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
            answer = server.upload("/api/v1/train", [("file", "iris.csv", file.read()), ("target", "species"),
                                                     ("seconds", "15"), ("name", "iris")])
        self.assertEqual(answer.status, 202, answer)
        page.get(base + "/")
        self.see("#jobs tbody tr a").click()
        bar = self.see("[role=progressbar]")
        self.wait(lambda _: 0 < int(bar.get_attribute("aria-valuenow") or 0) < 100, 30)
        first = int(bar.get_attribute("aria-valuenow"))
        self.wait(lambda _: len(page.find_elements(By.CSS_SELECTOR, "#trials .v-body .v-row")) >= 2, 30)
        self.wait(lambda _: int(bar.get_attribute("aria-valuenow")) > first, 30)
        self.see("#best-chart svg .line", 30)
        self.shot("job-running")
        # Paused, its clock stands still; resumed, it goes on.
        self.see("#pause").click()
        self.wait(lambda _: page.find_elements(By.CSS_SELECTOR, ".head .state.paused"), 10)
        self.see("#resume")
        self.assertFalse(page.find_element(By.ID, "pause").is_displayed())
        job = server.get("/api/v1/jobs").json["items"][0]
        time.sleep(1.5)
        self.assertEqual(server.get(f"/api/v1/jobs/{job['id']}").json["elapsed_s"], job["elapsed_s"])
        self.shot("job-paused")
        self.see("#resume").click()
        self.wait(lambda _: page.find_elements(By.CSS_SELECTOR, ".head .state.running"), 10)
        self.see("#pause")
        # Something is servable while the job still runs.
        self.see("#model form#try", 40)
        self.wait(lambda _: page.find_elements(By.CSS_SELECTOR, ".head .state.succeeded"), 60)
        self.assertEqual(bar.get_attribute("aria-valuenow"), "100")
        log = page.find_element(By.ID, "log").text
        for words in ("created", "the search begins", "paused by key_", "resumed by key_", "stored iris"):
            self.assertIn(words, log)

        values = {"sepal_length": "5.1", "sepal_width": "3.5", "petal_length": "1.4", "petal_width": "0.2"}
        for name, value in values.items():
            field = page.find_element(By.NAME, f"column:{name}")
            field.clear()
            field.send_keys(value)
        page.find_element(By.CSS_SELECTOR, "#try button").click()
        # The form answers while it is filled in, too.
        self.wait(lambda _: [e.text for e in page.find_elements(By.CSS_SELECTOR, "#prediction .answer")] == ["setosa"], 10)
        self.shot("job-done")

        page.get(base + "/models/iris?view=try")
        self.see("form#try")
        self.shot("model")
        page.get(base + "/docs")
        self.see("details.card")
        self.no_console_error()

        page.get(base + "/")
        self.see("#sign-out").click()
        self.see("form#sign-in")
        page.find_element(By.NAME, "key").send_keys(server.key)
        page.find_element(By.CSS_SELECTOR, "form#sign-in button").click()
        self.see("#jobs")
        # Signing out makes the page ask who is there, which a browser logs as a 401: nothing else may show.
        bad = [line for line in page.get_log("browser")
               if line["level"] in ("SEVERE", "ERROR") and "401" not in line["message"]]
        self.assertEqual(bad, [])


if __name__ == "__main__":
    unittest.main()
