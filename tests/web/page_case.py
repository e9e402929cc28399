"""What tests of the pages have in common: one server and window, waiting, keys, what went wrong, and pictures."""

import contextlib
import os
import time
import unittest

from browser import SHOTS, Window, expect
from every_page_data import made
from one_server import signed_in

WAIT_S = 60
# Whether an element fits a selector, whether it is seen that it has the focus, and how it begins and stands.
HELD = """
(selector) => {
  const held = document.activeElement, look = getComputedStyle(held), frame = held.getBoundingClientRect();
  const inside = frame.bottom > 0 && frame.top < innerHeight && frame.right > 0 && frame.left < innerWidth;
  return {fits: held.matches(selector), words: held.outerHTML.slice(0, 100),
    where: `from ${frame.top} to ${frame.bottom} of ${innerHeight} px, outline ${look.outline}, page ${document.hasFocus() ? "with" : "without"} the focus`,
    seen: held !== document.body && inside && look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 1};
}
"""
SEEN_S = 15  # within it the page has scrolled to what the focus moved to
MARKS = "[window.owned || 0, document.querySelectorAll('.evil, img[src=x]').length]"


class PageCase(unittest.TestCase):
    data = {}

    @classmethod
    def setUpClass(cls):
        cls.window = signed_in()
        cls.server = cls.window.server
        cls.base = f"http://127.0.0.1:{cls.server.port}"

    def setUp(self):
        self.pictures = 0
        self.window.went_wrong()  # each test looks at its own

    def tearDown(self):
        if not self.pictures:
            self.picture(self.id())
        self.page.emulate_media(color_scheme="light")

    @property
    def page(self):
        return self.window.page

    def wait(self, what, seconds=WAIT_S):
        """Waits for what the page alone can't tell."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            self.page.wait_for_timeout(50)
        return found

    def see(self, selector, seconds=WAIT_S):
        """The first such element that is visible."""
        found = self.page.locator(selector).filter(visible=True).first
        expect(found).to_be_visible(timeout=1000 * seconds)
        return found

    def text(self, selector):
        """Its words, however they are laid out."""
        return " ".join(self.see(selector).inner_text().split())

    def says(self, selector, words):
        expect(self.see(selector)).to_contain_text(words, use_inner_text=True)

    def open(self, path, *selectors):
        self.page.goto(path.format(**self.data))
        for selector in selectors:
            self.see(selector)

    def enter(self, selector, text):
        """Writes into a field and sends its form."""
        field = self.see(selector)
        field.fill(text)
        field.press("Enter")

    def quiet(self, *allowed):
        self.assertEqual([line for line in self.window.went_wrong() if not any(word in line for word in allowed)], [])

    def text_only(self):
        """No markup of a name came to life."""
        self.assertEqual(self.page.evaluate(MARKS), [0, 0])

    def fits(self):
        """Nothing is wider than the window."""
        self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0)

    # ---- windows ----

    @contextlib.contextmanager
    def apart(self, **look):
        """Another window with the same session: it has nothing in its cache, and what is done to it goes with it."""
        self.window = Window(self.server, storage_state=self.window.context.storage_state(), **look)
        try:
            yield self.page
        except BaseException:
            self.keep_failure()
            raise
        finally:
            self.window.context.close()
            del self.window  # the class has the usual one

    def phone(self, height=844):
        return self.apart(viewport={"width": 390, "height": height}, is_mobile=True)

    @contextlib.contextmanager
    def upload_rate(self, rate):
        """Uploads take so many bytes/s."""
        session = self.window.context.new_cdp_session(self.page)
        session.send("Network.enable")
        try:
            session.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate})
            yield
        finally:
            session.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
            session.detach()

    # ---- pictures ----

    def picture(self, name):
        self.pictures += 1
        # A hidden caret would be a style that the page's policy forbids.
        self.page.screenshot(path=os.path.join(SHOTS, f"{name}.png"), caret="initial")

    def keep_failure(self):
        """What the page looks like and what the server said when a test fails: the runner asks for it."""
        self.pictures += 1
        name = os.path.join(SHOTS, f"failed-{self.id()}-{self.pictures}")
        with contextlib.suppress(Exception):  # the failure is what is to be told
            os.makedirs(SHOTS, exist_ok=True)
            with open(name + ".html", "w", encoding="utf-8") as file:
                file.write(self.page.content())
            with open(name + ".log", "w", encoding="utf-8") as file:
                file.write(self.server.log())
            self.page.screenshot(path=name + ".png", caret="initial", timeout=10_000)

    # ---- keys ----

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text, *keys):
        self.page.keyboard.type(text)
        self.press(*keys)

    def retype(self, text, *keys):
        """Writes over what the field with the focus has."""
        self.press("Control+a")
        self.type(text, *keys)

    def held(self):
        """The element with the focus."""
        return self.page.locator(":focus")

    def tab_to(self, selector, most=90):
        """Presses Tab until what has the focus fits the selector; on the way each stop shows that it has the focus."""
        for _ in range(most):
            self.press("Tab")
            if self.shown_stop(selector)["fits"]:
                return self.held()
        self.fail(f"no Tab leads to {selector}")

    def shown_stop(self, selector):
        """What has the focus (HELD), once that is seen. After the last one the focus leaves the page for a moment."""
        deadline = time.monotonic() + SEEN_S
        while not ((held := self.page.evaluate(HELD, selector))["seen"] or held["words"].startswith("<body")):
            self.assertLess(time.monotonic(), deadline, f"the focus is not seen on {held['words']}: {held['where']}")
            self.page.wait_for_timeout(50)
        return held

    def focus_on(self, selector):
        """Waits until the focus is on such an element, and can be seen there."""
        self.page.wait_for_function(f"(selector) => {{ const held = ({HELD})(selector); return held.seen && held.fits; }}", arg=selector)


class EveryPageCase(PageCase):
    """With the data that tests of every page share."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = made(cls.server)
