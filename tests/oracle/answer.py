"""The oracle's answers: a question is one line of JSON, and so is its answer, in the same order.

First comes a line with the versions. Times are whole seconds since 1970.
"""
import importlib.metadata
import importlib.resources
import itertools
import json
import struct
import sys
import zoneinfo
from datetime import datetime
from zoneinfo import ZoneInfo

import tzdata
from cronsim import CronSim

DAY = 86_400


def offset(zone, at):
    return datetime.fromtimestamp(at, zone).utcoffset()


def changes(zone, begin, end):
    """The instants of [begin, end) at which the zone takes another offset, each with the offset before and after, in seconds."""
    found = []
    for low in range(begin, end, DAY):
        high = min(low + DAY, end)
        if offset(zone, low) == offset(zone, high):
            continue
        before = offset(zone, low)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
        found.append([high] + [int(offset(zone, at).total_seconds()) for at in (low, high)])
    return found


def ticks(expression, zone, after, before, most):
    """At most so many ticks between two times, both left out."""
    found = []
    for tick in itertools.islice(CronSim(expression, datetime.fromtimestamp(after, zone)), most):
        at = int(tick.timestamp())
        if at >= before:
            break
        found.append(at)
    return found


def closest():
    """The shortest time between two changes of any zone since 1970, by the files themselves (RFC 9636)."""
    shortest = None
    for name in zoneinfo.available_timezones():
        data = importlib.resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
        counts = struct.unpack(">6l", data[20:44])
        at = 44 + counts[3] * 5 + counts[4] * 6 + counts[5] + counts[2] * 8 + counts[1] + counts[0]
        _, _, _, times, types, _ = struct.unpack(">6l", data[at + 20:at + 44])
        at += 44
        when = struct.unpack(">%dq" % times, data[at:at + 8 * times])
        which = data[at + 8 * times:at + 9 * times]
        at += 9 * times
        offsets = [struct.unpack(">l", data[at + 6 * n:at + 6 * n + 4])[0] for n in range(types)]
        last, previous = None, None
        for time, index in zip(when, which):
            if time >= 0 and offsets[index] != previous and previous is not None:
                if last is not None:
                    shortest = min(shortest or time - last, time - last)
                last = time
            previous = offsets[index]
    return shortest


def answer(question):
    if "closest" in question:
        return closest()
    zone = ZoneInfo(question["zone"])
    if "changes" in question:
        return changes(zone, *question["changes"])
    return [ticks(question["expression"], zone, *span) for span in question["spans"]]


def main():
    # The zones of the tzdata package, and not those of the system.
    zoneinfo.reset_tzpath(to=())
    print(json.dumps({"cronsim": importlib.metadata.version("cronsim"), "tzdata": tzdata.IANA_VERSION}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line)), separators=(",", ":")), flush=True)


main()
