"""The Celery app: a job that only notes that it began. ../README.md tells why these settings."""

import os

import record
from celery import Celery
from celery.signals import worker_process_init

app = Celery("bench", broker=os.environ["PEER_REDIS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_ignore_result=True,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=64,
)


@app.task(name="echo")
def echo(**args):
    record.began(args["number"])


@worker_process_init.connect
def _started(**_):
    record.start()
