"""As much of a Redis client as the looks of the measurement need."""

import socket

WAIT_S = 30


class Redis:
    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._answers = self._socket.makefile("rb")

    def ask(self, *commands):
        """Sends all commands (lists of words) at once; the answer to each, in order."""
        self._socket.sendall(b"".join(_written(command) for command in commands))
        return [self._read() for _ in commands]

    def info(self, section):
        (text,) = self.ask(["INFO", section])
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def used_memory(self):
        """Without the buffers of clients, which are not the jobs' memory, and which Redis lets go of in its own time."""
        memory = self.info("memory")
        return int(memory["used_memory"]) - int(memory["mem_clients_normal"])

    def cpu_s(self):
        cpu = self.info("cpu")
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])

    def _read(self):
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis-server has gone away")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise ValueError(f"redis-server says {rest}")
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if rest == "-1":
            return None
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return self._answers.read(int(rest) + 2)[:-2].decode()


def _written(words):
    words = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
