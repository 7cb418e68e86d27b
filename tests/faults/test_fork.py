"""gunicorn with `--preload`: the app has taken an event in before its workers are forked."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.load import Sender, load_on, query_folder, stored_ids
from tests.faults.server import PATIENCE, Instance, Server, running, serving, wait_until

_MODULE = """
import json, os
from rybbit import create_app

app = create_app()
answer = app.test_client().post("/api/track", json=json.loads(os.environ["FIRST_EVENT"]))
assert answer.json == {"success": True}, answer.json
"""

_ARGUMENTS = (
    *("-m", "gunicorn", "--preload", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
    *("--threads", "8", "--no-control-socket", "preloaded:app"),
)


@pytest.fixture
def preloaded(site: Instance, tmp_path: Path) -> Iterator[Server]:
    """gunicorn with three workers, whose app took in `before-fork` of the visitor `ann`."""
    (tmp_path / "preloaded.py").write_text(_MODULE)
    event = (
        f'{{"site_id": "{site.site_id}", "api_key": "{site.tracking_key}",'
        ' "event_id": "before-fork", "user_id": "ann"}'
    )
    environment = {
        "PYTHONPATH": str(tmp_path),
        "FIRST_EVENT": event,
        "RYBBIT_JOURNAL_FILE_SECONDS": "0.3",
        "RYBBIT_MOVE_SECONDS": "0.5",
    }
    with running(Server(site, workers=3, environment=environment, arguments=_ARGUMENTS)) as server:
        yield server


def _send_to_every_worker(site: Instance, server: Server, event_ids: list[str]) -> None:
    """Send events of the visitor `ann` over connections of their own, which go to whichever worker."""
    for event_id in event_ids:
        sender = Sender(site, server.port)
        assert sender.track(event_id, user_id="ann") == (200, {"success": True})
        sender.close()


def _replace_workers(server: Server, number: int) -> None:
    """Send a signal to every worker and wait until others have taken their place.

    A worker of gunicorn that is still starting is deaf to SIGTERM, so whoever stays is told again.
    """
    old = set(server.worker_pids())

    def are_gone() -> bool:
        left = old & set(server.worker_pids())
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return not left

    wait_until(are_gone, "the workers are new")


def test_event_before_the_fork(site: Instance, preloaded: Server) -> None:
    """It is stored once, its session goes on in the workers, and its id is known there."""
    event_ids = [f"after-{number}" for number in range(60)]
    _send_to_every_worker(site, preloaded, event_ids + ["before-fork"] * 30)
    wanted = sorted(["before-fork", *event_ids])
    assert sorted(preloaded.event_ids()) == wanted
    assert preloaded.stop() == 0
    assert list(site.journal.glob("*.open")) == []
    assert sorted(stored_ids(site)) == wanted
    assert query_folder(site, "select count(distinct session_id) from events") == [(1,)]


def test_workers_come_and_go(site: Instance, preloaded: Server) -> None:
    """Workers end and are forked anew from the parent, which holds files open; ids stay known to all."""
    with load_on(site, preloaded.port) as load:
        load.sent.add("before-fork")
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            load.wait_for(100)
            _replace_workers(preloaded, number)
            known = sorted(load.acknowledged)[:20]
            _send_to_every_worker(site, preloaded, [*known, "before-fork"])
        load.wait_for(100)
        load.stop()
        load.check(preloaded.event_ids())
        assert preloaded.stop() == 0
    load.check(stored_ids(site))


_PARENT = """
import os, sys
from rybbit import create_app

def track(event_id):
    event = {"site_id": sys.argv[1], "api_key": sys.argv[2], "event_id": event_id}
    answer = app.test_client().post("/api/track", json=event)
    assert answer.json == {"success": True}, answer.json

app = create_app()
track("parent")
told, tell = os.pipe()
gone, stay = os.pipe()
if os.fork():
    os.close(tell)
    os.read(told, 1)
else:
    os.close(stay)
    track("child")
    os.write(tell, b"!")
    os.read(gone, 1)
    track("orphan")
"""


def test_parent_ends_before_child(site: Instance) -> None:
    """The parent closes its files in order; what the child writes into them from then on is kept."""
    command = [sys.executable, "-c", _PARENT, str(site.site_id), site.tracking_key]
    environment = os.environ | {"RYBBIT_INSTANCE_PATH": str(site.folder)}
    # It ends when its output is closed, by the child as well.
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=PATIENCE)
    event_ids = ["child", "orphan", "parent"]
    with serving(site) as server:
        _send_to_every_worker(site, server, event_ids)
        assert sorted(server.event_ids()) == event_ids
