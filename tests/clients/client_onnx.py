"""Each model.onnx of FOLDER/*/ answers rows.json in ONNX Runtime as answers.json says."""

import glob
import json
import os
import sys

import numpy
import onnxruntime

WITHIN = 1e-5


def feed(session, rows):
    """The rows by the model's inputs: numbers double with NaN, words string with "" for what is missing."""
    if session.get_inputs()[0].name == "image":
        shape = session.get_inputs()[0].shape[1:]
        return {"image": numpy.array(rows, numpy.uint8).reshape([len(rows), *shape])}
    fed = {}
    for one in session.get_inputs():
        values = [row.get(one.name) for row in rows]
        if one.type == "tensor(string)":
            fed[one.name] = numpy.array([[value or ""] for value in values], object)
        else:
            fed[one.name] = numpy.array([[numpy.nan if value is None else value] for value in values], numpy.float64)
    return fed


def check(folder):
    session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), providers=["CPUExecutionProvider"])
    with open(os.path.join(folder, "rows.json"), encoding="utf-8") as file:
        rows = json.load(file)
    with open(os.path.join(folder, "answers.json"), encoding="utf-8") as file:
        told = json.load(file)
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(names, feed(session, rows))))
    if "attune_value" in found:
        assert session.get_modelmeta().custom_metadata_map["attune_left_out"] == "prediction intervals"
        expected = numpy.array([one["value"] for one in told])
        off = abs(found["attune_value"][:, 0] - expected).max() / abs(expected).max()
    else:
        labels = list(told[0]["probabilities"])
        expected = numpy.array([[one["probabilities"][label] for label in labels] for one in told])
        off = abs(found["attune_probabilities"] - expected).max()
        assert list(found["attune_label"]) == [one["label"] for one in told], folder
    print(f"{os.path.basename(folder)}: {len(rows)} rows in ONNX Runtime, at most {off:.2g} off")
    assert off <= WITHIN, (folder, off)


folders = sorted(glob.glob(os.path.join(os.environ["FOLDER"], "*")))
for each in folders:
    check(each)
sys.exit(0 if folders else 1)
