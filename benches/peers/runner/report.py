"""The report: what it depends on, medians over the rounds, and Longshore's ratio to each peer."""

from runner.stats import medians, ratios

# (figure, head of its column, how it is written)
COLUMNS = [
    ("enqueue_per_s", "enqueue/s", "{:,.0f}"),
    ("drain_per_s", "drain/s", "{:,.0f}"),
    ("redis_cpu_us_per_job", "Redis CPU µs/job", "{:.1f}"),
    ("bytes_per_job", "bytes/job", "{:,.0f}"),
    ("pickup_p50_ms", "pickup p50 ms", "{:.2f}"),
    ("pickup_p99_ms", "pickup p99 ms", "{:.2f}"),
    ("call_p50_ms", "call p50 ms", "{:.2f}"),
]
OURS = "longshore"


def report(about, rounds, faults):
    """`rounds`: figures by system and round. `faults`: the reason, for each system that has no figures."""
    whole = {name: of for name, of in rounds.items() if name not in faults and of}
    return {
        "about": about,
        "rounds": whole,
        "medians": {name: medians(list(of.values())) for name, of in whole.items()},
        "ratios": {name: ratios(whole[OURS], of) for name, of in whole.items() if OURS in whole and name != OURS},
        "faults": faults,
    }


def text(made):
    about, lines = made["about"], []
    lines.append(f"payload   {about['payload']}")
    lines.append(f"fsync     {about['fsync']}; Redis {about['redis']}, a fresh one for each system and round")
    lines.append(f"commit    {about['commit']}")
    lines.append(f"machine   {about['machine']}")
    lines.append(f"          a round trip to Redis takes {about['round_trip_us']:.0f} µs; the host took {about['steal']:.1%} of the time for others")
    lines.append(f"load      {about['load']:.2f} before, {about['load_after']:.2f} after (this benchmark is part of the second)")
    lines += [f"system    {name}: {version}" for name, version in about["versions"].items()]
    if made["medians"]:
        most = max(len(of) for of in made["rounds"].values())
        lines += ["", f"medians of {most} interleaved rounds"]
        lines += _table(made["medians"], extra=("jobs", "jobs", "{:,.0f}"))
    if made["ratios"]:
        lines += ["", "Longshore / peer, median of the ratios of each round"]
        lines += _table(made["ratios"], form="{:.2f}")
    lines += [f"\nNO FIGURE for {name}: {why}" for name, why in made["faults"].items()]
    again = {name: of["ran_again"] for name, of in made["medians"].items() if of.get("ran_again")}
    lines += [f"\n{name} ran some jobs more than once: {count:.0f} runs too many" for name, count in again.items()]
    return "\n".join(lines)


def _table(of, form=None, extra=None):
    columns = ([extra] if extra else []) + COLUMNS
    rows = [["", *(head for _, head, _ in columns)]]
    for name, figures in of.items():
        rows.append([name, *((form or own).format(figures[key]) if key in figures else "–" for key, _, own in columns)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]) for row in rows]
