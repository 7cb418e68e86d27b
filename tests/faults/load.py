"""Senders that remember what they were promised, and what is stored in the end."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from rybbit.config import load_config
from rybbit.store.engines import lake_options
from rybbit.store.lake import LakeOptions, LakeStore
from tests.faults.server import PATIENCE, Instance, wait_until

_AFTER_FAILURE = 0.05


class Sender:
    """One client with a connection that is kept, and made anew when it breaks."""

    def __init__(self, instance: Instance, port: int) -> None:
        self._instance = instance
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: Any) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
        """The answer; raises OSError or HTTPException when the connection breaks before it."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._instance.tracking_key}",
        }
        try:
            self._connection.request("POST", path, json.dumps(body), headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def track(self, event_id: str | None = None, **fields: Any) -> tuple[int, dict[str, Any]]:
        """Send one event; status 0 stands for a broken connection."""
        event: dict[str, Any] = {"site_id": str(self._instance.site_id), "pathname": "/", **fields}
        if event_id is not None:
            event["event_id"] = event_id
        try:
            status, body, _ = self.post("/api/track", event)
        except (OSError, http.client.HTTPException):
            return 0, {}
        return status, body

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Load:
    """Threads that send events, each with an id that nobody else uses.

    Every second event is sent again until it is acknowledged, as a careful client does; the others are
    given up after one try. `unexpected` holds the answers that are neither a success nor a 503.
    """

    def __init__(
        self, instance: Instance, ports: Sequence[int], *, threads: int, name: str, pause: float
    ) -> None:
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.unexpected: list[tuple[int, dict[str, Any]]] = []
        self.unavailable = 0
        self._pause = pause
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(Sender(instance, ports[number % len(ports)]), f"{name}-{number}")
            )
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, sender: Sender, name: str) -> None:
        for number in count():
            event_id = f"{name}-{number}"
            self.sent.add(event_id)
            while not self._send(sender, event_id) and number % 2 and not self._stopping.is_set():
                time.sleep(_AFTER_FAILURE)
            if self._stopping.wait(self._pause):
                break
        sender.close()

    def _send(self, sender: Sender, event_id: str) -> bool:
        # A visitor for every ten events or so: sessions begin, and go on.
        status, body = sender.track(event_id, user_id=f"visitor-{hash(event_id) % 100}")
        if status == 200 and body == {"success": True}:
            self.acknowledged.add(event_id)
            return True
        if status == 503:
            self.unavailable += 1
        elif status:
            self.unexpected.append((status, body))
        time.sleep(_AFTER_FAILURE)
        return False

    def wait_for(self, more: int) -> None:
        """Wait until so many more events than now are acknowledged."""
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted, f"{more} more events are acknowledged")

    def stop(self) -> None:
        """End all threads after what they are at."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def check(self, stored: Sequence[str]) -> None:
        """Every acknowledged event is there exactly once, and none that was never sent.

        What is stored must have been read after the last answer.
        """
        times = Counter(stored)
        wrong = {
            "doubled": [event_id for event_id, number in times.items() if number > 1],
            "lost": sorted(self.acknowledged - times.keys()),
            "invented": sorted(times.keys() - self.sent),
            "answered": self.unexpected,
        }
        assert wrong == {"doubled": [], "lost": [], "invented": [], "answered": []}
        assert self.acknowledged


@contextmanager
def load_on(
    instance: Instance, *ports: int, threads: int = 6, name: str = "event", pause: float = 0
) -> Iterator[Load]:
    """Load on one or several servers of an instance, for as long as the context lasts.

    Each thread pauses for so many seconds between two events.
    """
    load = Load(instance, ports, threads=threads, name=name, pause=pause)
    try:
        yield load
    finally:
        load.stop()


def options_of(instance: Instance) -> LakeOptions:
    """The default options of the store in an instance folder."""
    return lake_options(load_config({"RYBBIT_INSTANCE_PATH": str(instance.folder)}))


def query_folder(instance: Instance, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the events in an instance folder, whether or not a server runs there."""
    store = LakeStore(options_of(instance))
    try:
        return store.query(sql)
    finally:
        store.close()


def stored_ids(instance: Instance) -> list[str]:
    """The event id of every stored event, as often as it is stored."""
    rows = query_folder(instance, "select id, event_id from events")
    assert len({row[0] for row in rows}) == len(rows), "two events have the same number"
    return [row[1] for row in rows]
