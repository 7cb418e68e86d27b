"""What is durable before an event is acknowledged: its bytes, and the name of the file they are in."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from rybbit.errors import Unavailable
from rybbit.store import journal_files
from rybbit.store.journal_files import JournalFolder
from tests.store.parts import Parts, PartsMaker, entry, line, run_child

BIRTH = ["create .new", "rename .open", "sync journal"]
CLOSING = ["rename .jsonl", "sync journal"]


class Trace(list[str]):
    """What was asked of the disk, in order; `acknowledged` stands for the answer to the client."""

    def store(self, parts: Parts, **fields: Any) -> list[str]:
        """Store one event; answers what happened for it."""
        self.clear()
        assert parts.journal.append([entry(**fields)]) == [True]
        self.append("acknowledged")
        return list(self)


@pytest.fixture
def trace(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Trace:
    """The trace of everything that is done to the journal from here on, really done too."""
    trace = Trace()
    real_open, real_rename = os.open, Path.rename
    real_sync_folder, real_sync_data = journal_files.sync_folder, journal_files._sync_data

    def open_(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_CREAT and Path(path).parent == parts.journal_folder.path:
            trace.append(f"create {Path(path).suffix}")
        return real_open(path, flags, *rest, **named)

    def rename(path: Path, target: Path) -> Path:
        trace.append(f"rename {target.suffix}")
        return real_rename(path, target)

    def sync_folder(folder: Path) -> None:
        real_sync_folder(folder)
        trace.append(f"sync {folder.name}")

    def sync_data(descriptor: int) -> None:
        real_sync_data(descriptor)
        trace.append("sync data")

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(journal_files, "sync_folder", sync_folder)
    monkeypatch.setattr(journal_files, "_sync_data", sync_data)
    return trace


def test_the_name_is_durable_before_the_first_acknowledgement(parts: Parts, trace: Trace) -> None:
    assert trace.store(parts) == [*BIRTH, "sync data", "acknowledged"]
    assert trace.store(parts) == ["sync data", "acknowledged"]
    trace.clear()
    parts.journal.close_file()
    assert trace == CLOSING
    assert trace.store(parts) == [*BIRTH, "sync data", "acknowledged"]


def test_a_full_file_is_closed_durably(parts: Parts, new_parts: PartsMaker, trace: Trace) -> None:
    small = new_parts(file_bytes=1)
    assert trace.store(small) == [*BIRTH, "sync data", *CLOSING, "acknowledged"]
    assert parts.count() == 1


def test_the_file_of_a_dead_process_is_closed_durably(parts: Parts, trace: Trace) -> None:
    run_child(parts.folder, "die_in_write", "2", code=-9)
    trace.clear()
    assert parts.journal_folder.adopt_orphans(lambda _: None) == 1
    assert trace == CLOSING


def test_a_manifest_is_durable_before_the_batch_goes_on(parts: Parts, trace: Trace) -> None:
    parts.store_line(line(1))
    parts.journal_folder.write_manifest(1, ["x"])
    assert trace[-2:] == ["rename .batch", "sync journal"]


def test_a_name_that_cannot_be_made_durable_acknowledges_nothing(
    parts: Parts, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(journal_files, "sync_folder", fail)
        with pytest.raises(Unavailable):
            parts.journal.append([entry()])
    assert "sync data" not in trace
    assert trace.store(parts) == [*BIRTH, "sync data", "acknowledged"]
    assert parts.count() == 1


def test_the_folder_itself_is_durable(tmp_path: Path, trace: Trace) -> None:
    trace.clear()
    JournalFolder(tmp_path / "new" / "journal").create()
    assert trace == ["sync journal", "sync new"]
