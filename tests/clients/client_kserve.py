"""KServe's InferenceRESTClient as it is: both of its protocols."""

import asyncio
import os

import numpy
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

import told

HEADERS = {"Authorization": "Bearer " + os.environ["KEY"]}  # copied for each call: the clients add to what they are given
URL = "http://" + told.ADDRESS


async def version_2(labels, numbers):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(URL) and await client.is_server_ready(URL)
    assert await client.is_model_ready(URL, "iris", headers=dict(HEADERS))
    whole = numpy.array([list(row.values()) for row in told.ROWS])
    for raw in (False, True):
        rows = InferInput("rows", list(whole.shape), "FP64")
        rows.set_data_from_numpy(whole, binary_data=raw)
        answer = await client.infer(URL, InferRequest("iris", [rows], request_id="7"), model_name="iris", headers=dict(HEADERS))
        outputs = {one.name: one for one in answer.outputs}
        found = [one.decode() if isinstance(one, bytes) else one for one in outputs["label"].as_numpy().ravel()]
        assert found == labels, found
        numpy.testing.assert_allclose(outputs["probabilities"].as_numpy(), numbers, rtol=1e-6)


async def version_1(labels, numbers):
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    assert await client.is_model_ready(URL, "iris", headers=dict(HEADERS))
    answer = await client.infer(URL, {"instances": told.ROWS}, model_name="iris", headers=dict(HEADERS))
    assert [one["label"] for one in answer["predictions"]] == labels, answer
    assert [one["probabilities"] for one in answer["predictions"]] == numbers, answer


def main():
    expected = told.predict("iris", {"rows": told.ROWS})
    labels = [one["label"] for one in expected]
    numbers = [list(one["probabilities"].values()) for one in expected]
    asyncio.run(version_2(labels, numbers))
    asyncio.run(version_1(labels, numbers))


if __name__ == "__main__":
    main()
