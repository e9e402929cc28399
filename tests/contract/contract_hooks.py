"""Hooks of schemathesis for test_contract.py: three of four generated requests meet what is really there.

Generated ids exist nowhere, so without help most answers were 404. Here ids, bodies and files of requests
that are valid are exchanged for those of the file named by ATTUNE_CONTRACT_SEEDS; what is generated to be
wrong stays as it is. A job that a request starts is cancelled once it is answered. The statuses of each
operation go, a line each, to the file that the seeds name as `statuses`.
"""

import json
import os
import re
import struct
import sys
import uuid
import zlib

import schemathesis
from schemathesis.core import NotSet
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.openapi.checks import UseAfterFree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "harness"))

import contract_seeds as seeds  # noqa: E402
from attune_server import Client  # noqa: E402

with open(os.environ["ATTUNE_CONTRACT_SEEDS"], encoding="utf-8") as seeds_file:
    SEEDS = json.load(seeds_file)
CLIENT = Client(SEEDS["port"], SEEDS["key"])
OUR_ID = re.compile("[a-z]+_[0-9a-z]{20}")  # came from an earlier answer, over a link: one in two stays
LONGEST_WAIT_S = 2
WAIT_MAX_S = 600  # of the contract; what is above it must stay there
CONTRACT = CLIENT.get("/openapi.json").json
PATHS, REQUEST_BODIES = CONTRACT["paths"], CONTRACT["components"]["requestBodies"]
PREDICT_CSV = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.1,2.9,,1.4\n"
NEEDED_MODELS = {CLIENT.get(f"/api/v1/models/{SEEDS[one]}").json["id"] for one in ("model", "image_model")}
NEEDED_MODELS |= {SEEDS["model"], SEEDS["image_model"]}
STARTS_JOB = ("POST /api/v1/jobs", "POST /api/v1/train")
TRAINS_DRAFT = "/Train/"
STEERED = set()  # cases whose body was valid and is now one of ours
REACHED = set()  # operations that have answered with 2xx: until then no valid request of theirs is left to chance


def png(side, grey=0):
    """A grey PNG image of side by side pixels, brighter by `grey`."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes(range(grey, grey + side)) for _ in range(side))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def dice(case):
    """A number that depends only on the request, so that a repeat takes the same way."""
    return zlib.crc32(repr((case.operation.label, case.path_parameters, case.query, case.body)).encode())


def is_valid(case, location):
    """Whether that part of the request was generated to keep the contract."""
    part = case.meta.components.get(location) if case.meta else None
    return part is None or part.mode == GenerationMode.POSITIVE


def is_all_valid(case):
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE


def has_bytes(body):
    if isinstance(body, dict):
        return any(has_bytes(value) for value in body.values())
    if isinstance(body, list):
        return any(has_bytes(value) for value in body)
    return isinstance(body, bytes)


def new_dataset():
    parts = [("file", "small.csv", b"a,b\n1,2\n2,3\n"), ("name", "small")]
    return CLIENT.upload("/api/v1/datasets", parts).json["id"]


def new_key():
    return CLIENT.post("/api/v1/keys", {"name": "short", "scopes": ["predict"]}).json["id"]


def new_job():
    body = {"dataset": SEEDS["dataset"], "target": "species", "budget": {"seconds": 60}}
    return CLIENT.post("/api/v1/jobs", body).json.get("id")


def new_paused_job():
    job = new_job()
    CLIENT.post(f"/api/v1/jobs/{job}/pause")
    return job


def new_batch():
    return CLIENT.upload(f"/api/v1/models/{SEEDS['model']}/batches", [("file", "a.csv", SEEDS["csv"].encode() * 20)]).json.get("id")


def new_model(versions=1):
    """A copy of the model that all may use."""
    name = "copy-" + uuid.uuid4().hex[:12]
    export = CLIENT.get(f"/api/v1/models/{SEEDS['model']}/versions/{SEEDS['version']}/export?format=json").json
    for _ in range(versions):
        CLIENT.post(f"/api/v1/models?name={name}", export)
    return name


def new_draft():
    """A model of pictures that can be trained, on Nanonets' paths."""
    top = "/api/v2/ImageCategorization/"
    draft = CLIENT.post(top + "Model/", {"categories": ["a", "b"]}).json["model_id"]
    for name, grey in (("a", 0), ("b", 200)):
        files = [("file", "x.png", png(SEEDS["side"], grey + 3 * i)) for i in range(10)]
        CLIENT.upload(top + "UploadFile/", [*files, ("category", name), ("modelId", draft)])
    return draft


