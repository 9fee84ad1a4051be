"""One round of Longshore, from outside: over HTTP, against the processes that a user would start."""

import json
import os
import select
import time
from datetime import datetime

from runner import payload
from runner.api import Api
from runner.peer import PICKUPS, SETTLE_S, WARM
from runner.place import Failed, free_port
from runner.stats import waits

JOBS = 20_000
CONCURRENCY = 256
WORKERS = 2
PICKUP_EVERY_S = 0.02
# Told by a worker at the end of each attempt, with how long it took: its start, to the microsecond.
TOLD_AT_END = "attempt ended"


def measure(binary, new_place, jobs):
    """The figures, in the same places as a peer's. The handlers' starts are read from logs, which only the pickup has."""
    with new_place() as place:
        figures = _drained(binary, place, jobs)
    with new_place() as place:
        return figures | _pickup(binary, place)


def _drained(binary, place, jobs):
    api, redis = _deploy(binary, place)
    api.enqueue("drain", payload.WARM, WARM)
    api.completed("drain", WARM)
    api.post("/v1/queues/drain/pause", {})
    time.sleep(SETTLE_S)
    before = redis.used_memory()
    spent = api.enqueue("drain", payload.FIRST, jobs)
    time.sleep(SETTLE_S)
    after, cpu = redis.used_memory(), redis.cpu_s()
    began = time.monotonic()
    api.post("/v1/queues/drain/resume", {})
    api.completed("drain", WARM + jobs)
    drained = time.monotonic() - began
    cpu = redis.cpu_s() - cpu
    queue = api.get("/v1/queues/drain")
    left = {key: queue[key] for key in ("ready", "running", "retrying", "scheduled", "dead", "cancelled") if queue[key]}
    if left or queue["completed"] != WARM + jobs:
        raise Failed(f"{queue['completed'] - WARM} of {jobs} jobs are completed, and there are {left}")
    return {
        "jobs": jobs,
        "enqueue_per_s": jobs / spent,
        "drain_per_s": jobs / drained,
        "redis_cpu_us_per_job": cpu * 1e6 / jobs,
        "bytes_per_job": (after - before) / jobs,
    }


def _deploy(binary, place, worker_env=None):
    """An API, a scheduler and two worker processes on a Redis of their own; the workers have reported."""
    port, redis = place.redis()
    common = ["--data", os.path.join(place.folder, "data"), "--broker", f"redis://127.0.0.1:{port}/0"]
    listen = ["--listen", f"127.0.0.1:{free_port()}", "--json"]
    serving = place.start("longshore api", [binary, "api", *common, *listen], stdout=True)
    running = [serving]
    api = Api(_ready(serving), running)
    running.append(place.start("longshore scheduler", [binary, "scheduler", *common]))
    worker = [binary, "worker", *common, "--concurrency", str(CONCURRENCY)]
    running += [place.start(f"longshore worker {at + 1}", worker, worker_env) for at in range(WORKERS)]
    api.workers(WORKERS)
    return api, redis


def _ready(serving):
    """The line that an API prints when it serves."""
    if not select.select([serving.popen.stdout], [], [], 30)[0]:
        raise Failed(serving.told("was not ready after 30 s"))
    line = serving.popen.stdout.readline()
    if not line:
        serving.popen.wait(10)
        raise Failed(serving.told(f"ended with status {serving.popen.returncode}"))
    return json.loads(line)


def _pickup(binary, place):
    """One job every 20 ms onto idle workers."""
    log = {"LONGSHORE_LOG__LEVEL": "warn,longshore_worker=debug", "LONGSHORE_LOG__FORMAT": "json"}
    api, _ = _deploy(binary, place, log)
    api.enqueue("pickup", payload.WARM, WARM)
    api.completed("pickup", WARM)
    sent, due = {}, time.monotonic()
    for at in range(PICKUPS):
        time.sleep(max(0, due - time.monotonic()))
        due += PICKUP_EVERY_S
        called_us = time.time_ns() // 1000
        id, acknowledged_us = api.enqueue_one("pickup", payload.PICKUP + at)
        sent[id] = called_us, acknowledged_us
    api.completed("pickup", WARM + PICKUPS)
    began = _begins(place.folder)
    if missing := sent.keys() - began.keys():
        raise Failed(f"the logs tell of no end of {len(missing)} of {PICKUPS} jobs")
    called, acknowledged = zip(*sent.values())
    return waits([began[id] for id in sent], called, acknowledged)


def _begins(folder):
    """When each handler began, from the workers' logs: the end that a line has, less what it says it took."""
    began = {}
    for name in os.listdir(folder):
        if not name.startswith("longshore-worker"):
            continue
        with open(os.path.join(folder, name)) as log:
            lines = [json.loads(line) for line in log if TOLD_AT_END in line]
        for line in lines:
            ended = datetime.fromisoformat(line["timestamp"])
            began[line["job"]] = round(ended.timestamp() * 1e6 - _us(line["ran"]))
    return began


def _us(text):
    """`1.5ms` as 1500."""
    for unit, factor in (("ns", 1e-3), ("µs", 1), ("ms", 1e3), ("s", 1e6)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise Failed(f"{text} is no duration")
