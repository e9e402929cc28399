"""What the clients' scripts share: where the server is, rows and images, and what /predict says of them."""

import json
import os
import urllib.request
from base64 import b64decode

ADDRESS = os.environ["ADDRESS"]
ROWS = [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
        {"sepal_length": 6.1, "sepal_width": 2.9, "petal_length": 4.7, "petal_width": 1.4}]
PIXELS = bytes.fromhex(os.environ["PIXELS"])  # of two images
FILES_BASE64 = os.environ["FILES"].split()  # the same as PNG
FILES = [b64decode(one) for one in FILES_BASE64]


def predict(model, body):
    request = urllib.request.Request(
        f"http://{ADDRESS}/api/v1/models/{model}/predict", json.dumps(body).encode(),
        {"Authorization": "Bearer " + os.environ["KEY"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["predictions"]
