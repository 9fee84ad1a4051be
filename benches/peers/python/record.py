"""Which job began when, kept in memory and written when the runner asks: nothing of it reaches Redis or the disk during a measurement."""

import ctypes
import os
import signal
import threading
import time

PR_SET_PDEATHSIG = 1

_all = []


def began(number):
    """Appending is atomic, so threads need no lock."""
    _all.append((number, time.time_ns()))


def start():
    """Begins to answer, once in each process that runs jobs. The process ends with the one that made it, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    open(_path("ready"), "w").close()
    threading.Thread(target=_answer, daemon=True).start()


def _answer():
    question = 1
    while True:
        while not os.path.exists(os.path.join(os.environ["PEER_REPORT"], f"ask-{question}")):
            time.sleep(0.05)
        with open(_path("part"), "w") as part:
            part.writelines(f"{number} {at // 1000}\n" for number, at in list(_all))
        # Renamed when whole, so that the runner never reads half of it.
        os.rename(_path("part"), _path(f"ran-{question}"))
        question += 1


def _path(name):
    return os.path.join(os.environ["PEER_REPORT"], f"{name}-{os.getpid()}")
