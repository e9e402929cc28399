"""Debian's Chromium, driven by Playwright. Playwright and axe-core come from the Python registry, pinned by version and digest."""

import atexit
import fcntl
import glob
import hashlib
import os
import subprocess
import sys

from attune_server import BUILD, TOP

# What a test run makes stands beside its builds; a build in the checkout's own build/ has it inside.
WORK = os.path.dirname(BUILD) if os.path.dirname(BUILD) != TOP else BUILD
SHOTS = os.environ.get("ATTUNE_SCREENSHOTS") or os.path.join(WORK, "logs", "screenshots")
WAIT_MS = 60_000
FLAGS = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage")
VIEW = {"width": 1280, "height": 900}


def packages() -> str:
    """The folder with what requirements.txt names, fetched once for a list and a Python."""
    wanted = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
    with open(wanted, "rb") as file:
        mark = hashlib.sha256(file.read() + sys.version.encode()).hexdigest()
    os.makedirs(WORK, exist_ok=True)
    venv = os.path.join(WORK, "venv-web")
    done = os.path.join(venv, "done-" + mark)
    with open(venv + ".lock", "w", encoding="ascii") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(done):
            subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
            subprocess.run([os.path.join(venv, "bin", "pip"), "-q", "install", "--only-binary", ":all:", "--require-hashes", "-r", wanted], check=True)
            with open(done, "w", encoding="ascii"):
                pass
    return glob.glob(os.path.join(venv, "lib", "python3*", "site-packages"))[0]


PACKAGES = packages()
sys.path.append(PACKAGES)

from playwright.sync_api import expect, sync_playwright  # noqa: E402

expect.set_options(timeout=WAIT_MS)
_running = []


def chromium():
    """One browser for all windows of a test run; it goes when the run ends."""
    if not _running:
        driver = sync_playwright().start()
        atexit.register(driver.stop)
        # Scroll bars take room in what people see, so they do in what is tested.
        _running.append(driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS, chromium_sandbox=os.getuid() != 0,
                                               ignore_default_args=["--hide-scrollbars"]))
        atexit.register(_running[0].close)
    return _running[0]


class Window:
    """A page in a context of its own, and what went wrong in it since that was last asked."""

    def __init__(self, server, **look):
        self.server = server
        self.wrong = []
        self.context = chromium().new_context(base_url=f"http://127.0.0.1:{server.port}", **{"viewport": VIEW, **look})
        self.context.set_default_timeout(WAIT_MS)
        self.context.on("console", self.hear)
        self.context.on("weberror", lambda error: self.wrong.append(f"uncaught: {error.error}"))
        self.page = self.context.new_page()
        self.page.on("crash", lambda _: self.wrong.append("the page crashed"))

    def hear(self, message):
        """What scripts write, and what the browser itself has to say: a load that failed, what the page's policy forbids."""
        if message.type == "error":
            self.wrong.append(f"{message.location['url']} {message.text}")

    def sign_in(self):
        self.page.goto(self.server.sign_in_link())
        expect(self.page.locator("#jobs")).to_be_visible()  # the frame is there before the session is
        return self

    def went_wrong(self) -> list:
        self.page.evaluate("0")  # what was told before its answer has been heard
        wrong, self.wrong[:] = list(self.wrong), []
        return wrong
