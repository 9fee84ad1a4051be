"""What the jobs carry, the same for every system: about 130 bytes of JSON, for 16 tenants that take turns."""

import json

ARGS_BYTES = 130
TENANTS = 16
PAYLOAD = f"no-op, {ARGS_BYTES} bytes of JSON args, {TENANTS} tenants"

# Numbers tell apart what is counted (from FIRST), what warms up, and what is picked up; all are equally long.
FIRST = 1_000_000
WARM = 2_000_000
PICKUP = 3_000_000


def args(number, with_tenant=True):
    """A peer knows no tenants, so it has them in the args, and shorter text for it."""
    made = {"account": f"account-{number % 1000:06}", "number": number}
    if with_tenant:
        made["tenant"] = tenant(number)
    made["text"] = ""
    made["text"] = "x" * (ARGS_BYTES - len(json.dumps(made, separators=(",", ":"))))
    return made


def tenant(number):
    return f"tenant-{number % TENANTS}"


def write(file, first, count):
    """One job's args on each line."""
    with open(file, "w") as lines:
        lines.writelines(json.dumps(args(number), separators=(",", ":")) + "\n" for number in range(first, first + count))
