"""The Dramatiq caller: a group of messages, which Dramatiq enqueues one by one."""

import calls
import dramatiq
from bench import broker, echo


def bulk(jobs):
    dramatiq.group([echo.message(args) for args in jobs]).run()


broker.client.ping()
calls.main(bulk, echo.send)
