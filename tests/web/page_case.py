"""What tests of the pages have in common: one server and browser, waiting, keys, and what stands on the console."""

import os
import unittest

from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import axe
from every_page_data import made
from one_server import server_and_browser

SHOTS = os.environ.get("ATTUNE_SCREENSHOTS")
WAIT_S = 60


class PageCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server, cls.browser = server_and_browser()
        cls.base = f"http://127.0.0.1:{cls.server.port}"
        # Tab past the last stop leads out of the page to the window around it, which has none here.
        cls.browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        cls.data = made(cls.server)

    def tearDown(self):
        axe.colours(self.browser, "light")
        self.browser.get_log("browser")  # each test looks at its own lines

    def wait(self, what, seconds=WAIT_S):
        return WebDriverWait(self.browser, seconds, 0.05, [StaleElementReferenceException, JavascriptException]).until(what)

    def see(self, selector, seconds=WAIT_S):
        return self.wait(lambda page: next((e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None), seconds)

    def open(self, path, *selectors):
        self.browser.get(self.base + path.format(**self.data))
        for selector in selectors:
            self.see(selector)

    def quiet(self, *allowed):
        bad = [line for line in self.browser.get_log("browser")
               if line["level"] in ("SEVERE", "ERROR") and not any(word in line["message"] for word in allowed)]
        self.assertEqual(bad, [])

    def picture(self, name):
        if SHOTS:
            self.browser.save_screenshot(os.path.join(SHOTS, f"{name}.png"))

    # ---- keys ----

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def retype(self, text):
        """Writes over what the field with the focus has."""
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(text).perform()

    def held(self, selector="*"):
        """(the element with the focus, whether that can be seen, whether it fits the selector, how it begins)."""
        return self.browser.execute_script("""
          const held = document.activeElement, look = getComputedStyle(held), frame = held.getBoundingClientRect();
          const inside = frame.bottom > 0 && frame.top < innerHeight && frame.right > 0 && frame.left < innerWidth;
          return [held, held !== document.body && inside && look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 1,
            held.matches(arguments[0]), held.outerHTML.slice(0, 200)];""", selector)

    def tab_to(self, selector, most=90):
        """Presses Tab until what has the focus fits the selector; on the way each stop shows that it has the focus."""
        for _ in range(most):
            self.press(Keys.TAB)
            element, seen, fits, words = self.held(selector)
            # After the last one the focus leaves the page for a moment.
            self.assertTrue(seen or words.startswith("<body"), f"the focus is not seen on {words}")
            if fits:
                return element
        self.fail(f"no Tab leads to {selector}")

    def focus_on(self, selector):
        """Waits until the focus is on such an element, and can be seen there."""
        self.wait(lambda _: all(self.held(selector)[1:3]))
