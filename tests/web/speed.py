#!/usr/bin/env python3
"""How soon each page is there and answers, on a slow machine (CPU 4 times slower, 10 Mbit/s, 40 ms) with nothing in the cache.

usage: ATTUNE_BUILD=build tests/web/speed.py [--plain] [WORD…]     (--plain: without slowing down; WORD: only pages with it)
"""

import os
import statistics
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), *more) for more in ((), ("..", "harness"))]

from attune_server import TOP  # noqa: E402
from one_server import signed_in  # noqa: E402

TURNS = 3
CPU_TIMES, BITS, DELAY_MS = 4, 10e6, 40
# In the page: when its main content is drawn, and when after that an input would have been answered.
WATCH = """
  const wanted = %s;
  window.timesOf = null;
  const look = () => {
    const there = wanted.every((selector) => { const node = document.querySelector(selector); return node && node.getClientRects().length; });
    if (!there) return requestAnimationFrame(look);
    const shown = performance.now();
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { window.timesOf = { shown, answers: performance.now() }; };
    requestAnimationFrame(() => channel.port2.postMessage(0));
  };
  requestAnimationFrame(look);
"""


def make(server):
    """(name, path, selectors of what it is about) of every page."""
    with open(os.path.join(TOP, "tests", "data", "iris.csv"), "rb") as file:
        dataset = server.upload("/api/v1/datasets", [("file", "iris.csv", file.read())]).json["id"]
    server.wait_dataset(dataset)

    def job(name, families, **search):
        return server.post("/api/v1/jobs", {"dataset": dataset, "target": "species", "name": name, "families": families,
                                            "budget": {"trials": 12}, "search": {"seed": 3, **search}}).json["id"]

    first, second = job("one", ["mlp"], early_stopping="asha"), job("two", ["linear", "mlp"], method="random")
    test = server.post("/api/v1/lr-range-tests", {"dataset": dataset, "target": "species", "family": "mlp", "steps": 60}).json["id"]
    study = server.post("/api/v1/studies", {"name": "study", "seed": 1, "space": {
        "rate": {"type": "float", "low": 1e-4, "high": 1, "scale": "log"}, "units": {"type": "int", "low": 8, "high": 512}}}).json["id"]
    for _ in range(12):
        trial = server.post(f"/api/v1/studies/{study}/suggest", {"client_id": "one"}).json["trials"][0]
        server.post(f"/api/v1/studies/{study}/trials/{trial['id']}/complete", {"value": trial["params"]["units"] * trial["params"]["rate"]})
    for one in (first, second):
        server.wait_job(one, 180)
    return [
        ("home", "/", ("#jobs",)),
        ("datasets", "/datasets", ("#upload",)),
        ("dataset", f"/datasets/{dataset}", ("#columns tbody tr",)),
        ("new job", f"/jobs/new?dataset={dataset}", ("#new-job [name=target]",)),
        ("jobs", "/jobs", ("main table tbody tr",)),
        ("job", f"/jobs/{first}", ("#best-chart svg, #best-chart canvas", "#trials .v-body .v-row")),
        ("search explained", f"/jobs/{second}/search", ("#gp svg, #gp canvas", "#parallel svg, #parallel canvas")),
        ("compare", f"/compare?jobs={first},{second}", ("#compare tbody tr",)),
        ("range test", f"/range-tests/{test}", ("#range svg, #range canvas",)),
        ("studies", "/studies", ("#studies tbody tr",)),
        ("study", f"/studies/{study}", ("#best-chart svg, #best-chart canvas", "#gp svg, #gp canvas")),
        ("models", "/models", ("main table tbody tr",)),
        ("model", "/models/one", ("main .card",)),
        ("try it", "/models/one?view=try", ("form#try",)),
        ("settings", "/settings", ("#keys tbody tr",)),
        ("docs", "/docs", ("main h1",)),
    ]


def visit(page, chrome, path, selectors):
    added = chrome.send("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH % str(list(selectors))})["identifier"]
    try:
        page.goto(path)
        times = page.wait_for_function("() => window.timesOf").json_value()
        sizes = page.evaluate("performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                              ".filter((entry) => entry.startTime <= window.timesOf.shown).map((entry) => entry.transferSize)")
        return times["shown"], times["answers"], len(sizes), sum(sizes)
    finally:
        chrome.send("Page.removeScriptToEvaluateOnNewDocument", {"identifier": added})


def measure(server, page, words, plain):
    pages = [one for one in make(server) if not words or any(word in one[0] for word in words)]
    chrome = page.context.new_cdp_session(page)
    for domain in ("Network.enable", "Page.enable"):
        chrome.send(domain)
    if not plain:
        chrome.send("Emulation.setCPUThrottlingRate", {"rate": CPU_TIMES})
        chrome.send("Network.emulateNetworkConditions", {"offline": False, "latency": DELAY_MS, "downloadThroughput": BITS / 8, "uploadThroughput": BITS / 8})
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median of {TURNS}, ms from the navigation on\n")
    print("| page | kB over the wire | requests | content | answers | again, from the cache |\n|---|---:|---:|---:|---:|---:|")
    for name, path, selectors in pages:
        cold, warm = [], []
        for _ in range(TURNS):
            chrome.send("Network.clearBrowserCache")
            cold.append(visit(page, chrome, path, selectors))
            warm.append(visit(page, chrome, path, selectors))
        shown, answers, requests, size = (statistics.median(one[i] for one in cold) for i in range(4))
        again = statistics.median(one[1] for one in warm)
        print(f"| {name} | {size / 1000:.0f} | {requests:.0f} | {shown:.0f} | {answers:.0f} | {again:.0f} |", flush=True)


def main():
    words = [word for word in sys.argv[1:] if word != "--plain"]
    window = signed_in()
    measure(window.server, window.page, words, "--plain" in sys.argv)


if __name__ == "__main__":
    main()
