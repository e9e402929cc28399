"""tritonclient.http as it is, but for the key's header: metadata, readiness, and inference in every form it has."""

import os

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

import told

HEADERS = {"Authorization": "Bearer " + os.environ["KEY"]}  # copied for each call: the clients add to what they are given


def close(one, other):
    numpy.testing.assert_allclose(one, other, rtol=1e-6)


def tables(client):
    expected = told.predict("iris", {"rows": told.ROWS})
    labels = [one["label"] for one in expected]
    numbers = [list(one["probabilities"].values()) for one in expected]
    whole = numpy.array([list(row.values()) for row in told.ROWS])
    for raw in (True, False):
        matrix = triton.InferInput("rows", whole.shape, "FP64")
        matrix.set_data_from_numpy(whole, binary_data=raw)
        columns = []
        for i, name in enumerate(told.ROWS[0]):
            columns.append(triton.InferInput(name, [len(whole), 1], "FP64"))
            columns[-1].set_data_from_numpy(whole[:, i:i + 1].copy(), binary_data=raw)
        for inputs in ([matrix], columns):
            for outputs in (None, [triton.InferRequestedOutput(name, binary_data=not raw)
                                   for name in ("label", "probabilities")]):
                result = client.infer("iris", inputs, outputs=outputs, request_id="7", headers=dict(HEADERS))
                assert result.get_response()["id"] == "7"
                found = [one.decode() if isinstance(one, bytes) else one for one in result.as_numpy("label")]
                assert found == labels, found
                close(result.as_numpy("probabilities"), numbers)


def images(client):
    pixels = numpy.frombuffer(told.PIXELS, numpy.uint8).reshape(2, 8, 8, 1)
    expected = [list(one["probabilities"].values()) for one in told.predict("pictures", {"images": told.FILES_BASE64})]
    files = numpy.array(told.FILES, dtype=object)
    for data, kind in ((pixels, "UINT8"), (pixels.astype(numpy.float32), "FP32"), (files, "BYTES")):
        one = triton.InferInput("image", data.shape, kind)
        one.set_data_from_numpy(data)
        close(client.infer("pictures", [one], headers=dict(HEADERS)).as_numpy("probabilities"), expected)


def main():
    client = triton.InferenceServerClient(told.ADDRESS)
    assert client.is_server_live() and client.is_server_ready()
    assert client.get_server_metadata()["name"] == "attune"
    assert client.is_model_ready("iris", headers=dict(HEADERS))
    assert not client.is_model_ready("nothing", headers=dict(HEADERS))
    about = client.get_model_metadata("iris", headers=dict(HEADERS))
    assert [one["name"] for one in about["inputs"]] == list(told.ROWS[0])
    assert client.is_model_ready("iris", about["versions"][0], headers=dict(HEADERS))
    tables(client)
    images(client)
    try:
        wrong = triton.InferInput("nothing", [1], "FP32")
        wrong.set_data_from_numpy(numpy.zeros(1, numpy.float32))
        client.infer("iris", [wrong], headers=dict(HEADERS))
    except InferenceServerException as error:
        assert "no column" in error.message(), error
    else:
        raise AssertionError("an input that the model does not have was taken")


if __name__ == "__main__":
    main()