def new_alias():
    name = "short-" + uuid.uuid4().hex[:12]
    CLIENT.call("PUT", f"/api/v1/models/{SEEDS['model']}/aliases/{name}", {"version": SEEDS["version"]})
    return name


def new_study_trial():
    """One that is running, of the study that all may use."""
    answer = CLIENT.post(f"/api/v1/studies/{SEEDS['path']['study']}/suggest", {"client_id": uuid.uuid4().hex})
    return answer.json["trials"][0]["id"]


def request_content(operation):
    """The contents of a request's body by their type, also where the contract refers to them."""
    body = operation.get("requestBody", {})
    return REQUEST_BODIES.get(body.get("$ref", "").rpartition("/")[2], body).get("content", {})


def example(path, method):
    """The contract's first JSON example of a request's body, about things that are there; None without one."""
    content = request_content(PATHS.get(path, {}).get(method, {}))
    examples = content.get("application/json", {}).get("examples", {})
    body = next((one["value"] for one in examples.values() if isinstance(one.get("value"), dict)), None)
    return body and seeds.in_place(body, SEEDS)


def new_item(collection):
    """Something that may go away again, made from the contract's own example."""
    body = example(collection, "post")
    made = CLIENT.post(collection, body) if body is not None else None
    return (made.json.get("id") or made.json.get("name")) if made and made.status < 300 else None


# What changes or ends something that other requests need gets one of its own.
OWN_ITEM = {"DELETE /api/v1/datasets/{dataset}": new_dataset,
            "PATCH /api/v1/datasets/{dataset}/schema": new_dataset,
            "DELETE /api/v1/models/{model}": new_model, "DELETE /api/v1/models/{model}/aliases/{alias}": new_alias,
            "DELETE /api/v2/ImageCategorization/Model/{draft}": new_draft,
            "POST /api/v2/ImageCategorization/Model/{draft}/Train/": new_draft,
            "POST /api/v1/batches/{batch}/cancel": new_batch, "DELETE /api/v1/batches/{batch}": new_batch,
            "POST /api/v1/jobs/{job}/cancel": new_job, "POST /api/v1/jobs/{job}/pause": new_job,
            "POST /api/v1/jobs/{job}/resume": new_paused_job, "POST /api/v1/jobs/{job}/extend": new_job, "DELETE /api/v1/keys/{key}": new_key}


DELETE_VERSION = "DELETE /api/v1/models/{model}/versions/{version}"


def disable(tenant):
    CLIENT.call("PATCH", f"/api/v1/tenants/{tenant}", {"disabled": True})


def own_item(label):
    """An id for the last parameter of the path if this operation needs its own; None otherwise."""
    method, path = label.split(" ", 1)
    if label in OWN_ITEM:
        return OWN_ITEM[label]()
    if method in ("DELETE", "PATCH") and path.endswith("}") and "post" in PATHS.get(path.rpartition("/")[0], {}):
        item = new_item(path.rpartition("/")[0])
        if item and label == "DELETE /api/v1/tenants/{tenant}":
            disable(item)
        return item
    return None


def steer_path(case, path, chance):
    """Ids that exist; what would go away or end is made for the occasion."""
    label = case.operation.label
    found = {name: SEEDS["path"][name] for name, value in path.items()
             if name in SEEDS["path"] and not (OUR_ID.fullmatch(str(value)) and chance % 2 and label in REACHED)}
    if "trial" in found and "/studies/{study}/" in label:
        found["trial"] = new_study_trial()
    if label == DELETE_VERSION and "version" in found:
        found["model"], found["version"] = new_model(2), "1"
    own = own_item(label) if seeds.last_parameter(label) in found else None
    if own is not None:
        found[seeds.last_parameter(label)] = own
    if label == "POST /api/v1/models/{model}/predict" and case.media_type not in (
            "application/json", "text/csv"):
        found["model"] = SEEDS["image_model"]
    return {**path, **found}


