#!/usr/bin/env python3
"""Takes the pictures of README: a running job, its search explained, and its model being tried.

usage: ATTUNE_BUILD=build tests/web/screenshots.py [FOLDER]     (default: api-docs)
"""

import os
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), *more) for more in ((), ("..", "harness"))]

from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from attune_server import TOP  # noqa: E402
from one_server import server_and_browser  # noqa: E402

SECONDS = 45


def take(server, page, folder):
    base = f"http://127.0.0.1:{server.port}"

    def see(selector):
        return WebDriverWait(page, 90, 0.2, [StaleElementReferenceException]).until(lambda _: next((e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None))

    def picture(name, path, *selectors):
        page.get(base + path)
        for selector in selectors:
            see(selector)
        time.sleep(1)  # for what moves to come to rest
        page.save_screenshot(os.path.join(folder, name + ".png"))

    see("header nav")
    with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
        dataset = server.upload("/api/v1/datasets", [("file", "iris.csv", file.read())]).json["id"]
    server.wait_dataset(dataset)
    job = server.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "name": "iris", "metric": "log_loss", "families": ["mlp"],
                                       "budget": {"seconds": SECONDS}, "search": {"early_stopping": "asha", "seed": 4}}).json["id"]
    time.sleep(0.6 * SECONDS)
    picture("job-page", f"/jobs/{job}", "#best-chart svg .line", "#curves-chart svg .line", "#trials .v-body .v-row")
    server.wait_job(job, 180)
    picture("search-page", f"/jobs/{job}/search", "#gp svg .line", "#importance svg .solid", "#parallel svg .line")
    picture("try-page", "/models/iris/try", "form#try")
    see("form#try button[type=submit]").click()
    see("#prediction .answer")
    page.save_screenshot(os.path.join(folder, "try-page.png"))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "api-docs")
    server, page = server_and_browser()
    page.set_window_size(1280, 1250)
    take(server, page, folder)


if __name__ == "__main__":
    main()
