"""An instance with one site, and commands on it in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rybbit.config import load_config
from rybbit.extensions import db
from rybbit.factory import create_app
from rybbit.services.setup import initialise
from rybbit.store.base import EventStore
from rybbit.store.engines import open_store, store_options
from tests.store.parts import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An instance with one site."""
    folder = tmp_path / "instance"
    app = create_app({"RYBBIT_INSTANCE_PATH": str(folder)})
    with app.app_context():
        initialise(email="owner@example.com", domain="example.com")
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return folder


def command(*words: str, part: int = 0) -> list[str]:
    """What runs a command, with imports in parts of so many events."""
    program = "from rybbit.cli import main; main()"
    if part:
        sizes = f"importing.PART_EVENTS = importing.CHUNK_EVENTS = {part}"
        program = f"from rybbit.transfer import importing; {sizes}\n{program}"
    return [sys.executable, "-c", program, *words]


def environment(folder: Path, *, crash_at: str = "") -> dict[str, str]:
    """What a command on an instance finds around it."""
    return {**os.environ, "RYBBIT_INSTANCE_PATH": str(folder), "RYBBIT_TEST_CRASH_AT": crash_at}


def run(folder: Path, *words: str, code: int = 0, crash_at: str = "", part: int = 0) -> str:
    """A command in a process of its own; answers what it printed."""
    done = subprocess.run(
        command(*words, part=part),
        cwd=REPOSITORY,
        env=environment(folder, crash_at=crash_at),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def stored(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the event store of an instance answers."""
    with opened_store(folder) as store:
        return store.query(sql)


@contextmanager
def opened_store(folder: Path) -> Iterator[EventStore]:
    """The event store of an instance, for this process to ask."""
    store = open_store(store_options(load_config({"RYBBIT_INSTANCE_PATH": str(folder)})))
    try:
        yield store
    finally:
        store.close()
