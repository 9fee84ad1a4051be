"""Medians and quantiles."""

import statistics


def waits(starts, called, acknowledged):
    """Of handlers, in milliseconds; all times are in microseconds. 0 where one began before the answer to its call had arrived."""
    pickup = [max(0, start - at) / 1000 for start, at in zip(starts, acknowledged)]
    return _quantiles("pickup", pickup) | _quantiles("call", [(start - at) / 1000 for start, at in zip(starts, called)])


def _quantiles(name, values):
    values = sorted(values)
    at = lambda share: values[round((len(values) - 1) * share)]
    return {f"{name}_p50_ms": at(0.5), f"{name}_p99_ms": at(0.99)}


def medians(rounds):
    """Of each figure over the rounds."""
    return {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}


def ratios(ours, theirs):
    """Of each figure, the median of ours over theirs of the same round: what disturbs a round disturbs both."""
    pairs = [(ours[at], theirs[at]) for at in sorted(ours.keys() & theirs.keys())]
    if not pairs:
        return {}
    shared = [key for key in pairs[0][0] if key in pairs[0][1] and key not in ("jobs", "ran_again")]
    of = lambda key: [our[key] / their[key] for our, their in pairs if their[key]]
    return {key: statistics.median(of(key)) for key in shared if of(key)}
