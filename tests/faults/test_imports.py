"""Imports beside a server that takes events in, killed at any moment and begun again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from rybbit.transfer.demo import DAY_MS, Demo, Target, demo_lines
from tests.faults.load import load_on, stored_ids
from tests.faults.server import Instance, serving
from tests.faults.test_readers import BUSY
from tests.store.parts import NOON_MS, REPOSITORY

EVENTS = 100_000
PATIENCE = 120.0


def write_export(path: Path) -> None:
    """Rows as an export has them, each with an id of its own."""
    target = Target(1, "example.com", hash)
    traffic = Demo(targets=[target], events=EVENTS, start_ms=NOON_MS - 9 * DAY_MS, end_ms=NOON_MS)
    with path.open("w") as file:
        for number, line in enumerate(demo_lines(traffic)):
            row = json.loads(line)
            row |= {"visitor_id": f"v{row.pop('user_hash')}", "event_id": f"import-{number}", "user_id": None}
            file.write(json.dumps(row) + "\n")


def start(site: Instance, file: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "rybbit", "import", str(file), "--site", str(site.site_id)],
        cwd=REPOSITORY,
        env={**os.environ, "RYBBIT_INSTANCE_PATH": str(site.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def import_with_kills(site: Instance, file: Path) -> int:
    """Import to the end, killed again and again, each time later; answers how often."""
    chance = random.Random(4)
    kills = 0
    patience = 1.0
    while True:
        process = start(site, file)
        end = time.monotonic() + patience * chance.uniform(0.8, 1.2)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
            patience *= 1.4
        text, errors = process.communicate(timeout=PATIENCE)
        if process.returncode == 0:
            assert f"Imported {EVENTS} events" in text.decode()
            return kills
        if process.returncode != -signal.SIGKILL:
            # The one before was killed when nothing but its own end was left to do.
            assert b"was imported into this site before" in errors
            assert kills
            return kills


def test_nothing_is_lost_or_doubled_by_any_kill(site: Instance, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    write_export(file)
    with serving(site, workers=2, environment=BUSY) as server:
        with load_on(site, server.port) as load:
            kills = import_with_kills(site, file)
        assert kills > 3
        tracked = set(load.acknowledged)
    names = stored_ids(site)
    imported = [name for name in names if name.startswith("import-")]
    assert len(imported) == EVENTS
    assert len(set(imported)) == EVENTS
    assert tracked <= set(names)
