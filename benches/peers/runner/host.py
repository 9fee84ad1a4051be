"""What the figures depend on, for the head of the report."""

import os
import platform
import re
import statistics
import subprocess
import time

from runner import install, payload
from runner.place import FSYNC, Place

PINGS = 2_000


def about(home, names, binary):
    """Versions are asked from what is installed. A peer that is not there has a fault in place of a version."""
    versions, faults = {}, {}
    for name in names:
        try:
            versions[name] = _version(home, name, binary)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            faults[name] = f"is not installed as its lock file says ({error}): benches/peers/run --install"
    return {
        "payload": payload.PAYLOAD,
        "fsync": f"appendonly yes, appendfsync {FSYNC}, no snapshots",
        "versions": versions,
        "commit": _commit(home.checkout),
        "machine": _machine(),
        "redis": _told(["redis-server", "--version"]).split("v=")[-1].split()[0],
        "round_trip_us": round_trip_us(home.data),
        "load": load(),
    }, faults


def round_trip_us(folder):
    """Of a PING over loopback, the median. What asks Redis for each job pays it for each job: machines of like speed differ in it."""
    with Place(folder) as place:
        _, redis = place.redis()
        times = []
        for _ in range(PINGS):
            began = time.perf_counter()
            redis.ask(["PING"])
            times.append((time.perf_counter() - began) * 1e6)
    return statistics.median(times)


def steal():
    """Jiffies that the host took from this machine, and all jiffies, so far."""
    with open("/proc/stat") as stat:
        jiffies = [int(word) for word in stat.readline().split()[1:9]]
    return jiffies[7], sum(jiffies)


def load():
    return os.getloadavg()[0]


def _version(home, name, binary):
    if name == "longshore":
        return f"{_told([binary, '--version'])} (256 jobs at once of each of two workers)"
    if not install.installed(home, name):
        raise ValueError("no stamp")
    return install.version(home, name)


def _commit(checkout):
    """A `+` behind it: the files differ from it."""
    try:
        commit = _told(["git", "-C", checkout, "rev-parse", "--short=12", "HEAD"])
        return commit + ("+" if _told(["git", "-C", checkout, "status", "--porcelain"]) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _machine():
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    cpu = model.group(1) if model else platform.machine()
    return f"{len(os.sched_getaffinity(0))} cores, {cpu}, {platform.system()} {platform.release()}"


def _told(argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
