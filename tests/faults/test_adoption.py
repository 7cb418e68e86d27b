"""Journal files change hands: of writers that live, of writers that died, with damage in them."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from rybbit.store.journal_files import JournalFile, JournalFolder
from tests.faults.load import load_on, stored_ids
from tests.faults.server import PATIENCE, Instance, Server, running, wait_until

_CREATIONS = 1_500
_SPAWN = multiprocessing.get_context("spawn")


def _create(path: Path, lines: int) -> None:
    """Write lines to a file each; every third writer dies before it closes its file."""
    for number in range(lines):
        file = JournalFile(path)
        file.write(b"%d\n" % number)
        if number % 3 == 0:
            file.abandon()
        else:
            file.close()


def _adopt(path: Path, answers: Connection) -> None:
    """Adopt what can be adopted and take away what is closed, as movers do; report the lines at the end."""
    folder = JournalFolder(path)
    lines: list[bytes] = []
    while not answers.poll():
        folder.adopt_orphans(lambda _: None)
        lines += _take_closed(folder)
    answers.send(lines)


def _take_closed(folder: JournalFolder) -> list[bytes]:
    lines: list[bytes] = []
    for name in folder.listing().closed:
        lines += (folder.path / name).read_bytes().splitlines()
        (folder.path / name).unlink()
    return lines


def test_adopter_races_with_creation(tmp_path: Path) -> None:
    """No line goes into a file that was adopted before its writer had the lock."""
    folder = JournalFolder(tmp_path)
    folder.create()
    ours, theirs = _SPAWN.Pipe()
    adopter = _SPAWN.Process(target=_adopt, args=(tmp_path, theirs))
    creator = _SPAWN.Process(target=_create, args=(tmp_path, _CREATIONS))
    adopter.start()
    creator.start()
    creator.join(PATIENCE)
    assert creator.exitcode == 0
    ours.send("stop")
    taken = ours.recv()
    adopter.join(PATIENCE)
    folder.adopt_orphans(lambda _: None)
    taken += _take_closed(folder)
    assert sorted(taken, key=int) == [b"%d" % number for number in range(_CREATIONS)]
    assert [path.name for path in tmp_path.iterdir()] == ["quarantine"]


POISON = {
    "not-utf-8": b'{"id":1,"site_id":1,"pathname":"\xff\xfe"}\n',
    "no-event": b'{"hello":"world"}\n',
    "no-object": b"[1,2]\n",
    "empty": b"\n",
    "zeros": bytes(4096) + b"\n",
    "surrogate": b'{"id":2,"site_id":1,"session_id":2,"user_hash":3,"timestamp":4,"type":"\\ud800"}\n',
    "overflow": b'{"id":99999999999999999999,"site_id":1,"session_id":2,"user_hash":3,"timestamp":4}\n',
    "time": b'{"id":3,"site_id":1,"session_id":2,"user_hash":3,"timestamp":9e99,"type":"pageview"}\n',
    "nested": b"[" * 5000 + b"\n",
    "torn": b'{"id":4,"site_id":1,"session_id":2,"us',
}


def _doctor(site: Instance) -> dict[str, Any]:
    command = [sys.executable, "-m", "rybbit", "doctor", "--json"]
    environment = os.environ | {"RYBBIT_INSTANCE_PATH": str(site.folder)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=PATIENCE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _complaints(site: Instance) -> list[str]:
    return [row["text"] for row in _doctor(site)["checks"] if row["check"] == "journal"]


def _poison(site: Instance, find: Callable[[], list[Path]]) -> None:
    """Append damage of every kind to a journal file that nobody has open."""
    with find()[0].open("ab") as file:
        file.write(b"".join(POISON.values()))


@pytest.mark.parametrize("suffix", [".jsonl", ".open"])
def test_poison_lines(site: Instance, suffix: str) -> None:
    """The rest of the file can be read before and after it is moved; the damage is kept, and told of."""
    slow = {
        "RYBBIT_MOVE_SECONDS": "3600",
        "RYBBIT_JOURNAL_FILE_SECONDS": "0.2" if suffix == ".jsonl" else "3600",
    }
    with running(Server(site, environment=slow)) as server:
        with load_on(site, server.port) as load:
            load.wait_for(100)
            wait_until(lambda: list(site.journal.glob(f"*{suffix}")), f"there is a {suffix} file")
        server.kill_all()
        assert _complaints(site) == []
        _poison(site, lambda: sorted(site.journal.glob(f"*{suffix}")))
        load.check(stored_ids(site))
        server.start(RYBBIT_MOVE_SECONDS="0.3", RYBBIT_JOURNAL_FILE_SECONDS="0.3").wait()
        wait_until(site.is_moved, "the journal is moved")
        load.check(server.event_ids())
        with load_on(site, server.port, name="later") as later:
            later.wait_for(50)
        later.sent |= load.sent
        later.check(server.event_ids())
    kept = b"".join(path.read_bytes() for path in (site.journal / "quarantine").iterdir())
    # The writer of an open file died; what it had not finished was never acknowledged.
    wanted = POISON if suffix == ".jsonl" else {name: line for name, line in POISON.items() if name != "torn"}
    assert kept == b"".join(wanted.values())
    assert ["quarantine" in text for text in _complaints(site)] == [True]
