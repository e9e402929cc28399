"""Every page in light and dark: nothing that axe finds, nothing on the console; and names with markup, wherever they are
shown or come back, are text."""

import unittest
from urllib.parse import quote

import axe
from every_page_data import MARKUP
from page_case import EveryPageCase

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
    ("compare-models", "/compare/models?models=every,every@1", "#compare tbody tr"),
    ("model-drift", "/models/every?view=drift", "#view-panel .card"),
    ("try-table", "/models/every?view=try", "form#try", "#code"),
    ("try-images", "/models/every-images?view=try", ".samples button", ".pad canvas"),
    ("study", "/studies/{study}", "#best-chart [data-line]", "#trials .v-row"),
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


class EveryPage(EveryPageCase):
    def unfold(self, *selectors):
        """Opens the first fold of each kind."""
        for selector in selectors:
            summary = self.page.locator(selector).first
            if summary.count():
                summary.click()

    def check(self, name):
        """The page that is shown: light, then dark, where only colours can be another matter."""
        self.assertEqual(axe.violations(self.page), [], name)
        self.picture(f"{name}-light")
        self.page.emulate_media(color_scheme="dark")
        self.assertEqual(axe.violations(self.page, ["color-contrast"]), [], f"{name}, dark")
        self.picture(f"{name}-dark")
        self.page.emulate_media(color_scheme="light")
        self.assertNotEqual(self.page.title(), "")
        self.text_only()
        self.assertEqual(self.page.locator("h1").count(), 1, name)

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
        session = self.window.context.cookies()
        self.window.context.clear_cookies()
        self.see("#new-key [name=name]").fill("kept")
        self.see("#new-key button").click()
        self.see("#expired [name=key]")
        self.press("Escape", "Escape")
        self.check("expired")
        self.enter("#expired [name=key]", "no key")
        self.see("#expired .problem")
        self.open("/sign-in?next=javascript:window.owned=1//" + quote(MARKUP), "form#sign-in")
        self.check("sign-in")
        self.enter("[name=key]", "no key" + MARKUP)
        self.see("form#sign-in .problem")
        self.check("sign-in-refused")
        self.window.context.add_cookies(session)
        self.quiet("401")

    def test_reflected_markup(self):
        """What an address or an answer gives back of what was sent is text."""
        markup = quote(MARKUP, safe="")
        for path in (f"/models/{quote('<img src=x>', safe='')}", f"/models/every?version={markup}", f"/models/every?view={markup}", f"/datasets/{{table}}?target={markup}",
                     f"/jobs/{{job}}?trial={markup}", f"/jobs/{{job}}/search?param={markup}", f"/jobs/new?dataset={{table}}&target={markup}", f"/compare?jobs={markup}", f"/compare/models?models={markup}",
                     f"/settings?section={markup}", f"/{markup.replace('%2F', '')}", f"/docs/{markup.replace('%2F', '')}", f"/studies/{{study}}?trial={markup}"):
            with self.subTest(path):
                self.open(path, "#main h1")
                self.text_only()
        self.open("/models/every?view=versions", "#new-alias")
        self.page.locator("#new-alias [name=alias]").evaluate("""(field, text) => {
          field.removeAttribute("pattern");
          field.value = text;
          field.form.requestSubmit();
        }""", MARKUP)
        self.see(".problem")
        self.text_only()
        self.open("/settings?section=webhooks", "#new-webhook")
        self.enter("#new-webhook [name=url]", "http://x.invalid/" + MARKUP)
        self.see(".problem, #webhook-secret")
        self.text_only()
        self.quiet("404", "422", "400")

    def test_nothing_goes_unheard(self):
        """What `quiet` looks at has what a script throws and writes, a load that failed, and what the page's policy forbids."""
        self.open("/docs", "details.card")
        self.quiet()
        self.page.evaluate("""() => {
          const script = document.createElement("script"), picture = document.createElement("img");
          script.textContent = "window.owned = 1";
          picture.src = "/assets/none.png";
          document.body.append(script, picture);
          console.error("written");
          setTimeout(() => { throw new Error("thrown"); });
          return new Promise((done) => { picture.onerror = () => setTimeout(done, 100); });
        }""")
        told = self.window.went_wrong()
        for words in ("Content Security Policy", "/assets/none.png", "written", "thrown"):
            self.assertEqual(sum(words in line for line in told), 1, told)
        self.assertEqual(self.page.evaluate("window.owned || 0"), 0)


if __name__ == "__main__":
    unittest.main()
