"""The taskiq broker (Redis streams) and a job that only notes that it began. ../README.md tells why these settings."""

import os

import record
from taskiq import TaskiqEvents
from taskiq_redis import RedisStreamBroker

# The workers stand still while all jobs are enqueued; with the client's five seconds they would give up a read for that.
broker = RedisStreamBroker(os.environ["PEER_REDIS"], socket_timeout=120)


@broker.task(task_name="echo")
async def echo(args: dict) -> None:
    record.began(args["number"])


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _started(_):
    record.start()
