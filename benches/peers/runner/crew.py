"""The worker processes of a peer, and what they tell of the jobs that they ran.

A process that runs jobs makes `ready-PID` in the folder PEER_REPORT, and keeps number and start of each job in memory. For each
`ask-1`, `ask-2`, … that appears there it writes all of them to `ran-N-PID`. No peer pays for it in Redis, and a job that a process
lost with its life is missing in the sum.
"""

import os
import tempfile
import time

from runner.place import Failed

READY_S = 60
ANSWER_S = 10
# Longer than the half minute after which apalis hears of a job that it missed.
LATE_S = 60
LOOK_EVERY_S = 0.01


class Crew:
    def __init__(self, peer, place, env):
        self._place, self._asked = place, 0
        self._folder = tempfile.mkdtemp(prefix="report-", dir=place.folder)
        argv, env = peer.worker, {**env, "PEER_REPORT": self._folder}
        self._running = [place.start(f"{peer.name} worker {at + 1}", argv, env) for at in range(peer.workers)]
        self.pid = self._running[0].popen.pid
        deadline = time.monotonic() + READY_S
        while len(self._told("ready-")) < peer.processes:
            self._wait(deadline, f"fewer than {peer.processes} processes were ready to run jobs after {READY_S} s")

    def signal(self, number):
        for process in self._running:
            process.signal(number)

    def check(self):
        for process in self._running:
            process.check()

    def end(self):
        for process in self._running:
            self._place.end(process)

    def all_have_run(self):
        return all(self._ask())

    def ran(self, first, jobs):
        """When each of these jobs began (by number), and how many runs there were. All of them, or it is a `Failed`."""
        deadline = time.monotonic() + LATE_S
        while True:
            of_these = [(number, at) for runs in self._ask() for number, at in runs if first <= number < first + jobs]
            began = {}
            for number, at in of_these:
                began[number] = min(at, began.get(number, at))
            if len(began) == jobs:
                return began, len(of_these)
            self._wait(deadline, f"{jobs - len(began)} of {jobs} jobs were not run, as far as the living processes tell")

    def _ask(self):
        """What each process has run so far: lists of (number, start)."""
        self._asked += 1
        open(os.path.join(self._folder, f"ask-{self._asked}"), "w").close()
        deadline, answers = time.monotonic() + ANSWER_S, f"ran-{self._asked}-"
        while len(self._told(answers)) < len(self._told("ready-")):
            silent = len(self._told("ready-")) - len(self._told(answers))
            self._wait(deadline, f"{silent} of the processes that run jobs do not answer: they have ended or hang")
        return [_read(os.path.join(self._folder, name)) for name in self._told(answers)]

    def _told(self, begin):
        return [name for name in os.listdir(self._folder) if name.startswith(begin)]

    def _wait(self, deadline, otherwise):
        self.check()
        if time.monotonic() > deadline:
            raise Failed(self._running[0].told(f"(or one beside it): {otherwise}"))
        time.sleep(LOOK_EVERY_S)


def _read(file):
    with open(file) as lines:
        return [tuple(map(int, line.split())) for line in lines]
