"""One server and one browser, signed in, for all tests of the pages that leave both as they found them."""

import atexit
import shutil
import tempfile

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from attune_server import AttuneServer
from test_walk import browser

_running = []


def server_and_browser():
    """Both go when the run ends."""
    if not _running:
        server = AttuneServer()
        atexit.register(server.close)
        server.start()
        profile = tempfile.mkdtemp(prefix="attune-chromium-")
        atexit.register(shutil.rmtree, profile, True)
        page = browser(profile)
        atexit.register(page.quit)
        page.get(server.sign_in_link())
        WebDriverWait(page, 60, 0.1).until(lambda _: page.find_elements(By.ID, "jobs"))
        _running.append((server, page))
    return _running[0]
