"""The RQ caller: `enqueue_many` in calls of 1,000. Results are not kept."""

import calls
from bench import connection, queue
from rq import Queue

BATCH = 1_000


def bulk(jobs):
    for at in range(0, len(jobs), BATCH):
        queue.enqueue_many([Queue.prepare_data("bench.echo", args=(args,), result_ttl=0) for args in jobs[at : at + BATCH]])


def one(args):
    queue.enqueue("bench.echo", args=(args,), result_ttl=0)


connection.ping()
calls.main(bulk, one)
