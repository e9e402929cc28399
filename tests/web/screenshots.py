#!/usr/bin/env python3
"""Takes the pictures of README: a running job, its search explained, and its model being tried.

usage: ATTUNE_BUILD=build tests/web/screenshots.py [FOLDER]     (default: api-docs)
"""

import os
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), *more) for more in ((), ("..", "harness"))]

from attune_server import TOP  # noqa: E402
from browser import expect  # noqa: E402
from one_server import signed_in  # noqa: E402

SECONDS = 45
SIZE = {"width": 1280, "height": 1107}


def take(server, page, folder):
    def see(selector):
        found = page.locator(selector).filter(visible=True).first
        expect(found).to_be_visible(timeout=90_000)
        return found

    def save(name):
        page.screenshot(path=os.path.join(folder, name + ".png"), caret="initial")

    def picture(name, path, *selectors):
        page.goto(path)
        for selector in selectors:
            see(selector)
        page.wait_for_timeout(1000)  # for what moves to come to rest
        save(name)

    with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
        dataset = server.upload("/api/v1/datasets", [("file", "iris.csv", file.read())]).json["id"]
    server.wait_dataset(dataset)
    job = server.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "name": "iris", "metric": "log_loss", "families": ["mlp"],
                                       "budget": {"seconds": SECONDS}, "search": {"early_stopping": "asha", "seed": 4}}).json["id"]
    time.sleep(0.6 * SECONDS)
    picture("job-page", f"/jobs/{job}", "#best-chart [data-line]", "#curves-chart [data-line]", "#trials .v-body .v-row")
    server.wait_job(job, 180)
    picture("search-page", f"/jobs/{job}/search", "#gp [data-line]", "#importance svg:has(.solid)", "#parallel svg:has(.line)")
    picture("try-page", "/models/iris/try", "form#try")
    for field, value in (("sepal_length", "6.3"), ("sepal_width", "2.7"), ("petal_length", "4.9"), ("petal_width", "1.8")):  # between two kinds
        see(f"form#try [name='column:{field}']").fill(value)
    see("form#try button[type=submit]").click()
    see("#prediction .answer")
    save("try-page")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "api-docs")
    window = signed_in()
    window.page.set_viewport_size(SIZE)
    take(window.server, window.page, folder)


if __name__ == "__main__":
    main()
