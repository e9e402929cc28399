"""The serving bench's peer: FastAPI + uvicorn (as many processes as cores) + ONNX Runtime (one thread, spinning off),
with a model of the same shape as attuned's. Weights are random: what they are changes nothing of the time.

    fastapi_peer.py trees|mlp|wide|image PORT"""

import io
import os
import sys

import numpy
import onnx
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from onnx import TensorProto, helper
from PIL import Image

RNG = numpy.random.default_rng(1)


def dense_model(sizes):
    nodes, weights, last = [], [], "x"
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        weights += [helper.make_tensor(f"w{i}", TensorProto.FLOAT, (rows, columns), RNG.normal(0, 0.1, rows * columns)),
                    helper.make_tensor(f"b{i}", TensorProto.FLOAT, (columns,), numpy.zeros(columns))]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"g{i}"]))
        last = f"g{i}"
        if i < len(sizes) - 2:
            nodes.append(helper.make_node("Relu", [last], [f"r{i}"]))
            last = f"r{i}"
    nodes.append(helper.make_node("Softmax", [last], ["p"], axis=-1))
    return nodes, weights, (None, sizes[0]), (None, sizes[-1])


def image_model():
    nodes, weights, last, channels = [], [], "x", 1
    for i, filters in enumerate((8, 16, 32)):
        weights += [helper.make_tensor(f"w{i}", TensorProto.FLOAT, (filters, channels, 3, 3),
                                       RNG.normal(0, 0.1, filters * channels * 9)),
                    helper.make_tensor(f"b{i}", TensorProto.FLOAT, (filters,), numpy.zeros(filters))]
        nodes += [helper.make_node("Conv", [last, f"w{i}", f"b{i}"], [f"c{i}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                  helper.make_node("Relu", [f"c{i}"], [f"r{i}"]),
                  helper.make_node("MaxPool", [f"r{i}"], [f"m{i}"], kernel_shape=[2, 2], strides=[2, 2])]
        last, channels = f"m{i}", filters
    weights += [helper.make_tensor("w", TensorProto.FLOAT, (channels, 3), RNG.normal(0, 0.1, channels * 3)),
                helper.make_tensor("b", TensorProto.FLOAT, (3,), numpy.zeros(3))]
    nodes += [helper.make_node("GlobalAveragePool", [last], ["a"]), helper.make_node("Flatten", ["a"], ["f"]),
              helper.make_node("Gemm", ["f", "w", "b"], ["g"]), helper.make_node("Softmax", ["g"], ["p"], axis=-1)]
    return nodes, weights, (None, 1, 28, 28), (None, 3)


def trees_model(columns=16, trees=100, depth=6):
    inner, total = 2 ** depth - 1, 2 ** (depth + 1) - 1
    ids = list(range(total))
    branch = [i < inner for i in ids]
    leaves = [i for i in ids if not branch[i]]
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml",
        nodes_treeids=[t for t in range(trees) for _ in ids], nodes_nodeids=ids * trees,
        nodes_featureids=[int(f) for f in RNG.integers(0, columns, trees * total)],
        nodes_values=[float(v) for v in RNG.normal(0, 1, trees * total)],
        nodes_modes=["BRANCH_LT" if b else "LEAF" for b in branch] * trees,
        nodes_truenodeids=[2 * i + 1 if b else 0 for i, b in zip(ids, branch)] * trees,
        nodes_falsenodeids=[2 * i + 2 if b else 0 for i, b in zip(ids, branch)] * trees,
        nodes_missing_value_tracks_true=[0] * (trees * total),
        class_treeids=[t for t in range(trees) for _ in leaves], class_nodeids=leaves * trees,
        class_ids=[0] * (trees * len(leaves)),
        class_weights=[float(v) for v in RNG.normal(0, 0.1, trees * len(leaves))],
        classlabels_int64s=[0, 1], post_transform="LOGISTIC")
    return [node], [], (None, columns), (None, 2)


def session(kind):
    nodes, weights, shape, out = {"trees": trees_model, "image": image_model,
                                  "mlp": lambda: dense_model((30, 64, 64, 2)),
                                  "wide": lambda: dense_model((784, 128, 128, 2))}[kind]()
    graph = helper.make_graph(nodes, "m", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("p", TensorProto.FLOAT, out)], weights)
    model = helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


KIND = os.environ.get("PEER_KIND") or sys.argv[1]
app = FastAPI()
SESSION = session(KIND)


@app.post("/predict")
async def predict(request: Request):
    if KIND == "image":
        pixels = numpy.asarray(Image.open(io.BytesIO(await request.body())), numpy.float32) / 255.0
        x = pixels.reshape(1, 1, 28, 28)
    else:
        rows = (await request.json())["rows"]
        x = numpy.array([list(row.values()) if isinstance(row, dict) else row for row in rows], numpy.float32)
    answers = SESSION.run(["p"], {"x": x})[0]
    return {"predictions": [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in answers]}


if __name__ == "__main__":
    os.environ["PEER_KIND"] = KIND
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    uvicorn.run("fastapi_peer:app", host="127.0.0.1", port=int(sys.argv[2]), workers=os.cpu_count(), log_level="error",
                access_log=False)
