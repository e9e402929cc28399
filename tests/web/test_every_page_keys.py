"""All that is done in the pages, by a keyboard alone: each stop of Tab shows the focus, and after a press it is where one goes on."""

import os

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from every_page_data import named_table
from page_case import PageCase


class Keyboard(PageCase):
    def setUp(self):
        self.open("/", "#upload")

    def test_sign_in(self):
        self.tab_to("#sign-out")
        self.press(Keys.ENTER)
        self.see("form#sign-in")
        self.focus_on("form#sign-in [name=key]")
        self.press(self.server.key, Keys.ENTER)
        self.see("#upload")
        # The first stop leads past the navigation.
        self.press(Keys.TAB)
        self.focus_on("a.skip")
        self.press(Keys.ENTER)
        self.tab_to("#upload [name=file]", 1)
        self.quiet("401")

    def test_file_to_job(self):
        """A file, its job, pause, resume and stop, and on to the model."""
        path = os.path.join(self.server.data_dir, "by-keyboard.csv")
        with open(path, "wb") as file:
            file.write(named_table())
        self.tab_to("#upload [name=file]").send_keys(path)  # the system's own dialog is not the page's
        self.tab_to("#upload button[type=submit]", 3)
        self.press(Keys.ENTER)
        self.wait(lambda page: "/jobs/new?dataset=ds_" in page.current_url)
        self.see("#plan table")
        self.tab_to("[name=seconds]")
        self.retype("600")
        self.tab_to("[name=deploy_as]")
        self.retype("by-keyboard")
        self.tab_to("#start")
        self.press(Keys.SPACE)
        self.wait(lambda page: "/jobs/job_" in page.current_url)
        self.see("#pause")
        self.tab_to("#pause")
        self.press(Keys.SPACE)
        self.see(".head .state.paused")
        self.focus_on("#resume")
        self.press(Keys.ENTER)
        self.see(".head .state.running")
        self.focus_on("#pause")
        self.see("#model form#try")
        self.tab_to("#extend", 2)
        self.press(Keys.ENTER)
        self.focus_on("#extension [name=seconds]")
        self.retype("700" + Keys.ENTER)
        self.focus_on("#extend")
        self.tab_to("#cancel", 3)
        self.press(Keys.SPACE)
        self.see(".head .state.cancelled, .head .state.succeeded")
        self.focus_on("#extend")
        self.tab_to("#trials")
        self.press(Keys.ARROW_DOWN, Keys.ENTER)
        self.see("#trial #trial-params")
        self.tab_to("#model a[href='/models/by-keyboard']")
        self.press(Keys.ENTER)
        self.see("#view-report[aria-selected=true]")
        self.tab_to("#delete-model")
        self.press(Keys.ENTER)
        self.see("dialog")
        self.press(Keys.ESCAPE)
        self.focus_on("#delete-model")
        self.press(Keys.ENTER)
        self.see("dialog button[value=yes]")
        self.focus_on("dialog button[value=yes]")
        self.press(Keys.ENTER)
        self.see("#models")
        self.assertNotIn("by-keyboard", self.see("#models").text)
        self.quiet()

    def test_model(self):
        """Back to an older version and forth, a question, a key and the code for it."""
        page = self.browser
        self.open("/models/every", "#confusion")
        self.tab_to("#view-report")
        self.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.focus_on("#view-versions")
        self.see("#rollback-best")
        served = self.server.get("/api/v1/models/every").json["aliases"]["best"]
        self.tab_to("#rollback-best")
        self.press(Keys.SPACE)
        other = self.wait(lambda _: next((best for best in [self.server.get("/api/v1/models/every").json["aliases"]["best"]] if best != served), None))
        self.wait(lambda _: f"Back to version {served}" in self.see("#rollback-best").text)
        self.focus_on("#rollback-best")
        self.press(Keys.ENTER)
        self.wait(lambda _: self.server.get("/api/v1/models/every").json["aliases"]["best"] == served)
        self.wait(lambda _: f"Back to version {other}" in self.see("#rollback-best").text)  # what is drawn anew by then
        self.tab_to("#new-alias [name=alias]")
        self.press("by-keyboard", Keys.ENTER)
        self.wait(lambda _: "by-keyboard → version" in self.see("#aliases").text)
        self.tab_to("button[aria-label='remove the alias by-keyboard']")
        self.press(Keys.ENTER)
        self.see("dialog")
        self.press(Keys.ENTER)
        self.wait(lambda _: "by-keyboard" not in self.see("#aliases").text)
        self.wait(lambda _: page.execute_script("return document.activeElement !== document.body"))

        self.open("/models/every?view=try", "form#try", "#code")
        self.tab_to("[name='column:size']")
        self.retype("55" + Keys.ENTER)
        self.wait(lambda _: self.see("#prediction .answer").text.startswith("big"))
        self.tab_to("#sample")
        self.press(Keys.SPACE)
        self.see("#reasons")
        self.tab_to("#make-key")
        self.press(Keys.ENTER)
        self.see(".flag.ok")
        page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": self.base})
        self.wait(lambda _: page.execute_script("return document.activeElement !== document.body"))
        self.assertEqual(self.held()[0].text, "Copy")
        self.press(Keys.ENTER)
        self.wait(lambda _: self.held()[0].text == "Copied")
        copied = page.execute_async_script("const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))")
        self.assertEqual(copied, page.execute_script("return document.getElementById('code').textContent"))
        self.assertIn("Bearer atk_", copied)
        self.quiet()

    def test_settings(self):
        """A key is made and revoked, and what is shown anew keeps the focus."""
        self.open("/settings", "#keys tbody tr")
        self.tab_to("#new-key [name=name]")
        self.press("typed")
        self.tab_to("#new-key [value=read]")
        self.press(Keys.SPACE)
        self.tab_to("#new-key button")
        self.press(Keys.ENTER)
        self.see("#secret pre")
        self.wait(lambda _: "predict, read" in self.see("#keys").text)
        self.focus_on("#new-key button")
        self.tab_to("button[aria-label='revoke typed']")
        self.press(Keys.ENTER)
        self.see("dialog button[value=yes]")
        self.press(Keys.ENTER)
        self.wait(lambda page: not page.find_elements(By.CSS_SELECTOR, "button[aria-label='revoke typed']"))
        self.wait(lambda page: page.execute_script("return document.activeElement.closest('.card')?.querySelector('#keys') !== null"))
        self.quiet()

    def test_focus_stays(self):
        """Lists that are read anew every few seconds keep the focus on what it was on."""
        self.open("/jobs", "#jobs tbody tr")
        link = self.tab_to("#jobs tbody a")
        href = link.get_attribute("href")
        self.browser.execute_script("document.querySelector('#jobs tbody tr').dataset.old = 1")
        self.wait(lambda page: not page.find_elements(By.CSS_SELECTOR, "#jobs tr[data-old]"))
        self.assertEqual(self.held()[0].get_attribute("href"), href)
        self.quiet()


if __name__ == "__main__":
    import unittest
    unittest.main()
