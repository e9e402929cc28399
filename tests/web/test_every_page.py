"""Every page in light and dark: nothing that axe finds, nothing on the console; and names with markup, wherever they are
shown or come back, are text."""

import unittest
from urllib.parse import quote

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import axe
from every_page_data import MARKUP
from page_case import PageCase

# What shows that a page has all it will show; {names} are those of the data. Jobs, their search, comparisons and studies are
# looked at in test_search_pages.py.
PAGES = (
    ("home", "/", "#jobs tbody tr", "#running, .running"),
    ("datasets", "/datasets", "#datasets tbody tr"),
    ("dataset-table", "/datasets/{table}?target={target}", "#columns tbody tr", "#preview", "#balance"),
    ("dataset-images", "/datasets/{images}", ".class-row img", "#issues p, #issues li"),
    ("new-job", "/jobs/new?dataset={table}", "#plan table"),
    ("new-job-images", "/jobs/new?dataset={images}", "#plan table"),
    ("jobs", "/jobs", "#jobs tbody tr"),
    ("models", "/models", "#models tbody tr"),
    ("model-report", "/models/every", "#confusion", "#importance svg"),
    ("model-many-classes", "/models/many", "#confusion"),
    ("model-versions", "/models/every?view=versions", "#aliases"),
    ("model-drift", "/models/every?view=drift", "#view-panel .card"),
    ("try-table", "/models/every?view=try", "form#try", "#code"),
    ("try-images", "/models/every-images?view=try", ".samples button", ".pad canvas"),
    ("study", "/studies/{study}", "#best-chart svg .line", "#trials .v-row"),
    ("settings-keys", "/settings", "#keys tbody tr"),
    ("settings-webhooks", "/settings?section=webhooks", "#new-webhook"),
    ("settings-usage", "/settings?section=usage", "#usage-chart svg"),
    ("settings-audit", "/settings?section=audit", "#audit tbody tr"),
    ("docs", "/docs", "details.card"),
    ("document", "/docs/tuning", "main table"),
    ("gone", "/jobs/job_00000000000000000000", "#gone"),
    ("not-found", "/nothing/here", "#no-page"),
)
# What is folded away or comes after a press is looked at, too.
OPENED = {
    "new-job": lambda test: test.unfold("#more summary", "details.space summary"),
    "try-table": lambda test: (test.see("#sample").click(), test.see("#reasons")),
    "try-images": lambda test: (test.see(".samples button").click(), test.see("#prediction .answer")),
    "docs": lambda test: test.unfold("details.card summary"),
    "dataset-table": lambda test: test.unfold("#issues details summary"),
}


class EveryPage(PageCase):
    def unfold(self, *selectors):
        """Opens the first fold of each kind."""
        for selector in selectors:
            for summary in self.browser.find_elements(By.CSS_SELECTOR, selector)[:1]:
                summary.click()

    def check(self, name):
        """The page that is shown: light, then dark, where only colours can be another matter."""
        self.assertEqual(axe.violations(self.browser), [], name)
        self.picture(f"{name}-light")
        axe.colours(self.browser, "dark")
        self.assertEqual(axe.violations(self.browser, ["color-contrast"]), [], f"{name}, dark")
        self.picture(f"{name}-dark")
        axe.colours(self.browser, "light")
        self.assertNotEqual(self.browser.title, "")
        found = self.browser.execute_script("return [window.owned || 0, document.querySelectorAll('.evil, img[src=x]').length, document.querySelectorAll('h1').length]")
        self.assertEqual(found, [0, 0, 1], name)

    def test_pages(self):
        for name, path, *there in PAGES:
            with self.subTest(name):
                self.open(path, *there)
                OPENED.get(name, lambda _: None)(self)
                self.check(name)
                self.quiet("404" if name in ("gone", "not-found") else "no such line")

    def test_signed_out(self):
        """The sign-in page, a wrong key, and a session that ends under an open page, which Escape does not get rid of."""
        self.open("/settings", "#keys tbody tr")
        session = self.browser.get_cookies()
        self.browser.delete_all_cookies()
        self.see("#new-key [name=name]").send_keys("kept")
        self.see("#new-key button").click()
        self.see("#expired [name=key]")
        self.press(Keys.ESCAPE)
        self.press(Keys.ESCAPE)
        self.check("expired")
        self.see("#expired [name=key]").send_keys("no key", Keys.ENTER)
        self.see("#expired .problem")
        self.open("/sign-in?next=javascript:window.owned=1//" + quote(MARKUP), "form#sign-in")
        self.check("sign-in")
        self.see("[name=key]").send_keys("no key" + MARKUP, Keys.ENTER)
        self.see("form#sign-in .problem")
        self.check("sign-in-refused")
        for cookie in session:
            self.browser.add_cookie(cookie)
        self.quiet("401")

    def test_reflected_markup(self):
        """What an address or an answer gives back of what was sent is text."""
        markup = quote(MARKUP, safe="")
        for path in (f"/models/{quote('<img src=x>', safe='')}", f"/models/every?version={markup}", f"/models/every?view={markup}", f"/datasets/{{table}}?target={markup}",
                     f"/jobs/{{job}}?trial={markup}", f"/jobs/{{job}}/search?param={markup}", f"/jobs/new?dataset={{table}}&target={markup}", f"/compare?jobs={markup}",
                     f"/settings?section={markup}", f"/{markup.replace('%2F', '')}", f"/docs/{markup.replace('%2F', '')}", f"/studies/{{study}}?trial={markup}"):
            with self.subTest(path):
                self.open(path, "#main h1")
                self.text_only()
        self.open("/models/every?view=versions", "#new-alias")
        self.browser.execute_script("""
          const field = document.querySelector("#new-alias [name=alias]");
          field.removeAttribute("pattern");
          field.value = arguments[0];
          field.form.requestSubmit();""", MARKUP)
        self.see(".problem")
        self.text_only()
        self.open("/settings?section=webhooks", "#new-webhook")
        self.see("#new-webhook [name=url]").send_keys("http://x.invalid/" + MARKUP, Keys.ENTER)
        self.see(".problem, #webhook-secret")
        self.text_only()
        self.quiet("404", "422", "400")

    def text_only(self):
        found = self.browser.execute_script("return [window.owned || 0, document.querySelectorAll('.evil, img[src=x]').length]")
        self.assertEqual(found, [0, 0])


if __name__ == "__main__":
    unittest.main()
