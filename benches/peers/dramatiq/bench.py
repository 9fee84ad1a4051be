"""The Dramatiq broker and a job that only notes that it began. ../README.md tells why these settings."""

import os

import dramatiq
import record
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware


class Recorder(Middleware):
    def after_process_boot(self, broker):
        record.start()


broker = RedisBroker(url=os.environ["PEER_REDIS"])
broker.add_middleware(Recorder())
dramatiq.set_broker(broker)


@dramatiq.actor
def echo(args):
    record.began(args["number"])
