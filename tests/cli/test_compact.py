"""`rybbit compact`."""

from pathlib import Path

import pytest

from rybbit.config import load_config
from rybbit.extensions import db
from rybbit.factory import create_app
from rybbit.runtime import Runtime
from rybbit.store.engines import lake_options
from rybbit.store.lake import LakeStore
from tests.cli.conftest import Shell
from tests.store.clickhouse_parts import SmallServer
from tests.store.parts import entry

BATCHES = 4
ROWS = "select id, site_id, session_id, user_hash, timestamp, event_id, pathname from events order by id"


def _fill(runtime: Runtime) -> None:
    """Leave some files in the store, and a closed one in the journal."""
    runtime.journal_folder.create()
    for number in range(BATCHES):
        runtime.journal.append([entry(event_id=f"{number}-{index}", pathname="/'x") for index in range(5)])
        runtime.journal.close_file()
        runtime.mover.move_all()
    runtime.journal.append([entry(event_id="closed"), entry(site_id=2)])
    runtime.journal.close()
    runtime.receipts.close()
    runtime.store.close()


def _rows(instance: Path) -> list[tuple[object, ...]]:
    store = LakeStore(lake_options(load_config({"RYBBIT_INSTANCE_PATH": str(instance)})))
    try:
        return store.query(ROWS)
    finally:
        store.close()


def _files_in_use(instance: Path) -> int:
    store = LakeStore(lake_options(load_config({"RYBBIT_INSTANCE_PATH": str(instance)})))
    try:
        return int(str(store.describe()["files"]))
    finally:
        store.close()


@pytest.mark.usefixtures("first")
def test_files_are_merged_and_nothing_is_lost(shell: Shell) -> None:
    app = create_app()
    _fill(app.extensions["rybbit"])
    with app.app_context():
        db.engine.dispose()
    before = _rows(shell.instance)
    assert len(before) == BATCHES * 5 + 2
    assert _files_in_use(shell.instance) == BATCHES

    text = shell.run("compact").stdout
    assert "Moved 2 events from the journal." in text
    assert f"{len(before)} events: {BATCHES + 1} files of " in text
    assert _files_in_use(shell.instance) == 1
    assert _rows(shell.instance) == before
    assert [path.name for path in (shell.instance / "journal").iterdir()] == ["quarantine"]

    assert "Moved 0 events from the journal." in shell.run("compact").stdout
    assert _rows(shell.instance) == before


@pytest.mark.usefixtures("first")
def test_where_nothing_has_come_in_it_does_nothing(shell: Shell) -> None:
    text = shell.run("compact").stdout
    assert "Moved 0 events from the journal." in text
    assert _rows(shell.instance) == []


@pytest.mark.usefixtures("first")
def test_with_clickhouse(
    shell: Shell, small_server: SmallServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_server.set_faults()
    monkeypatch.setenv("RYBBIT_EVENTS_URL", small_server.url(tmp_path))
    app = create_app()
    _fill(app.extensions["rybbit"])
    with app.app_context():
        db.engine.dispose()
    text = shell.run("compact").stdout
    assert "Moved 2 events from the journal." in text
    assert "ClickHouse merges its files by itself" in text
    assert f"{BATCHES * 5 + 2} events: " in text
    small_server.set_faults({"contains": "rybbit", "how": "202", "times": 99})
    assert "The event store (ClickHouse) refuses" in shell.run("compact", code=1).stderr
    small_server.set_faults()
