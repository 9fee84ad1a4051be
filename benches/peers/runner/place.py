"""Where a measurement happens: a folder on the disk, a Redis of its own, and processes. Everything ends and goes with the place."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from runner.resp import Redis

# The same for every system. Most who run a queue on Redis have it so: at most a second is lost when the machine falls.
FSYNC = "everysec"
REDIS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", FSYNC]
READY_S = 10
END_S = 10
LOG_LINES, LINE_LETTERS = 3, 160


class Failed(Exception):
    """Why there is no figure."""


class Process:
    """A process, and those that it makes. It leads a group of its own and ends with us, however we end."""

    def __init__(self, name, argv, log, env=None, cwd=None, stdout=None):
        self.name, self._log = name, log
        with open(log, "wb") as err:
            wrapped = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
            out = subprocess.PIPE if stdout else err
            self.popen = subprocess.Popen(
                wrapped, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd, start_new_session=True
            )

    def signal(self, number):
        """To it and to those that it made."""
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass

    def check(self):
        """It must not have ended."""
        if (status := self.popen.poll()) is not None:
            raise Failed(self.told(f"ended with status {status}"))

    def told(self, what):
        with open(self._log, errors="replace") as log:
            last = [line.strip()[:LINE_LETTERS] for line in log.read().splitlines() if line.strip()][-LOG_LINES:]
        return " | ".join([f"{self.name} {what}", *last])

    def end(self):
        self.signal(signal.SIGKILL)
        self.popen.wait(END_S)
        if self.popen.stdout:
            self.popen.stdout.close()


class Place:
    """`with Place(folder) as place`: a folder inside `folder`."""

    def __init__(self, parent):
        os.makedirs(parent, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="peers-data-", dir=parent)
        self._running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._running):
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, argv, env=None, stdout=None):
        """Its log, and what it makes in its working folder, stay in this place."""
        log = os.path.join(self.folder, f"{name.replace(' ', '-')}-{len(self._running)}.log")
        process = Process(name, argv, log, {**os.environ, **(env or {})}, self.folder, stdout)
        self._running.append(process)
        return process

    def end(self, process):
        self._running.remove(process)
        process.end()

    def redis(self):
        """A fresh redis-server: its port, and a client of it."""
        port = free_port()
        server = self.start("redis-server", ["redis-server", "--port", str(port), "--dir", self.folder, *REDIS])
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            server.check()
            try:
                client = Redis(port)
                client.ask(["PING"])
                return port, client
            except (OSError, ValueError):
                time.sleep(0.05)
        raise Failed(f"redis-server did not come up in {READY_S} s")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
