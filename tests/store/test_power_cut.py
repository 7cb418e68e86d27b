"""What is left after a power cut at any moment: each acknowledged event once, and every bad line."""

import tempfile
from pathlib import Path

import pytest

from rybbit.store.journal_files import CONTINUED, sync_file, sync_folder
from tests.store.parts import Parts, PartsMaker, entry, line, make_parts
from tests.store.power_cut import Disk

BAD = b"hello\n"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="a descriptor's path is looked up in Linux's table"
)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk under the folder of the parts, watched from before there is anything."""
    return Disk(monkeypatch)


@pytest.fixture
def parts(disk: Disk, new_parts: PartsMaker) -> Parts:
    """The parts of a process on a folder whose own name is durable."""
    parts = new_parts()
    sync_folder(parts.folder)
    return parts


def _store_lines(parts: Parts, name: str, *lines: bytes) -> None:
    parts.store_line(*lines, name=name)
    sync_file(parts.journal_folder.path / name)
    sync_folder(parts.journal_folder.path)


def _bad_lines(folder: Path) -> set[bytes]:
    """What lies in the journal or its quarantine and is no event."""
    paths = [path for path in (folder / "journal").rglob("*.jsonl") if path.is_file()]
    return {text for path in paths for text in path.read_bytes().splitlines(True) if text == BAD}


def _check(parts: Parts, disk: Disk, ids: list[int], *, bad: set[bytes]) -> None:
    """Whenever the power goes, each event is there once, also after what was begun is completed."""
    with disk.cuts() as cuts, tempfile.TemporaryDirectory() as scratch:
        for number, cut in enumerate(cuts):
            folder = Path(scratch, str(number))
            cut.restore(parts.folder.stat().st_ino, folder)
            restored = make_parts(folder)
            assert restored.ids() == ids, cut.moment
            restored.mover.move_all()
            assert (restored.ids(), restored.store.describe()["events"]) == (ids, len(ids)), cut.moment
            restored.close()
            assert _bad_lines(folder) == bad, cut.moment
        assert len(cuts) > 1


def test_acknowledged_events_stay(parts: Parts, disk: Disk) -> None:
    for _ in range(2):
        # The first batch makes the table, the second finds it.
        for _ in range(2):
            parts.journal.append([entry()])
            parts.journal.close_file()
        disk.forget()
        assert parts.mover.move_all() == 2
        _check(parts, disk, parts.ids(), bad=set())


def test_an_acknowledged_event_is_there_in_an_open_file(parts: Parts, disk: Disk) -> None:
    parts.journal.append([entry()])
    disk.forget()
    parts.journal.append([entry()])
    with disk.cuts() as cuts:
        cuts[-1].restore(parts.folder.stat().st_ino, parts.folder / "restored")
        assert make_parts(parts.folder / "restored").ids() == parts.ids()


def test_bad_lines_stay(parts: Parts, disk: Disk) -> None:
    _store_lines(parts, "1-a.jsonl", line(1), BAD)
    disk.forget()
    assert parts.mover.move_all() == 1
    _check(parts, disk, [1], bad={BAD})


def test_half_a_batch_stays_away(parts: Parts, disk: Disk) -> None:
    """Nobody was told that it is stored, but it may lie on the disk all the same."""
    _store_lines(parts, "1-a.open", line(1), line(2)[:-2] + CONTINUED)
    disk.forget()
    assert parts.mover.move_all() == 1
    _check(parts, disk, [1], bad=set())


def test_merged_files_are_whole(parts: Parts, disk: Disk) -> None:
    for number in (1, 2):
        parts.move_line(line(number))
    disk.forget()
    parts.store.rewrite(everything=True)
    assert [path.name[:6] for path in parts.files()] == ["merged"]
    _check(parts, disk, [1, 2], bad=set())