def steer_job(body):
    may_stay = ("name", "budget", "validation", "class_weight")
    kept = {name: value for name, value in body.items() if name in may_stay}
    return {**kept, "dataset": SEEDS["dataset"], "target": "species"}


def steer_train(body):
    kept = {name: value for name, value in body.items() if name == "name"}
    return {**kept, "file": SEEDS["csv"].encode(), "target": "species", "trials": 1, "families": "linear"}


def steer_predict(case, body):
    if case.media_type == "application/json":
        rows = [{"sepal_length": 5.1, "petal_width": 0.2}]
        return {"rows": rows + body.get("rows", [])[:3]}
    return {"text/csv": PREDICT_CSV, "image/png": png(SEEDS["side"]),
            "application/octet-stream": bytes(SEEDS["side"] ** 2),
            "multipart/form-data": {"file": [png(SEEDS["side"])]}}.get(case.media_type, body)


def exported():
    """A model as the export gives it."""
    return CLIENT.get(f"/api/v1/models/{SEEDS['model']}/versions/1/export?format=json").json


def steer_body(case, body):
    """A body that the server can take, with as much of the generated one as may stay."""
    label = case.operation.label
    if label == "POST /api/v1/jobs" and isinstance(body, dict):
        return steer_job(body)
    if label == "POST /api/v1/train":
        return steer_train(body if isinstance(body, dict) else {})
    if label == "POST /api/v1/datasets":
        if case.media_type == "multipart/form-data":
            return {"file": SEEDS["csv"].encode(), "name": "contract"}
        if case.media_type == "text/tab-separated-values":
            return SEEDS["csv"].replace(",", "\t")
        return SEEDS["csv"]
    if label == "POST /api/v1/models/{model}/batches":
        if case.media_type == "application/json":
            return {"dataset": SEEDS["dataset"]}
        return {"file": PREDICT_CSV.encode()} if case.media_type == "multipart/form-data" else PREDICT_CSV
    if label == "PATCH /api/v1/datasets/{dataset}/schema":
        return {"columns": {"b": "categorical"}}
    if label == "PUT /api/v1/models/{model}/aliases/{alias}":
        return {"version": SEEDS["version"]}
    if label == "POST /api/v1/models/{model}/predict":
        return steer_predict(case, body if isinstance(body, dict) else {})
    if case.media_type == "application/octet-stream" and label.endswith("/infer"):
        return json.dumps(example("/v2/models/{model}/infer", "post")).encode()
    if label.endswith("/UploadFile/"):
        return {"file": [png(SEEDS["side"])], "category": "a",
                **({} if "{draft}" in label else {"modelId": SEEDS["path"]["draft"]})}
    if label.endswith("/Model/"):
        return {"categories": ["a", "b"]}
    if label.endswith("/LabelFile/"):
        return {"file": [png(SEEDS["side"])], "modelId": SEEDS["image_model"]}
    if case.media_type == "text/csv" and label.endswith("invocations"):
        return PREDICT_CSV
    if label == "POST /api/v1/feedback":
        rows = {"rows": [{"petal_width": 0.2}]}
        said = CLIENT.post(f"/api/v1/models/{SEEDS['model']}/predict", rows).json["prediction_id"]
        told = {"prediction_id": said, "truth": "setosa"}
        return [told] if isinstance(body, list) else told
    if label == "POST /api/v1/models":
        return exported() if case.media_type == "application/json" else {"file": json.dumps(exported()).encode()}
    if label == "POST /api/v1/session":
        return {"key": SEEDS["key"]}
    if label == "POST /api/v1/keys" and isinstance(body, dict):
        return {**body, "model": None}
    own = example(*reversed(label.lower().split(" ", 1))) if case.media_type == "application/json" else None
    return own if own is not None and (dice(case) % 2 or label not in REACHED) else body


