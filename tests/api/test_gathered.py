"""Calls for one row of a large model share a pass with others under way: each gets its own answer, the one it gets
alone, whatever becomes of the others."""

import json
import random
import socket
import struct
import threading

from common import ApiTest, same_answer

COLUMNS = 24
ROWS = 40
CALLERS = 12


def table(rng):
    lines = [",".join(f"x{i}" for i in range(COLUMNS)) + ",y"]
    for i in range(80):
        lines.append(",".join(f"{rng.gauss(i % 2, 1):.4f}" for _ in range(COLUMNS)) + (",yes" if i % 2 else ",no"))
    return "\n".join(lines).encode()


class Gathered(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(5)
        # more than a megabyte of weights: what is below is answered alone
        data = cls.api.upload("/api/v1/datasets", [("file", "wide.csv", table(rng))])
        data = cls.api.wait_dataset(data.json["id"])
        job = cls.api.post("/api/v1/jobs", {
            "dataset": data["id"], "target": "y", "families": ["mlp"], "name": "wide", "deploy_as": "wide",
            "budget": {"trials": 1}, "search": {"seed": 1, "space": {
                "mlp": {"layers": 2, "units": 512, "epochs": 2, "network": "plain"}}}})
        assert job.status == 202, job
        job = cls.api.wait_job(job.json["id"], 300)
        assert job["state"] == "succeeded", job
        cls.rows = [[round(rng.gauss(0, 2), 5) for _ in range(COLUMNS)] for _ in range(ROWS)]
        cls.rows[3][2] = None
        answer = cls.api.post("/api/v1/models/wide/predict", {"rows": cls.rows})
        assert answer.status == 200, answer
        cls.expected = answer.json["predictions"]

    def ask(self, i):
        """What is wrong with one call's answer, or None."""
        k = i % ROWS
        if i % 9 == 4:
            answer = self.api.post("/api/v1/models/wide/predict", {"rows": [self.rows[k][:-1] + ["word"]]})
            return None if answer.status == 422 and "word" in answer.raw.decode() else answer
        if i % 5 == 2:
            answer = self.api.post("/v2/models/wide/infer", {"inputs": [
                {"name": f"x{c}", "shape": [1, 1], "datatype": "FP64", "data": [self.rows[k][c] or 0.0]}
                for c in range(COLUMNS)], "outputs": [{"name": "label"}]})
            if k == 3:
                return None if answer.status == 200 else answer
            good = answer.status == 200 and answer.json["outputs"][0]["data"] == [self.expected[k]["label"]]
            return None if good else answer
        answer = self.api.post("/api/v1/models/wide/predict", {"rows": [self.rows[k]]})
        good = answer.status == 200 and same_answer(answer.json["predictions"], [self.expected[k]])
        return None if good else (k, answer)

    def ask_from_all_sides(self, calls, besides=None):
        wrong = []

        def caller(number):
            for i in range(calls):
                fault = self.ask(number * 7 + i)
                if fault is not None:
                    wrong.append(fault)
        threads = [threading.Thread(target=caller, args=(n,)) for n in range(CALLERS)]
        if besides:
            threads.append(threading.Thread(target=besides))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong[:3], [])

    def test_each_gets_its_own(self):
        for i in range(12):
            self.assertIsNone(self.ask(i))
        self.ask_from_all_sides(25)

    def test_some_break_off(self):
        body = json.dumps({"rows": [self.rows[0]]}).encode()
        head = (f"POST /api/v1/models/wide/predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()

        def break_off():
            for _ in range(150):
                with socket.create_connection(("127.0.0.1", self.api.port), 5) as broken:
                    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    broken.sendall(head + body)
        self.ask_from_all_sides(15, break_off)
        self.assertIsNone(self.ask(0))
