"""One walk through the pages: sign in → job → live progress → try the model; no console error."""

import os
import time
import unittest

from attune_server import TOP, AttuneServer
from browser import Window, expect
from page_case import PageCase


class Walk(PageCase):
    @classmethod
    def setUpClass(cls):
        cls.server = AttuneServer()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.window = Window(cls.server)
        cls.addClassCleanup(cls.window.context.close)

    def progress(self, more_than, seconds=30):
        """The percentage that is shown, once it is more and the job goes on."""
        bar = self.page.locator("[role=progressbar]")
        return self.wait(lambda: next((now for now in [int(bar.get_attribute("aria-valuenow") or 0)] if more_than < now < 100), None), seconds)

    def whole_log(self):
        """Whether the log is shown to its end; more than a page of it comes when asked for."""
        more = self.page.locator("#more-log")
        if more.is_visible():
            more.click()
        return "stored iris" in self.page.locator("#log").inner_text()

    def test_walk(self):
        page, server = self.page, self.server
        page.goto(server.sign_in_link())
        self.see("#jobs")
        self.assertNotIn("code=", page.url)
        self.picture("jobs-empty")

        with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
            answer = server.upload("/api/v1/train", [("file", "iris.csv", file.read()), ("target", "species"),
                                                     ("seconds", "40"), ("name", "iris")])
        self.assertEqual(answer.status, 202, answer)
        page.goto("/")
        self.see("#jobs tbody tr a").click()
        first = self.progress(0)
        expect(page.locator("#trials .v-body .v-row").nth(1)).to_be_visible(timeout=30_000)
        self.progress(first)
        self.see("#best-chart [data-line]", 30)
        self.picture("job-running")
        # Paused, its clock stands still; resumed, it goes on.
        self.see("#pause").click()
        self.see(".head .state.paused", 10)
        self.see("#resume")
        expect(page.locator("#pause")).to_be_hidden()
        job = server.get("/api/v1/jobs").json["items"][0]
        time.sleep(1.5)
        self.assertEqual(server.get(f"/api/v1/jobs/{job['id']}").json["elapsed_s"], job["elapsed_s"])
        self.picture("job-paused")
        self.see("#resume").click()
        self.see(".head .state.running", 10)
        self.see("#pause")
        late = []
        page.route("**/logs?*", lambda route: late.append((route, route.fetch())), times=1)
        # Something is servable while the job still runs.
        self.see("#model form#try", 40)
        self.see(".head .state.succeeded", 120)
        expect(page.locator("[role=progressbar]")).to_have_attribute("aria-valuenow", "100")
        # A look at the log whose answer comes when nothing more is drawn, with what there was before, leaves nothing out.
        page.wait_for_timeout(2500)
        for route, answer in late:
            route.fulfill(response=answer)
        self.assertEqual(len(late), 1)
        self.wait(self.whole_log, 30)
        for words in ("created", "the search begins", "paused by key_", "resumed by key_", "stored iris"):
            expect(page.locator("#log")).to_contain_text(words, timeout=10_000)

        values = {"sepal_length": "5.1", "sepal_width": "3.5", "petal_length": "1.4", "petal_width": "0.2"}
        for name, value in values.items():
            page.locator(f"[name='column:{name}']").fill(value)
        page.locator("#try button").first.click()
        # The form answers while it is filled in, too.
        expect(page.locator("#prediction .answer")).to_have_text(["setosa"], timeout=10_000)
        self.picture("job-done")

        page.goto("/models/iris?view=try")
        self.see("form#try")
        self.picture("model")
        page.goto("/docs")
        self.see("details.card")
        self.quiet()

        page.goto("/")
        self.see("#sign-out").click()
        self.see("form#sign-in")
        page.locator("[name=key]").fill(server.key)
        page.locator("form#sign-in button").click()
        self.see("#jobs")
        # Signing out makes the page ask who is there, which a browser logs as a 401: nothing else may show.
        self.quiet("401")


if __name__ == "__main__":
    unittest.main()
