"""The callers of the Python peers: all jobs of a file at once, or one after the other with 20 ms between."""

import json
import sys
import time

PICKUP_EVERY_S = 0.02


def main(bulk, one):
    """`enqueue FILE` or `pickup FILE`, with one job's args on each line. Tells the times on one line of JSON."""
    verb, file = sys.argv[1:]
    with open(file) as lines:
        jobs = [json.loads(line) for line in lines]
    told = {"enqueue": _enqueue, "pickup": _pickup}[verb](jobs, bulk if verb == "enqueue" else one)
    print(json.dumps(told))


def _enqueue(jobs, bulk):
    began = _now_us()
    bulk(jobs)
    return {"began_us": began, "ended_us": _now_us()}


def _pickup(jobs, one):
    called, acknowledged, due = [], [], time.monotonic()
    for job in jobs:
        time.sleep(max(0, due - time.monotonic()))
        due += PICKUP_EVERY_S
        called.append(_now_us())
        one(job)
        acknowledged.append(_now_us())
    return {"called_us": called, "acknowledged_us": acknowledged}


def _now_us():
    return time.time_ns() // 1000