def steer_query(case, query, chance):
    label = case.operation.label
    found = dict(query)
    if "version" in found and "dataset" in case.path_parameters:
        found["version"] = 1
    if "modelId" in found and chance % 3:
        found["modelId"] = new_draft() if label.endswith("/Train/") else SEEDS["image_model"]
    if label.endswith("/Train/"):
        found.pop("seconds", None)
    if label == "GET /api/v1/events":
        found["job"] = [SEEDS["job"]]
    first, second = ("learning_rate", "units") if "/studies/" in label else ("linear.penalty", "linear.l1_ratio")
    for name, param in (("param", first), ("x", first), ("y", second)):
        if name in found and chance % 3:
            found[name] = param
    if label.endswith("/confusions") and chance % 3:
        found["true"], found["predicted"] = "versicolor", "virginica"
    if "cursor" in found and chance % 3:
        del found["cursor"]
    return found


def shorten_wait(case):
    """Nobody waits for minutes here."""
    try:
        if LONGEST_WAIT_S < float(case.query.get("wait", 0)) <= WAIT_MAX_S:
            case.query = {**case.query, "wait": LONGEST_WAIT_S}
    except (TypeError, ValueError, AttributeError):
        pass


def spare_seeds(case):
    """An id that an earlier answer told may be that of what others need: another is deleted in its place."""
    if case.operation.label == "DELETE /api/v1/studies/{study}" and case.path_parameters.get("study") == SEEDS["path"]["study"]:
        case.path_parameters = {**case.path_parameters, "study": new_item("/api/v1/studies")}
    if case.operation.label in ("DELETE /api/v1/models/{model}", DELETE_VERSION) and case.path_parameters.get("model") in NEEDED_MODELS:
        case.path_parameters = {**case.path_parameters, "model": new_model(2)}


@schemathesis.hook
def before_call(_context, case, _kwargs):
    spare_seeds(case)
    chance = dice(case)
    whole = is_all_valid(case)
    shorten_wait(case)
    if chance % 4 == 0 and case.operation.label in REACHED:
        return
    if case.path_parameters and is_valid(case, ParameterLocation.PATH):
        case.path_parameters = steer_path(case, case.path_parameters, chance // 4)
    if not whole:
        return
    if case.query or case.operation.label == "GET /api/v1/events":
        case.query = steer_query(case, case.query or {}, chance)
    if case.media_type is not None:
        case.body = steer_body(case, case.body)
        STEERED.add(case.id)
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if "If-Match" in case.headers and chance % 3:
        del case.headers["If-Match"]


def sends_nothing_invalid(case):
    """Whether a case that stands among the invalid ones breaks nothing: it is schemathesis' own valid default, or what was
    to be invalid is a body that is not sent where none is needed."""
    if getattr(case.meta.phase.data, "description", None) == "Default positive test case":
        return True
    if any(body.is_required for body in case.operation.body):
        return False
    wrong = [place for place, part in case.meta.components.items() if part.mode != GenerationMode.POSITIVE]
    return all(place == ParameterLocation.BODY and isinstance(case.body, NotSet) for place in wrong)


@schemathesis.hook
def filter_failure(_context, failure, case, _response):
    """A file's bytes can't be held against the contract's schema, so that they always seem to break it."""
    if isinstance(failure, UseAfterFree) and case.operation.label == "GET /api/v1/keys/{key}":
        return False  # a key is revoked, not forgotten: it is shown as such
    if not isinstance(failure, AcceptedNegativeData):
        return True
    return not (sends_nothing_invalid(case) or (case.id in STEERED and has_bytes(case.body)))


@schemathesis.hook
def after_call(_context, case, response):
    label = case.operation.label
    with open(SEEDS["statuses"], "a", encoding="utf-8") as out:
        out.write(json.dumps([label, response.status_code]) + "\n")
    if 200 <= response.status_code < 300:
        REACHED.add(label)
    if label.endswith(TRAINS_DRAFT) and response.status_code == 200:
        CLIENT.post(f"/api/v1/jobs/{response.json()['job']}/cancel")
    if label.startswith(STARTS_JOB) and response.status_code == 202 and not label.endswith("/pause"):
        CLIENT.post(f"/api/v1/jobs/{response.json()['id']}/cancel")
