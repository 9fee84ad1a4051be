"""The few calls of Longshore's HTTP API that a measurement needs."""

import http.client
import json
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from runner import payload
from runner.place import Failed

BATCH = 1_000
CALLERS = 4
# As Longshore's own benchmark looks: through the API, so each look costs more than one at a list of Redis.
LOOK_EVERY_S = 0.02
COMPLETED_S = 300
WORKERS_S = 30
CALL_S = 60


class Api:
    def __init__(self, ready, running):
        """`running`: the processes that must not end while something is waited for."""
        self._address, self._running = urlsplit(ready["url"]).netloc, running
        with open(ready["key_file"]) as key:
            self._headers = {"Authorization": f"Bearer {key.read().strip()}", "Content-Type": "application/json"}
        self._own = threading.local()

    def get(self, path):
        return json.loads(self._call("GET", path))

    def post(self, path, body):
        answer = self._call("POST", path, json.dumps(body))
        return json.loads(answer) if answer else None

    def enqueue(self, queue, first, jobs):
        """In calls of 1,000, four at once; how long it took, in seconds. Bodies are made within that time, as a client makes them."""
        all_of_them = [_job(queue, number) for number in range(first, first + jobs)]
        batches = [all_of_them[at : at + BATCH] for at in range(0, jobs, BATCH)]
        with ThreadPoolExecutor(CALLERS, initializer=self._connect) as callers:
            list(callers.map(lambda _: time.sleep(0.01), range(CALLERS)))
            began = time.monotonic()
            answers = list(callers.map(lambda batch: self._call("POST", "/v1/jobs/batch", _json({"jobs": batch})), batches))
            spent = time.monotonic() - began
        refused = [result["error"] for answer in answers for result in json.loads(answer)["results"] if result.get("error")]
        if refused:
            raise Failed(f"{len(refused)} of {jobs} jobs were refused: {refused[0]}")
        return spent

    def enqueue_one(self, queue, number):
        """Its id, and when the answer arrived, in microseconds."""
        body = _json(_job(queue, number))
        connection = self._connect()
        connection.request("POST", "/v1/jobs", body, self._headers)
        select.select([connection.sock], [], [], CALL_S)
        arrived_us = time.time_ns() // 1000
        return json.loads(self._read(connection, "POST", "/v1/jobs"))["id"], arrived_us

    def completed(self, queue, jobs):
        """Waits until so many jobs of the queue are completed."""
        self._until(lambda: self.get(f"/v1/queues/{queue}")["completed"] >= jobs, COMPLETED_S, f"{queue} was not drained")

    def workers(self, count):
        """Waits until so many have reported."""
        self._until(lambda: len(self.get("/v1/workers")["workers"]) >= count, WORKERS_S, f"{count} workers have not reported")

    def _until(self, done, wait_s, otherwise):
        deadline = time.monotonic() + wait_s
        while not done():
            for process in self._running:
                process.check()
            if time.monotonic() > deadline:
                raise Failed(f"{otherwise} in {wait_s} s")
            time.sleep(LOOK_EVERY_S)

    def _call(self, method, path, body=None):
        connection = self._connect()
        connection.request(method, path, body, self._headers)
        return self._read(connection, method, path)

    def _connect(self):
        """Each thread keeps a connection of its own."""
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._address, timeout=CALL_S)
            self._own.connection.connect()
        return self._own.connection

    def _read(self, connection, method, path):
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status}: {text[:300].decode(errors='replace')}")
        return text


def _job(queue, number):
    return {
        "kind": "demo.echo",
        "queue": queue,
        "tenant": payload.tenant(number),
        "args": payload.args(number, with_tenant=False),
    }


def _json(body):
    return json.dumps(body, separators=(",", ":")).encode()
