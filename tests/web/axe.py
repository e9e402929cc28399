"""axe-core in a page under test."""

import functools
import os

from browser import PACKAGES

RUN = """
async (rules) => {
  const found = await axe.run(document, {resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})});
  return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`);
}
"""


@functools.cache
def source() -> str:
    with open(os.path.join(PACKAGES, "axe_playwright_python", "axe.min.js"), encoding="utf-8") as file:
        return file.read()


def violations(page, rules=None) -> list:
    """What axe finds on the page that is shown, in the colours it is shown in; by all its rules, or these alone."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(source())
    return page.evaluate(RUN, rules)
