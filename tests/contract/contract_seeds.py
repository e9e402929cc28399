"""Ids of things that are there, for every path parameter of the contract, whatever routes it has by now."""

import re
import uuid


def last_parameter(path):
    return re.findall(r"{(\w+)}", path)[-1]


def in_place(body, seeds):
    """A body of the contract's examples, about the dataset and the model that are there, with a new name."""
    out = dict(body)
    if "dataset" in out:
        out["dataset"] = seeds["dataset"]
    if "target" in out:
        out["target"] = "species"
    if out.get("model"):
        out["model"] = seeds["model"]
    if "version" in out:
        out["version"] = 1
    if "job" in out:
        out["job"] = seeds["job"]
    if isinstance(out.get("name"), str):
        out["name"] = "n" + uuid.uuid4().hex[:12]
    if "warm_start" in out and isinstance(out["warm_start"], str):
        out["warm_start"] = seeds["job"]
    return out


def example(item):
    content = item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
    return next((one["value"] for one in content.get("examples", {}).values()
                 if isinstance(one.get("value"), dict)), None)


def fill(server, paths, seeds):
    """Adds to seeds["path"] an id for each parameter that has none: of the list that its collection answers, or of
    something made of the contract's example. Paths with fewer parameters come first."""
    for path in sorted(paths, key=lambda path: path.count("{")):
        collection, _, tail = path.rpartition("/")
        if not re.fullmatch(r"{\w+}", tail) or tail[1:-1] in seeds["path"]:
            continue
        if collection not in paths or "{" in collection and not set(
                re.findall(r"{(\w+)}", collection)) <= set(seeds["path"]):
            continue
        at = re.sub(r"{(\w+)}", lambda match: str(seeds["path"][match[1]]), collection)
        if "post" in paths[collection] and example(paths[collection]):
            server.post(at, in_place(example(paths[collection]), seeds))
        listed = server.get(at) if "get" in paths[collection] else None
        items = (listed.json or {}).get("items") if listed and listed.status == 200 else None
        if items:
            seeds["path"][tail[1:-1]] = items[0].get("id") or items[0].get("name") or items[0].get("version")
    return seeds
