"""Connections to each worker of a server, so that a test can ask every one of them."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import PATIENCE, Server

_CONNECTIONS = 400
"""So many are opened in vain before a test fails; each lands with any worker."""


@dataclass(frozen=True)
class Answer:
    """A status, and the JSON of the body."""

    status: int
    body: Any


class Worker:
    """One worker of a server, asked over a connection that it has taken."""

    def __init__(self, pid: int, connection: http.client.HTTPConnection) -> None:
        self.pid = pid
        self._connection = connection

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with a bearer key and further headers, if any."""
        shown = {"Content-Type": "application/json", **(headers or {})}
        if key is not None:
            shown["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, body=data, headers=shown)
        # A connection that was opened anew might lead to another worker.
        assert self._connection.sock is not None
        answer = self._connection.getresponse()
        content = answer.read()
        assert not answer.will_close, "the server keeps connections"
        return Answer(answer.status, json.loads(content))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def every_worker(server: Server) -> Iterator[list[Worker]]:
    """A connection to each worker of a server: many are opened, until each worker has taken one."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("which process holds a connection is read from /proc")
    wanted = set(server.worker_pids())
    found: dict[int, Worker] = {}
    opened: list[Worker] = []
    try:
        while wanted - set(found):
            assert len(opened) < _CONNECTIONS, f"no connection reached {wanted - set(found)}"
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            opened.append(Worker(0, connection))
            # An answered request: by now a worker has taken the connection.
            opened[-1].ask("GET", "/api/version")
            pid = _holder(connection, server, wanted)
            opened[-1].pid = pid
            found.setdefault(pid, opened[-1])
        yield list(found.values())
    finally:
        for worker in opened:
            worker.close()


def _holder(connection: http.client.HTTPConnection, server: Server, pids: set[int]) -> int:
    """The process that holds the server's end of a connection."""
    ours = connection.sock.getsockname()[1]
    inode = _inode(server.port, ours)
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if str(descriptor.readlink()) == f"socket:[{inode}]":
                    return pid
            except FileNotFoundError:
                continue
    raise AssertionError(f"no worker holds the connection from port {ours}")


def _inode(local: int, remote: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if [int(end.partition(":")[2], 16) for end in fields[1:3]] == [local, remote]:
            return fields[9]
    raise AssertionError(f"there is no connection from port {remote}")
