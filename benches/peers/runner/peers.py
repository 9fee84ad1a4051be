"""The peers: how each is started, fed and looked at. ../README.md tells why the settings are as they are."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Peer:
    name: str
    # What drains: `workers` processes are started so, and `processes` of them, or of those that they make, run jobs.
    worker: list
    workers: int
    processes: int
    # The caller; `enqueue FILE` or `pickup FILE` is added.
    caller: list
    # Redis commands whose answers are all zero when nothing waits and nothing runs. {pid} is the worker's.
    left: list
    # Redis commands whose answers are all zero when nothing has failed.
    failed: list
    jobs: int = 20_000
    # It can only be given so many at once: fed and drained in turns, a new worker for each.
    fed: int = 0


PYTHON = "{cache}/venv/bin/python"

PEERS = [
    Peer(
        name="bullmq",
        worker=["node", "{here}/worker.mjs"],
        workers=2,
        processes=2,
        caller=["node", "{here}/enqueue.mjs"],
        left=["LLEN bull:bench:wait", "LLEN bull:bench:active", "ZCARD bull:bench:delayed"],
        failed=["ZCARD bull:bench:failed"],
    ),
    Peer(
        name="sidekiq",
        worker=["sidekiq", "-r", "{here}/worker.rb", "-q", "default", "-c", "10", "-e", "production"],
        workers=2,
        processes=2,
        caller=["ruby", "{here}/enqueue.rb"],
        left=["LLEN queue:default"],
        failed=["ZCARD retry", "ZCARD dead"],
    ),
    Peer(
        name="celery",
        worker=["{cache}/venv/bin/celery", "-A", "bench", "worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "WARNING"]
        + ["--without-gossip", "--without-mingle", "--without-heartbeat"],
        workers=1,
        processes=2,
        caller=[PYTHON, "{here}/enqueue.py"],
        left=["LLEN celery", "HLEN unacked", "ZCARD unacked_index"],
        failed=[],
        jobs=5_000,
    ),
    Peer(
        name="dramatiq",
        worker=["{cache}/venv/bin/dramatiq", "bench", "--processes", "2", "--threads", "8"],
        workers=1,
        processes=2,
        caller=[PYTHON, "{here}/enqueue.py"],
        left=["LLEN dramatiq:default", "HLEN dramatiq:default.msgs", "HLEN dramatiq:default.DQ.msgs"],
        failed=["ZCARD dramatiq:default.XQ"],
    ),
    Peer(
        name="rq",
        worker=[PYTHON, "{here}/worker.py"],
        workers=2,
        processes=2,
        caller=[PYTHON, "{here}/enqueue.py"],
        left=["LLEN rq:queue:bench", "LLEN rq:queue:bench:intermediate", "ZCARD rq:wip:bench"],
        failed=["ZCARD rq:failed:bench"],
        jobs=5_000,
    ),
    Peer(
        name="taskiq",
        worker=["{cache}/venv/bin/taskiq", "worker", "bench:broker", "--workers", "2", "--no-parse", "--log-level", "WARNING"],
        workers=1,
        processes=2,
        caller=[PYTHON, "{here}/enqueue.py"],
        left=["XINFO GROUPS taskiq"],
        failed=[],
    ),
    Peer(
        name="apalis",
        worker=["{cache}/target/release/apalis-peer", "worker"],
        workers=1,
        processes=1,
        caller=["{cache}/target/release/apalis-peer"],
        left=["ZCARD bench:scheduled", "LLEN bench:active", "SCARD bench:inflight:worker-{pid}"],
        failed=["SCARD bench:dead"],
        fed=7_000,
    ),
]


def count(answer):
    """How many an answer of `left` or `failed` tells."""
    if isinstance(answer, int):
        return answer
    total = 0
    for group in answer:
        told = dict(zip(group[::2], group[1::2]))
        total += told["pending"] + (told["lag"] or 0)
    return total


def filled(peer, home):
    """With its folders in its commands."""
    return replace(peer, worker=home.filled(peer.worker, peer.name), caller=home.filled(peer.caller, peer.name))
