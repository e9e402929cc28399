"""The plain pages: upload a dataset, correct a type, start a job from it, make and revoke a key."""

import os
import re
import tempfile
import unittest

from attune_server import TOP, Client
from browser import expect
from page_case import PageCase


class Pages(PageCase):
    def setUp(self):
        super().setUp()
        self.open("/", "#jobs")

    def upload(self, path):
        self.open("/datasets", "#upload")
        self.page.locator("#upload [name=file]").set_input_files(path)
        self.page.locator("#upload button").first.click()

    def test_dataset_to_job(self):
        page = self.page
        self.upload(os.path.join(TOP, "tests", "data", "iris.csv"))
        self.see("#columns tbody tr")
        expect(page.locator("#columns tbody tr")).to_have_count(5)
        self.says("#preview", "setosa")
        self.see("#issues")
        self.picture("dataset")

        save = page.locator("#save-types")
        expect(save).to_be_disabled()
        page.locator("[name='type:petal_width']").select_option("categorical")
        save.click()
        expect(save).to_be_disabled()
        expect(page.locator("[name='type:petal_width'] option:checked")).to_have_text("categorical")
        expect(page.locator(".facts")).to_contain_text("2")
        page.locator("[name='type:species']").select_option("numeric")
        save.click()
        self.says(".problem", "not a number")

        self.see("#tune").click()
        self.see("#new-job [name=target]")
        expect(page.locator("[name=target]")).to_have_value("species")
        page.locator("[name=seconds]").fill("6")
        page.locator("[name=deploy_as]").fill("from-page")
        self.assertGreater(page.locator("[name=metric] option").count(), 5)
        page.locator("#more summary").first.click()
        self.see("[name=trials]").fill("4")
        self.see("[name=max_model_bytes]").fill("10")  # no model is so small
        self.see("#plan table")
        self.picture("new-job")
        self.quiet("/schema")  # the refused type is logged by the browser as a 422
        page.locator("#start").click()
        expect(page).to_have_url(re.compile("/jobs/job_"))
        self.see(".head .state.succeeded", 180)
        self.see("#model form#try")
        self.says("#trials", "beyond the limits")
        self.picture("beyond-limits")
        self.quiet()

    def test_refused_upload(self):
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(b"a,b\n1,2\n3\n")
            file.flush()
            self.upload(file.name)
            self.assertNotEqual(self.text(".problem"), "")

    def test_keys(self):
        page = self.page
        self.open("/settings", "#keys tbody tr")
        page.locator("#new-key [name=name]").fill("phone app")
        page.locator("#new-key button").click()
        secret = self.see("#secret pre").inner_text()
        self.assertEqual(Client(self.server.port, secret).get("/api/v1/families").status, 200)
        self.picture("keys")
        self.see("button[aria-label='revoke phone app']").click()
        self.see("dialog button[value=yes]").click()
        expect(page.locator("#keys tbody tr").filter(has_text="phone app").first).to_contain_text("revoked")
        self.assertEqual(Client(self.server.port, secret).get("/api/v1/families").status, 401)
        self.quiet()


if __name__ == "__main__":
    unittest.main()
