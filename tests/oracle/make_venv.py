"""Makes the Python that the oracle runs in, once per machine, and prints where it is.

The name of its folder carries the pins: other pins are another folder, and two that make it at once do not disturb each other.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import venv

# tzdata is the IANA release that chrono-tz carries (chrono_tz::IANA_TZDB_VERSION); the oracle refuses any other.
PINS = ["cronsim==2.8", "tzdata==2025.2"]


def main():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    python = "py%d.%d" % sys.version_info[:2]
    folder = os.path.join(cache, "longshore", "-".join(["oracle", python] + [pin.replace("==", "-") for pin in PINS]))
    made = os.path.join(folder, "bin", "python")
    if not os.path.exists(made):
        # What is left of one whose Python has gone from the machine.
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        new = tempfile.mkdtemp(prefix="oracle-", dir=os.path.dirname(folder))
        try:
            venv.create(new, with_pip=True)
            pip = [os.path.join(new, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run(pip + PINS, check=True, stdout=sys.stderr)
            try:
                os.rename(new, folder)
            except OSError:
                if not os.path.exists(made):
                    raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
    print(made)


main()
