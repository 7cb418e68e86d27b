"""The journal: what is acknowledged is on disk, whole, once; what is not leaves no trace."""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rybbit.errors import Unavailable
from rybbit.store import journal_files
from rybbit.store.journal import Entry, Journal, Position
from tests.store.conftest import Clocks, Pause
from tests.store.parts import Parts, PartsMaker, entry, run_child


def _lines(parts: Parts) -> list[bytes]:
    """The lines on disk, file by file."""
    paths = sorted(parts.journal_folder.path.glob("*.*"))
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def _paths(parts: Parts) -> list[str]:
    """The kinds of files in the journal."""
    return sorted(path.suffix for path in parts.journal_folder.path.glob("*.*"))


def _names(parts: Parts) -> list[str]:
    return [json.loads(line)["event_id"] for line in _lines(parts)]


@contextmanager
def _in_threads(*works: Callable[[], object]) -> Iterator[list[threading.Thread]]:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


class Gate:
    """A receiver that keeps the writer waiting until it is opened, and counts its batches."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.batches: list[int] = []

    @contextmanager
    def receive(self, entries: Sequence[Entry], position: Position) -> Iterator[Sequence[bytes | None]]:
        self.batches.append(len(entries))
        self.entered.set()
        assert self.opened.wait(60)
        yield [b'{"id":1,"session_id":1,"user_hash":1,'] * len(entries)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(parts: Parts, gate: Gate) -> Iterator[Journal]:
    journal = Journal(parts.journal_folder, gate, file_bytes=1 << 20, file_seconds=5, queue_limit=10)
    yield journal
    gate.opened.set()
    journal.close()


class FailingWrite:
    """`os.write` that once writes a part of what it is given, and then fails."""

    def __init__(self, part: int, error: BaseException) -> None:
        self.part = part
        self.error: BaseException | None = error
        self.write = os.write

    def __call__(self, descriptor: int, data: bytes) -> int:
        if self.error is None or len(data) <= self.part:
            return self.write(descriptor, data)
        if self.part:
            written = self.write(descriptor, data[: self.part])
            self.part = 0
            return written
        error, self.error = self.error, None
        raise error


def _fail_once(monkeypatch: pytest.MonkeyPatch, part: int, error: BaseException | None = None) -> None:
    no_space = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "write", FailingWrite(part, error or no_space))


class TestAppend:
    """Storing."""

    def test_an_acknowledged_event_is_in_the_file_and_can_be_read(self, parts: Parts) -> None:
        assert parts.journal.append([entry(3, visitor=-9, pathname="/a", lat=1.5)]) == [True]
        (line,) = _lines(parts)
        row = json.loads(line)
        assert (row["site_id"], row["user_hash"], row["pathname"], row["lat"]) == (3, -9, "/a", 1.5)
        assert row["session_id"] == row["id"]
        assert parts.ids() == [row["id"]]

    def test_ids_grow_in_the_order_of_receipt(self, parts: Parts, clocks: Clocks) -> None:
        for seconds in (0, 1, -3600, 0.001):
            clocks.move(seconds)
            parts.journal.append([entry(), entry()])
        ids = [json.loads(line)["id"] for line in _lines(parts)]
        assert ids == sorted(set(ids))
        assert len(ids) == 8

    def test_a_known_event_id_is_not_stored_again(self, parts: Parts) -> None:
        one, two = entry(event_id="one"), entry(event_id="two")
        assert parts.journal.append([one, two, one]) == [True, True, False]
        size = sum(map(len, _lines(parts)))
        assert parts.journal.append([two, one]) == [False, False]
        assert sum(map(len, _lines(parts))) == size
        assert parts.journal.append([entry(2, event_id="one")]) == [True]

    def test_a_request_is_marked_up_to_its_last_new_event(self, parts: Parts) -> None:
        parts.journal.append([entry(event_id="a"), entry(event_id="b"), entry(event_id="c")])
        parts.journal.append([entry(event_id="d"), entry(event_id="c")])
        marked = [line.endswith(journal_files.CONTINUED) for line in _lines(parts)]
        assert marked == [True, True, False, False]
        assert _names(parts) == ["a", "b", "c", "d"]

    def test_an_empty_request_stores_nothing(self, parts: Parts) -> None:
        assert parts.journal.append([]) == []
        assert _lines(parts) == []

    def test_threads_lose_and_mix_nothing(self, new_parts: PartsMaker) -> None:
        journals = [new_parts(file_bytes=4_000), new_parts(file_bytes=4_000)]

        def write(thread: int) -> None:
            for request in range(20):
                batch = [entry(event_id=f"{thread}-{request}-{index}") for index in range(3)]
                assert journals[thread % 2].journal.append(batch) == [True, True, True]

        with _in_threads(*[lambda thread=thread: write(thread) for thread in range(8)]):
            pass
        names = _names(journals[0])
        assert len(names) == len(set(names)) == 8 * 20 * 3
        assert [name[-1] for name in names] == ["0", "1", "2"] * 160
        ids = [json.loads(line)["id"] for line in _lines(journals[0])]
        assert len(ids) == len(set(ids))


class TestQueue:
    """Waiting for the disk."""

    def test_waiting_requests_are_written_together(self, gated: Journal, gate: Gate, parts: Parts) -> None:
        with _in_threads(lambda: gated.append([entry()])):
            assert gate.entered.wait(60)
            with _in_threads(*[lambda: gated.append([entry(), entry()])] * 3):
                _wait_until(lambda: gated._waiting == 7)
                gate.opened.set()
        assert gate.batches == [1, 6]
        assert len(_lines(parts)) == 7

    def test_a_full_queue_refuses_at_once_and_has_room_again(self, gated: Journal, gate: Gate) -> None:
        answers: list[list[bool]] = []
        with _in_threads(lambda: answers.append(gated.append([entry()] * 6))):
            assert gate.entered.wait(60)
            with _in_threads(lambda: answers.append(gated.append([entry()] * 4))):
                _wait_until(lambda: gated._waiting == 10)
                with pytest.raises(Unavailable, match="Too many"):
                    gated.append([entry()])
                gate.opened.set()
        assert sorted(map(len, answers)) == [4, 6]
        assert gated.append([entry()] * 10) == [True] * 10

    def test_closing_waits_for_the_queue_and_then_refuses(
        self, gated: Journal, gate: Gate, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers: list[list[bool]] = []

        def append() -> None:
            answers.append(gated.append([entry()]))

        with _in_threads(append):
            assert gate.entered.wait(60)
            second = Pause(monkeypatch, gated, "_gather")
            closing_waits = Pause(monkeypatch, gated._idle, "wait_for")
            closing_waits.opened.set()
            with _in_threads(append):
                _wait_until(lambda: gated._waiting == 2)
                with _in_threads(gated.close) as (closing,):
                    _wait_until(lambda: gated._closed)
                    with pytest.raises(Unavailable, match="shutting down"):
                        gated.append([entry()])
                    gate.opened.set()
                    # Here nobody is at the file, and a request still waits.
                    assert second.reached.wait(60)
                    _wait_until(lambda: closing_waits.reached.is_set() or not closing.is_alive())
                    assert closing.is_alive()
                    second.opened.set()
        assert answers == [[True], [True]]
        assert _paths(parts) == [".jsonl"]


class TestFailures:
    """The disk says no."""

    @pytest.mark.parametrize("part", [0, 1, 60, 400])
    def test_a_write_that_breaks_off_leaves_no_trace(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, part: int
    ) -> None:
        parts.journal.append([entry(event_id="before")])
        _fail_once(monkeypatch, part)
        with pytest.raises(Unavailable):
            parts.journal.append([entry(event_id=name) for name in "abc"])
        assert parts.count() == 1
        # None of them counts as known now.
        assert parts.journal.append([entry(event_id=name) for name in "abc"]) == [True] * 3
        assert _names(parts) == ["before", "a", "b", "c"]
        assert _paths(parts) == [".jsonl", ".open"]

    def test_after_a_failed_sync_another_file_is_used(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.journal.append([entry(event_id="before")])
        synced: list[int] = []

        def fail_once(descriptor: int) -> None:
            synced.append(os.fstat(descriptor).st_ino)
            if len(synced) == 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(journal_files, "_sync_data", fail_once)
        with pytest.raises(Unavailable):
            parts.journal.append([entry(event_id="lost")])
        parts.journal.append([entry(event_id="after")])
        assert _names(parts) == ["before", "after"]
        assert synced[0] != synced[1]

    def test_every_waiting_request_is_told(
        self, gated: Journal, gate: Gate, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[str] = []

        def attempt() -> None:
            try:
                gated.append([entry(), entry()])
            except Unavailable as error:
                told.append(str(error))

        with _in_threads(lambda: gated.append([entry()])):
            assert gate.entered.wait(60)
            with _in_threads(attempt, attempt, attempt):
                _wait_until(lambda: gated._waiting == 7)
                _fail_after_first(monkeypatch)
                gate.opened.set()
        assert len(told) == 3
        assert len(_lines(parts)) == 1
        assert gated.append([entry()]) == [True]

    def test_an_interrupt_in_the_middle_stores_nothing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.journal.append([entry(event_id="before")])
        _fail_once(monkeypatch, 30, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            parts.journal.append([entry(event_id="lost")])
        parts.journal.append([entry(event_id="after")])
        assert _names(parts) == ["before", "after"]

    def test_an_interrupt_while_it_waits_for_others_leaves_nobody_waiting(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as interrupted:
            interrupted.setattr(Journal, "_gather", interrupt)
            with pytest.raises(KeyboardInterrupt):
                parts.journal.append([entry(event_id="told or not")])
        answers: list[list[bool]] = []
        with _in_threads(lambda: answers.append(parts.journal.append([entry(event_id="after")]))):
            pass
        assert answers == [[True]]
        assert "after" in _names(parts)

    def test_a_folder_that_is_away_is_told_and_survived(self, parts: Parts, tmp_path: Path) -> None:
        folder = parts.journal_folder.path
        folder.rename(tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(Unavailable):
                parts.journal.append([entry()])
        (tmp_path / "elsewhere").rename(folder)
        assert parts.journal.append([entry()]) == [True]

    def test_a_full_file_that_cannot_be_closed_is_acknowledged_all_the_same(
        self, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = new_parts(file_bytes=1)

        def fail(path: Path) -> None:
            raise OSError(errno.ENOSPC, str(path))

        with monkeypatch.context() as broken:
            broken.setattr(journal_files, "close_under_name", fail)
            assert parts.journal.append([entry(event_id="one")]) == [True]
        parts.journal.append([entry(event_id="two")])
        assert sorted(_names(parts)) == ["one", "two"]
        assert parts.journal_folder.adopt_orphans(lambda _: None) == 1
        assert _paths(parts) == [".jsonl", ".jsonl"]

    @pytest.mark.parametrize(
        ("limit", "size", "how", "least"),
        [(6 << 20, 40_000, "journal", 40), (200_000, 10, "ids", 5), (50_000, 10, "unready", 0)],
    )
    def test_a_disk_that_is_really_full(
        self, parts: Parts, limit: int, size: int, how: str, least: int
    ) -> None:
        acknowledged = run_child(parts.folder, "fill", str(limit), str(size), how).stdout.split()
        assert len(acknowledged) > least
        rows = parts.store.query("select pathname, count(*) from events group by all")
        # Requests of three: stored whole or not at all.
        assert dict(rows) == dict.fromkeys(acknowledged, 3)
        assert all(json.loads(line) for line in _lines(parts))


class TestFiles:
    """When a file is closed."""

    def test_by_age(self, parts: Parts, clocks: Clocks) -> None:
        parts.journal.append([entry()])
        clocks.move(4.9)
        parts.journal.close_if_due()
        assert _paths(parts) == [".open"]
        clocks.move(0.2)
        parts.journal.close_if_due()
        assert _paths(parts) == [".jsonl"]
        parts.journal.append([entry()])
        assert _paths(parts) == [".jsonl", ".open"]
        assert parts.count() == 2

    def test_by_size(self, new_parts: PartsMaker) -> None:
        parts = new_parts(file_bytes=300)
        for _ in range(6):
            parts.journal.append([entry()])
        sizes = [path.stat().st_size for path in parts.journal_folder.path.glob("*.jsonl")]
        assert len(sizes) >= 2
        assert all(300 <= size < 600 for size in sizes)

    def test_one_that_holds_nothing_is_removed(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        _fail_once(monkeypatch, 0)
        with pytest.raises(Unavailable):
            parts.journal.append([entry()])
        assert _paths(parts) == []


def test_a_fork_in_the_middle(parts: Parts) -> None:
    told = run_child(parts.folder, "fork").stdout.splitlines()
    acknowledged = {line for line in told if " " not in line}
    assert {f"child{child}-{number}" for child in range(3) for number in range(3)} <= acknowledged
    assert [line for line in told if " " in line] == ["sees True"] * 3 + ["codes 0 0 0"]
    parts.mover.move_all()
    stored = [row[0] for row in parts.store.query("select event_id from events")]
    assert len(stored) == len(set(stored))
    assert set(stored) == acknowledged


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = 60 / 0.002
    while not condition():
        deadline -= 1
        assert deadline > 0
        threading.Event().wait(0.002)


def _fail_after_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every write but the next one fail, once."""
    failing = FailingWrite(0, OSError(errno.ENOSPC, "full"))
    first = [True]
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if first:
            first.clear()
            return real(descriptor, data)
        return failing(descriptor, data)

    monkeypatch.setattr(os, "write", write)
