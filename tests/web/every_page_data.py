"""What the tests of every page look at: made once for the server that they share, each part as small as it can be."""

import csv
import io
from urllib.parse import quote

from image_files import png, zipped

MARKUP = "<img src=x onerror=\"window.owned=1\"><b class=evil>x</b>"
TARGET = "kind " + MARKUP
FOLDER = "<b class=evil>lit left"  # a folder's name has no slash
MANY_CLASSES = 200
MANY_COLUMNS = 2000

_made = {}


def table_of(head, rows) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    return out.getvalue().encode()


def named_table() -> bytes:
    """Markup in the names of columns, categories and classes; the kind follows from the size, a row comes twice."""
    rows = [[f"{i % 60 + i / 1000:.3f}", ("dark ", "light ")[i // 7 % 2] + MARKUP, "big " + MARKUP if i % 60 > 30 else "small"] for i in range(120)]
    return table_of(["size", "shade " + MARKUP, TARGET], rows + rows[:1])


def pictures() -> bytes:
    def lit(first, last):
        return png(bytes(255 if first <= i % 12 < last else 0 for i in range(144)), 12, 12)
    return zipped([(f"{FOLDER}/{i}.png", lit(0, 4 + i % 3)) for i in range(16)] + [(f"right/{i}.png", lit(7 + i % 3, 12)) for i in range(16)])


def many_classes() -> bytes:
    """Each class by two coordinates, some of them in each other's place."""
    rows = [[i % MANY_CLASSES % 20 + (i * 7 % 13) / 9, i % MANY_CLASSES // 20 + (i * 5 % 11) / 8, f"class {i % MANY_CLASSES} <i class=evil>"] for i in range(8 * MANY_CLASSES)]
    return table_of(["x", "y", "which"], rows)


def many_columns() -> bytes:
    return table_of([f"c{i}" for i in range(MANY_COLUMNS)], [[(i * j) % 7 for i in range(MANY_COLUMNS)] for j in range(24)])


def made(server) -> dict:
    """Ids by name: datasets table, images, many, wide; jobs job and second, whose model `every` has two versions; study."""
    if _made:
        return _made
    found = {"target": quote(TARGET, safe="")}

    def dataset(name, file, content):
        found[name] = server.upload("/api/v1/datasets", [("file", file, content)]).json["id"]
        server.wait_dataset(found[name])

    def job(name, data, model, target=None, **more):
        answer = server.post("/api/v1/jobs", {"dataset": found[data], "name": f"{name} {MARKUP}", "deploy_as": model, "families": ["linear"],
                                              "budget": {"trials": 2}, **({"target": target} if target else {}), **more})
        if answer.status != 202:
            raise AssertionError(answer)
        found[name] = answer.json["id"]

    dataset("table", f"{MARKUP}.csv", named_table())
    job("job", "table", "every", TARGET)
    dataset("many", "many.csv", many_classes())
    job("many-job", "many", "many", "which", budget={"trials": 1}, validation={"holdout": 0.3})
    dataset("images", "sides.zip", pictures())
    job("images-job", "images", "every-images", budget={"trials": 1})
    dataset("wide", "wide.csv", many_columns())
    server.wait_job(found["job"], 120)
    job("second", "table", "every", TARGET, search={"seed": 5})
    study = server.post("/api/v1/studies", {"name": MARKUP, "seed": 7, "space": {"rate " + MARKUP: {"type": "float", "low": 1e-4, "high": 1, "scale": "log"},
                                                                                 "kind": {"type": "categorical", "choices": ["plain", MARKUP]}}})
    if study.status != 201:
        raise AssertionError(study)
    found["study"] = study.json["id"]
    for turn in range(7):
        trial = server.post(f"/api/v1/studies/{found['study']}/suggest", {"client_id": MARKUP}).json["trials"][0]
        server.post(f"/api/v1/studies/{found['study']}/trials/{trial['id']}/complete", {"failed": True, "reason": MARKUP} if turn == 3 else {"value": turn})
    for name in ("second", "many-job", "images-job"):
        server.wait_job(found[name], 120)
    _made.update(found)
    return _made
