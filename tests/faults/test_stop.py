"""A server that is asked to stop: what is under way is answered, what was counted is written."""

import ctypes
import fcntl
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import Sender, stored_ids
from tests.faults.server import SERVE, Instance, Server, running, serving, wait_until

SUCCESS = (200, {"success": True})
REFUSED = 25


@contextmanager
def _receipts_held(site: Instance) -> Iterator[None]:
    """Somebody else has the lock under which events are given their ids, as another worker might."""
    with (site.folder / "receipts.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        fcntl.flock(file, fcntl.LOCK_UN)


def _is_deaf(server: Server) -> bool:
    """Whether nobody takes new connections."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except OSError:
        return True
    return False


def _send_in_thread(sender: Sender, event_id: str, answers: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(sender.track(event_id)))
    thread.start()
    return thread


def test_what_is_under_way_is_answered(site: Instance) -> None:
    answers: list[Any] = []
    with serving(site) as server:
        sender = Sender(site, server.port)
        with _receipts_held(site):
            thread = _send_in_thread(sender, "under-way", answers)
            # The file is made before the lock is asked for, so from here on the event waits inside.
            wait_until(lambda: list(site.journal.glob("*.open")), "the event has reached the journal")
            server.ask_to_stop()
            wait_until(lambda: _is_deaf(server), "the server takes no new connections")
            assert answers == []
            assert server.is_running()
        assert server.wait_for_end() == 0
        thread.join(60)
        sender.close()
        assert answers == [SUCCESS]
        assert list(site.journal.glob("*.open")) == []
    assert stored_ids(site) == ["under-way"]
    with serving(site) as server:
        assert server.event_ids() == ["under-way"]


def test_counts_are_written_at_the_end(site: Instance) -> None:
    """Nothing but the end of the workers can write them here, and it does so for each of them."""
    arguments = (str(Path(__file__).with_name("no_background.py")), *SERVE[2:])
    with running(Server(site, arguments=arguments)) as server:
        for _ in range(REFUSED):
            # Each over a connection of its own, so that both workers get some.
            sender = Sender(site, server.port)
            assert sender.track(pathname="/" * 3000)[0] == 400
            sender.close()
        assert _refused(server) == 0
        assert server.stop() == 0
        server.start().wait()
        assert _refused(server) == REFUSED
    with serving(site) as server:
        assert _refused(server) == REFUSED
        assert server.event_ids() == []


def test_who_sends_slowly_does_not_keep_it(site: Instance) -> None:
    """Docker kills after ten seconds; by itself the server would wait as long as a client likes."""
    head = b"POST /api/track HTTP/1.1\r\nHost: localhost\r\n"
    with serving(site) as server, ExitStack() as clients:
        for beginning in (head, head + b"Content-Length: 30\r\n\r\n{"):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(beginning)
        # Once another is answered, the server has these, too.
        assert server.event_ids() == []
        began = time.monotonic()
        server.ask_to_stop()
        assert server.wait_for_end() == 0
        assert time.monotonic() - began < 20


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a thread by its number")
def test_a_signal_that_another_thread_takes(site: Instance) -> None:
    """Handlers run in the main thread, which sleeps: the kernel may have woken any other."""
    with serving(site) as server:
        victim = server.worker_pids()[0]
        other = next(
            int(task.name) for task in Path(f"/proc/{victim}/task").iterdir() if int(task.name) != victim
        )
        assert ctypes.CDLL(None, use_errno=True).tgkill(victim, other, signal.SIGTERM) == 0, (
            ctypes.get_errno()
        )
        wait_until(lambda: victim not in server.members(), "the worker ends")


def _refused(server: Server) -> int:
    rows = server.get(f"/api/sites/{server.instance.site_id}/drops")["data"]
    return sum(row["count"] for row in rows if row["reason"] == "invalid_payload")
