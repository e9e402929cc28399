"""All that is done in the pages, by a keyboard alone: each stop of Tab shows the focus, and after a press it is where one goes on."""

import os
import re

from browser import expect
from every_page_data import named_table
from page_case import EveryPageCase


class Keyboard(EveryPageCase):
    def setUp(self):
        super().setUp()
        self.open("/", "#upload")

    def test_sign_in(self):
        self.tab_to("#sign-out")
        self.press("Enter")
        self.see("form#sign-in")
        self.focus_on("form#sign-in [name=key]")
        self.type(self.server.key, "Enter")
        self.see("#upload")
        # The first stop leads past the navigation.
        self.press("Tab")
        self.focus_on("a.skip")
        self.press("Enter")
        self.tab_to("#upload [name=file]", 1)
        self.quiet("401")

    def test_file_to_job(self):
        """A file, its job, pause, resume and stop, and on to the model."""
        path = os.path.join(self.server.data_dir, "by-keyboard.csv")
        with open(path, "wb") as file:
            file.write(named_table())
        self.tab_to("#upload [name=file]").set_input_files(path)  # the system's own dialog is not the page's
        self.tab_to("#upload button[type=submit]", 3)
        self.press("Enter")
        expect(self.page).to_have_url(re.compile(r"/jobs/new\?dataset=ds_"))
        self.see("#plan table")
        self.tab_to("[name=seconds]")
        self.retype("600")
        self.tab_to("[name=deploy_as]")
        self.retype("by-keyboard")
        self.tab_to("#start")
        self.press("Space")
        expect(self.page).to_have_url(re.compile("/jobs/job_"))
        self.see("#pause")
        self.tab_to("#pause")
        self.press("Space")
        self.see(".head .state.paused")
        self.focus_on("#resume")
        self.press("Enter")
        self.see(".head .state.running")
        self.focus_on("#pause")
        self.see("#model form#try")
        self.tab_to("#extend", 2)
        self.press("Enter")
        self.focus_on("#extension [name=seconds]")
        self.retype("700", "Enter")
        self.focus_on("#extend")
        self.tab_to("#cancel", 3)
        self.press("Space")
        self.see(".head .state.cancelled, .head .state.succeeded")
        self.focus_on("#extend")
        self.tab_to("#trials")
        self.press("ArrowDown", "Enter")
        self.see("#trial #trial-params")
        self.tab_to("#model a[href='/models/by-keyboard']")
        self.press("Enter")
        self.see("#view-report[aria-selected=true]")
        self.tab_to("#delete-model")
        self.press("Enter")
        self.see("dialog")
        self.press("Escape")
        self.focus_on("#delete-model")
        self.press("Enter")
        self.see("dialog button[value=yes]")
        self.focus_on("dialog button[value=yes]")
        self.press("Enter")
        self.see("#models")
        self.assertNotIn("by-keyboard", self.text("#models"))
        self.quiet()

    def test_model(self):
        """Back to an older version and forth, a question, a key and the code for it."""
        page = self.page
        self.open("/models/every", "#confusion")
        self.tab_to("#view-report")
        self.press("ArrowRight", "ArrowRight")
        self.focus_on("#view-versions")
        self.see("#rollback-best")
        served = self.server.get("/api/v1/models/every").json["aliases"]["best"]
        self.tab_to("#rollback-best")
        self.press("Space")
        other = self.wait(lambda: next((best for best in [self.server.get("/api/v1/models/every").json["aliases"]["best"]] if best != served), None))
        self.says("#rollback-best", f"Back to version {served}")
        self.focus_on("#rollback-best")
        self.press("Enter")
        self.wait(lambda: self.server.get("/api/v1/models/every").json["aliases"]["best"] == served)
        self.says("#rollback-best", f"Back to version {other}")  # what is drawn anew by then
        self.tab_to("#new-alias [name=alias]")
        self.type("by-keyboard", "Enter")
        self.says("#aliases", "by-keyboard → version")
        self.tab_to("button[aria-label='remove the alias by-keyboard']")
        self.press("Enter")
        self.see("dialog")
        self.press("Enter")
        expect(self.see("#aliases")).not_to_contain_text("by-keyboard")
        expect(self.held()).to_have_count(1)

        self.open("/models/every?view=try", "form#try", "#code")
        self.tab_to("[name='column:size']")
        self.retype("55", "Enter")
        expect(self.see("#prediction .answer")).to_have_text(re.compile("^big"))
        self.tab_to("#sample")
        self.press("Space")
        self.see("#reasons")
        self.tab_to("#make-key")
        self.press("Enter")
        self.see(".flag.ok")
        self.window.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.base)
        expect(self.held()).to_have_count(1)
        expect(self.held()).to_have_text("Copy")
        self.press("Enter")
        expect(self.held()).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        self.assertEqual(copied, page.locator("#code").text_content())
        self.assertIn("Bearer atk_", copied)
        self.quiet()

    def test_settings(self):
        """A key is made and revoked, and what is shown anew keeps the focus."""
        self.open("/settings", "#keys tbody tr")
        self.tab_to("#new-key [name=name]")
        self.type("typed")
        self.tab_to("#new-key [value=read]")
        self.press("Space")
        self.tab_to("#new-key button")
        self.press("Enter")
        self.see("#secret pre")
        self.says("#keys", "predict, read")
        self.focus_on("#new-key button")
        self.tab_to("button[aria-label='revoke typed']")
        self.press("Enter")
        self.see("dialog button[value=yes]")
        self.press("Enter")
        expect(self.page.locator("button[aria-label='revoke typed']")).to_have_count(0)
        expect(self.page.locator(".card:has(#keys) :focus")).to_have_count(1)
        self.quiet()

    def test_focus_stays(self):
        """Lists that are read anew every few seconds keep the focus on what it was on."""
        self.open("/jobs", "#jobs tbody tr")
        link = self.tab_to("#jobs tbody a")
        href = link.get_attribute("href")
        self.page.locator("#jobs tbody tr").first.evaluate("(row) => { row.dataset.old = 1; }")
        expect(self.page.locator("#jobs tr[data-old]")).to_have_count(0)
        self.assertEqual(self.held().get_attribute("href"), href)
        self.quiet()


if __name__ == "__main__":
    import unittest
    unittest.main()
