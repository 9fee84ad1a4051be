"""`run --install`: every peer at the version that its lock file says, into the cache folder."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

# (program, Debian package), and Debian packages without a program
NEEDED = [("redis-server", "redis-server"), ("setpriv", "util-linux"), ("node", "nodejs"), ("npm", "npm"), ("sidekiq", "ruby-sidekiq")]
LIBRARIES = ["ruby-redis", "ruby-hiredis"]
PYTHON_PEERS = ["celery", "dramatiq", "rq", "taskiq"]


def install(home, names):
    """Those that are named. What is as its lock file says already, is left alone."""
    _packages()
    for name in names:
        if installed(home, name):
            print(f"{name}: is there, {version(home, name)}")
            continue
        print(f"{name}: installing", flush=True)
        os.makedirs(home.cache(name), exist_ok=True)
        if name in PYTHON_PEERS:
            _python(home, name)
        elif name == "bullmq":
            _node(home, name)
        elif name == "apalis":
            _rust(home, name)
        with open(_stamp(home, name), "w") as stamp:
            stamp.write(_locked(home, name))
        print(f"{name}: {version(home, name)}")


def installed(home, name):
    """Whether it is there, and as the lock file says."""
    try:
        with open(_stamp(home, name)) as stamp:
            return stamp.read() == _locked(home, name)
    except FileNotFoundError:
        return False


def version(home, name):
    """What the installed packages say."""
    if name in PYTHON_PEERS:
        packages = {"taskiq": ["taskiq-redis", "taskiq", "redis"], "celery": ["celery", "kombu", "redis"]}.get(name, [name, "redis"])
        ask = "import importlib.metadata as m, sys; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]), end='')"
        return _told(home.cache(f"{name}/venv/bin/python"), "-c", ask, *packages) + f" (Python {sys.version.split()[0]})"
    if name == "bullmq":
        of = {p: json.load(open(home.cache(f"{name}/node_modules/{p}/package.json")))["version"] for p in ("bullmq", "ioredis")}
        return ", ".join(f"{p} {number}" for p, number in of.items()) + f" (Node {_told('node', '--version').lstrip('v')})"
    if name == "sidekiq":
        ask = 'require "sidekiq"; require "hiredis/version"; '
        ask += 'print "sidekiq #{Sidekiq::VERSION}, redis #{Redis::VERSION}, hiredis #{Hiredis::VERSION} (Ruby #{RUBY_VERSION})"'
        return _told("ruby", "-e", ask)
    return _told(home.cache(f"{name}/target/release/apalis-peer"), "version")


def _packages():
    missing = [package for program, package in NEEDED if not shutil.which(program)]
    if shutil.which("dpkg"):
        missing += [package for package in LIBRARIES if subprocess.run(["dpkg", "-s", package], capture_output=True).returncode]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"run: these Debian packages are missing: {' '.join(missing)}; as root: {' '.join(command)}")
    print(f"Debian packages: {' '.join(missing)}")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _python(home, name):
    venv = home.cache(f"{name}/venv")
    subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
    pip = [os.path.join(venv, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", os.path.join(home.here(name), "requirements.txt")], check=True)


def _node(home, name):
    for file in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(home.here(name), file), home.cache(name))
    # Not `npm ci`, which refuses a lock file that lacks the optional parts of platforms that its author's registry did not offer.
    npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    subprocess.run(npm, cwd=home.cache(name), check=True)


def _rust(home, name):
    env = {**os.environ, "CARGO_TARGET_DIR": home.cache(f"{name}/target")}
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=home.here(name), env=env, check=True)


def _locked(home, name):
    """A hash of all that decides what is installed. Debian's packages are what they are."""
    files = {"bullmq": ["package-lock.json"], "apalis": ["Cargo.lock", "Cargo.toml"], "sidekiq": []}.get(name, ["requirements.txt"])
    if name == "apalis":
        files += sorted(os.path.join("src", file) for file in os.listdir(os.path.join(home.here(name), "src")))
    hashed = hashlib.sha256()
    for file in files:
        with open(os.path.join(home.here(name), file), "rb") as locked:
            hashed.update(locked.read())
    return hashed.hexdigest()


def _stamp(home, name):
    return home.cache(f"{name}/installed")


def _told(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
