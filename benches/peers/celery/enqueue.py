"""The Celery caller. Celery has no bulk call: a call for each job, on one connection and one producer."""

import calls
from bench import app, echo


def bulk(jobs):
    for args in jobs:
        one(args)


def one(args):
    echo.apply_async(kwargs=args, producer=producer)


with app.producer_or_acquire() as producer:
    producer.connection.ensure_connection(max_retries=3)
    calls.main(bulk, one)
