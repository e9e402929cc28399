"""The plain pages in Chromium: upload a dataset, correct a type, start a job from it, make and revoke a key."""

import os
import tempfile
import unittest

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from attune_server import TOP, Client
from one_server import server_and_browser

SHOTS = os.environ.get("ATTUNE_SCREENSHOTS")


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server, cls.browser = server_and_browser()
        cls.base = f"http://127.0.0.1:{cls.server.port}"

    def setUp(self):
        self.browser.get(self.base + "/")
        self.see("#jobs")

    def tearDown(self):
        self.browser.get_log("browser")  # each test looks at its own lines
        self.browser.get(self.base + "/")
        self.see("#jobs")

    def wait(self, what, seconds=60):
        # A page may redraw what is being looked at.
        return WebDriverWait(self.browser, seconds, 0.1, [StaleElementReferenceException]).until(what)

    def see(self, selector, seconds=60):
        return self.wait(lambda page: next(
            (e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None), seconds)

    def shot(self, name):
        if SHOTS:
            self.browser.save_screenshot(os.path.join(SHOTS, name + ".png"))

    def no_console_error(self, allowed="no such line"):
        bad = [line for line in self.browser.get_log("browser")
               if line["level"] in ("SEVERE", "ERROR") and allowed not in line["message"]]
        self.assertEqual(bad, [])

    def upload(self, path):
        page = self.browser
        page.get(self.base + "/datasets")
        self.see("#upload")
        page.find_element(By.NAME, "file").send_keys(path)
        page.find_element(By.CSS_SELECTOR, "#upload button").click()

    def test_dataset_to_job(self):
        page = self.browser
        self.upload(os.path.join(TOP, "tests", "data", "iris.csv"))
        self.see("#columns tbody tr")
        self.assertEqual(len(page.find_elements(By.CSS_SELECTOR, "#columns tbody tr")), 5)
        self.assertIn("setosa", self.see("#preview").text)
        self.see("#issues")
        self.shot("dataset")

        save = page.find_element(By.ID, "save-types")
        self.assertFalse(save.is_enabled())
        Select(page.find_element(By.NAME, "type:petal_width")).select_by_value("categorical")
        save.click()
        self.wait(lambda _: Select(page.find_element(By.NAME, "type:petal_width")).first_selected_option.text == "categorical"
                  and "2" in page.find_element(By.CSS_SELECTOR, ".facts").text)
        Select(self.see("[name='type:species']")).select_by_value("numeric")
        page.find_element(By.ID, "save-types").click()
        self.assertIn("not a number", self.see(".problem").text)

        self.see("#tune").click()
        self.see("#new-job [name=target]")
        self.assertEqual(Select(page.find_element(By.NAME, "target")).first_selected_option.get_attribute("value"), "species")
        for name, value in (("seconds", "6"), ("deploy_as", "from-page")):
            field = page.find_element(By.NAME, name)
            field.clear()
            field.send_keys(value)
        self.assertGreater(len(Select(page.find_element(By.NAME, "metric")).options), 5)
        page.find_element(By.CSS_SELECTOR, "#more summary").click()
        field = self.see("[name=trials]")
        field.send_keys("4")
        self.see("[name=max_model_bytes]").send_keys("10")  # no model is so small
        self.see("#plan table")
        self.shot("new-job")
        self.no_console_error("/schema")  # the refused type is logged by the browser as a 422
        page.find_element(By.ID, "start").click()
        self.wait(lambda _: "/jobs/job_" in page.current_url)
        self.wait(lambda _: page.find_elements(By.CSS_SELECTOR, ".head .state.succeeded"), 180)
        self.see("#model form#try")
        self.assertIn("beyond the limits", self.see("#trials").text)
        self.shot("beyond-limits")
        self.no_console_error()

    def test_refused_upload(self):
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(b"a,b\n1,2\n3\n")
            file.flush()
            self.upload(file.name)
            self.assertNotEqual(self.see(".problem").text, "")

    def test_keys(self):
        page = self.browser
        page.get(self.base + "/settings")
        self.see("#keys tbody tr")
        page.find_element(By.CSS_SELECTOR, "#new-key [name=name]").send_keys("phone app")
        page.find_element(By.CSS_SELECTOR, "#new-key button").click()
        secret = self.see("#secret pre").text
        self.assertEqual(Client(self.server.port, secret).get("/api/v1/families").status, 200)
        self.shot("keys")
        self.see("button[aria-label='revoke phone app']").click()
        self.see("dialog button[value=yes]").click()
        self.wait(lambda _: any("phone app" in row.text and "revoked" in row.text
                                for row in page.find_elements(By.CSS_SELECTOR, "#keys tbody tr")))
        self.assertEqual(Client(self.server.port, secret).get("/api/v1/families").status, 401)
        self.no_console_error()


if __name__ == "__main__":
    unittest.main()
