"""`kill -9` and SIGTERM under load: what was acknowledged is there, once."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.load import load_on, stored_ids
from tests.faults.server import SERVE, Instance, Server, serving, wait_until

# Files are closed and moved all the time, so that the kills meet every state of them.
BUSY = {"RYBBIT_JOURNAL_FILE_SECONDS": "0.3", "RYBBIT_MOVE_SECONDS": "0.5", "RYBBIT_COMPACT_FILES": "4"}
SLOW_BIRTH = (str(Path(__file__).with_name("slow_birth.py")), *SERVE[2:])


def test_killed_workers(site: Instance) -> None:
    """Workers die again and again, faster than the server has patience for; it goes on answering."""
    with serving(site, environment=BUSY) as server:
        with load_on(site, server.port) as load:
            for turn in range(8):
                load.wait_for(100)
                victims = server.worker_pids()
                for pid in victims if turn % 4 == 3 else victims[:1]:
                    os.kill(pid, signal.SIGKILL)
            load.wait_for(200)
        load.check(server.event_ids())
        assert server.stop() == 0
    load.check(stored_ids(site))


def test_killed_server(site: Instance) -> None:
    with serving(site, environment=BUSY) as server, load_on(site, server.port) as load:
        for _ in range(4):
            load.wait_for(150)
            server.kill_all()
            server.start()
        server.wait()
        load.wait_for(50)
        load.stop()
        load.check(server.event_ids())
        server.kill_all()
        load.check(stored_ids(site))


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
    ids=["docker", "systemd", "terminal"],
)
def test_stopped_under_load(site: Instance, number: int, whole_group: bool) -> None:
    """Whoever stops it, and whether or not the workers hear of it themselves, it ends in order."""
    with serving(site, environment=BUSY) as server, load_on(site, server.port) as load:
        load.wait_for(300)
        assert server.stop(number, whole_group=whole_group) == 0, server.log()
        load.stop()
        assert server.members() == []
    assert list(site.journal.glob("*.open")) == []
    load.check(stored_ids(site))


def test_killed_parent(site: Instance) -> None:
    """The workers end by themselves, in order, and a new server on the same port is the only one there."""
    with serving(site, environment=BUSY) as server, load_on(site, server.port) as load:
        load.wait_for(200)
        orphans = server.worker_pids()
        server.kill_main()
        server.start()
        wait_until(lambda: not set(orphans) & set(server.members()), "the old workers end")
        load.wait_for(200)
        load.stop()
        assert server.stop() == 0
    load.check(stored_ids(site))


def test_parent_killed_while_workers_load(site: Instance) -> None:
    server = Server(site).start()
    try:
        wait_until(server.worker_pids, "a worker is born")
        server.kill_main()
        wait_until(lambda: server.members() == [], "no worker is left")
    finally:
        server.kill_all()


@pytest.mark.parametrize("arguments", [SERVE, SLOW_BIRTH], ids=["loading", "before their first step"])
def test_stopped_while_workers_load(site: Instance, arguments: tuple[str, ...]) -> None:
    server = Server(site, arguments=arguments).start()
    try:
        wait_until(lambda: len(server.worker_pids()) == 2, "workers are born")
        began = time.monotonic()
        assert server.stop() == 0
        # Workers that do not hear it are killed after 30 seconds.
        assert time.monotonic() - began < 20
        assert server.members() == []
    finally:
        server.kill_all()
