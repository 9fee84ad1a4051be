"""One round of a peer: enqueue with nobody working, memory of the waiting jobs, drain, pickup."""

import json
import os
import signal
import subprocess
import time

from runner import payload
from runner.peers import count
from runner.place import Failed
from runner.crew import Crew
from runner.stats import waits

LOOK_EVERY_S = 0.005
DRAIN_S = 300
CALL_S = 300
# Redis looks once a second at what its clients' buffers take.
SETTLE_S = 1.5
WARM = 50
WARM_S = 30
PICKUPS = 200


def measure(peer, place, home, jobs):
    """The figures. Whatever is not as it should be is a `Failed`."""
    port, redis = place.redis()
    env = environment(peer, home, port)
    take = _in_turns if peer.fed else _at_once
    turns, crew = take(peer, place, env, redis, jobs)
    pickup = _pickup(peer, place, env, crew)
    if failed := _sum(redis, peer.failed):
        raise Failed(f"{failed} jobs have failed")
    spent = {key: sum(turn[key] for turn in turns) for key in ("enqueue_s", "drain_s", "cpu_s", "again")}
    first = turns[0]
    return {
        "jobs": jobs,
        "enqueue_per_s": jobs / spent["enqueue_s"],
        "drain_per_s": jobs / spent["drain_s"],
        "redis_cpu_us_per_job": spent["cpu_s"] * 1e6 / jobs,
        "bytes_per_job": first["bytes"] / first["jobs"],
        **pickup,
        "ran_again": spent["again"],
    }


def environment(peer, home, port):
    here = home.here(peer.name)
    return {
        "PEER_REDIS": f"redis://127.0.0.1:{port}/0",
        "PEER_MODULES": home.cache(peer.name),
        "PYTHONPATH": os.pathsep.join([here, home.here("python")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_ENV": "production",
    }


def _at_once(peer, place, env, redis, jobs):
    """Workers that have run something stand still while all jobs are enqueued, and go on at once."""
    crew = Crew(peer, place, env)
    _warm_up(peer, place, env, crew)
    crew.signal(signal.SIGSTOP)
    turn = _enqueue(peer, place, env, redis, payload.FIRST, jobs)
    cpu = redis.cpu_s()
    crew.signal(signal.SIGCONT)
    return [turn | _drain(peer, redis, crew, cpu, payload.FIRST, jobs)], crew


def _in_turns(peer, place, env, redis, jobs):
    """As many as it can be given, then a new worker; the clock starts with the first job that leaves."""
    turns, crew = [], None
    for at in range(0, jobs, peer.fed):
        if crew:
            crew.end()
        first, some = payload.FIRST + at, min(peer.fed, jobs - at)
        turn = _enqueue(peer, place, env, redis, first, some)
        cpu = redis.cpu_s()
        crew = Crew(peer, place, env)
        turns.append(turn | _drain(peer, redis, crew, cpu, first, some))
    return turns, crew


def _enqueue(peer, place, env, redis, first, jobs):
    """Memory counts in the first turn only: later ones lie among what earlier ones left."""
    time.sleep(SETTLE_S if first == payload.FIRST else 0)
    before = redis.used_memory()
    told = call(peer, place, env, "enqueue", first, jobs)
    time.sleep(SETTLE_S if first == payload.FIRST else 0)
    return {"jobs": jobs, "enqueue_s": (told["ended_us"] - told["began_us"]) / 1e6, "bytes": redis.used_memory() - before}


def _drain(peer, redis, crew, cpu_before, first, jobs):
    """From the first handler until nothing waits, nothing runs and all have begun."""
    left = [command.format(pid=crew.pid) for command in peer.left]
    deadline = time.monotonic() + DRAIN_S
    while waiting := _sum(redis, left):
        if time.monotonic() > deadline:
            raise Failed(f"{waiting} of {jobs} jobs were left after {DRAIN_S} s")
        crew.check()
        time.sleep(LOOK_EVERY_S)
    empty_us, cpu = time.time_ns() // 1000, redis.cpu_s() - cpu_before
    began, runs = crew.ran(first, jobs)
    ended_us = max(empty_us, max(began.values()))
    return {"drain_s": (ended_us - min(began.values())) / 1e6, "cpu_s": cpu, "again": runs - jobs}


def _warm_up(peer, place, env, crew):
    """Until every process has run something: what a process does once, it does not do in the drain."""
    deadline, first = time.monotonic() + WARM_S, payload.WARM
    while not crew.all_have_run():
        if time.monotonic() > deadline:
            raise Failed(f"after {WARM_S} s a worker process has run nothing")
        call(peer, place, env, "enqueue", first, WARM)
        crew.ran(first, WARM)
        first += WARM


def _pickup(peer, place, env, crew):
    """From the acknowledged call to the start of the handler, and from the begin of the call."""
    told = call(peer, place, env, "pickup", payload.PICKUP, PICKUPS)
    began, _ = crew.ran(payload.PICKUP, PICKUPS)
    starts = [began[payload.PICKUP + at] for at in range(PICKUPS)]
    return waits(starts, told["called_us"], told["acknowledged_us"])


def call(peer, place, env, verb, first, jobs):
    """Runs the peer's caller on so many jobs; what it tells."""
    file = os.path.join(place.folder, "args.jsonl")
    payload.write(file, first, jobs)
    process = place.start(f"{peer.name} {verb}", [*peer.caller, verb, file], env, stdout=True)
    try:
        out, _ = process.popen.communicate(timeout=CALL_S)
    except subprocess.TimeoutExpired:
        raise Failed(f"{verb} of {jobs} jobs took longer than {CALL_S} s") from None
    if process.popen.returncode:
        raise Failed(process.told(f"ended with status {process.popen.returncode}"))
    place.end(process)
    return json.loads(out)


def _sum(redis, commands):
    return sum(count(answer) for answer in redis.ask(*(command.split() for command in commands)))
