"""Where things are: this checkout, and the cache folder into which the peers are installed."""

import os
import shutil


class Home:
    def __init__(self):
        self.checkout = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        self._cache = os.path.join(caches, "longshore", "peers")
        # Beside the cache, because a temporary folder may be memory, and this measures what reaches a disk.
        self.data = os.path.join(caches, "longshore")

    def here(self, name):
        return os.path.join(self.checkout, "benches", "peers", name)

    def cache(self, name):
        return os.path.join(self._cache, name)

    def filled(self, words, name):
        """A peer's command with its folders."""
        return [word.replace("{cache}", self.cache(name)).replace("{here}", self.here(name)) for word in words]

    def longshore(self, named):
        """The binary: the one that was named, the one that was built, or the one on the path."""
        built = os.environ.get("CARGO_TARGET_DIR") or os.path.join(self.checkout, "target")
        tried = [named] if named else [os.path.join(built, "release", "longshore"), shutil.which("longshore") or ""]
        for path in tried:
            if path and os.access(path, os.X_OK) and os.path.isfile(path):
                return os.path.abspath(path)
        raise SystemExit(
            f"run: there is no longshore at {named}" if named else
            "run: there is no longshore: build it with `cargo build --release`, or name one with --longshore PATH"
        )
