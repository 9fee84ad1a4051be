"""One RQ worker that runs its jobs in its own process: a fork for each no-op would measure forks."""

import record
from bench import connection, queue
from rq import SimpleWorker
from rq.serializers import JSONSerializer

record.start()
SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(logging_level="WARNING")
