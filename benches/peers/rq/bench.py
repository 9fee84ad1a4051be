"""The RQ queue and a job that only notes that it began. ../README.md tells why these settings."""

import os

import record
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

connection = Redis.from_url(os.environ["PEER_REDIS"])
queue = Queue("bench", connection=connection, serializer=JSONSerializer)


def echo(args):
    record.began(args["number"])
