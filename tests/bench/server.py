"""A `rybbit serve` of its own for a benchmark, in a folder of its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(*arguments: str) -> list[str]:
    """The command line of rybbit in this environment."""
    return [sys.executable, "-m", "rybbit", *arguments]


def children_of(pid: int) -> list[int]:
    """The child processes of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in children.split()]


def cpu_seconds_of(pid: int) -> float:
    """Processor time, user and system, that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A running server and the keys of its site."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    site_id: int
    account_key: str
    keys: list[str]
    start_seconds: float

    def get(self, path: str) -> Any:
        """The JSON answer to a read with the account key."""
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.account_key}"}
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def worker_pids(self) -> list[int]:
        """The processes that serve."""
        return children_of(self.process.pid)

    def cpu_seconds(self) -> float:
        """Processor time that the workers have used so far."""
        return sum(cpu_seconds_of(pid) for pid in self.worker_pids())

    def worker_memory(self) -> list[float]:
        """Anonymous memory of each worker in MB."""
        found = []
        for pid in self.worker_pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    found.append(int(line.split()[1]) / 1024)
        return found


@contextmanager
def serving(
    *,
    keys: int = 1,
    workers: int = 2,
    threads: int | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Server]:
    """Start a server on an empty instance with a site and so many tracking keys; stop it at the end.

    Without `threads` it has as many as `rybbit serve` has by itself.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "instance"
        environ = os.environ | {"RYBBIT_INSTANCE_PATH": str(folder)} | (environment or {})
        first = _run(environ, "init", "--email", "bench@example.com", "--domain", "example.com", "--json")
        made = _run(environ, "key", "create", "--site", first["id"], "--count", str(keys), "--json")
        port = free_port()
        began = time.monotonic()
        options = () if threads is None else ("--threads", str(threads))
        process = subprocess.Popen(
            command("serve", "--port", str(port), "--workers", str(workers), *options), env=environ
        )
        server = Server(
            f"http://127.0.0.1:{port}",
            folder,
            process,
            first["siteId"],
            first["accountKey"],
            [row["apiKey"] for row in made],
            0.0,
        )
        try:
            wait_for(f"{server.url}/api/health")
            server.start_seconds = time.monotonic() - began
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _run(environ: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(command(*arguments), env=environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def wait_for(url: str, *, seconds: float = 15) -> None:
    """Wait until the address answers."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        else:
            return
