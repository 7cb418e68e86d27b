"""Receipts whose state is lost, damaged or to be forgotten."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from rybbit import clock
from rybbit.errors import Unavailable
from tests.ingest.test_sessions import NoHistory
from tests.store.conftest import Clocks
from tests.store.parts import Parts, PartsMaker, entry

HOUR = 3600


def _store(parts: Parts, *names: str | None, site: int = 1) -> list[bool]:
    return parts.journal.append([entry(site, event_id=name) for name in names])


def _fail(*_arguments: Any, **_named: Any) -> None:
    raise TimeoutError("The store does not answer")


@contextmanager
def _other_boot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as booted:
        booted.setattr(clock, "boot_id", lambda: "another boot")
        yield


class TestRebuilding:
    """Lost state is made anew from the events."""

    @pytest.fixture
    def filled(self, parts: Parts, clocks: Clocks) -> Parts:
        """Sessions and ids in the table, in closed files and in the open one."""
        for number in range(40):
            clocks.move(700)
            events = [
                entry(1 + number % 2, visitor=number % 3, event_id=f"e{number}"),
                entry(1, visitor=9, timestamp=clocks.now_ms - (number * 137 % 90) * 60_000),
                entry(1, visitor=9, timestamp=clocks.now_ms - 60 * HOUR * 1000, event_id=f"old{number}"),
            ]
            parts.journal.append(events)
            if number % 8 == 0:
                parts.journal.close_file()
            if number == 20:
                parts.mover.move_all()
        return parts

    def test_after_another_boot_everything_is_as_before(
        self, filled: Parts, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spans, known, last_id = filled.spans(), filled.known_ids(), filled.receipts.last_id()
        assert len(spans) > 10 and len(known) == 80
        filled.receipts.close()
        with _other_boot(monkeypatch):
            booted = new_parts()
            assert (booted.spans(), booted.known_ids()) == (spans, known)
            assert booted.receipts.last_id() == last_id
            assert _store(booted, "e39", "old0", "new") == [True, False, True]
            assert _store(booted, "e39", site=2) == [False]

    @pytest.mark.parametrize("name", ["receipts.db", "receipts.spans"])
    def test_what_another_boot_left_damaged_is_not_believed(
        self, filled: Parts, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        spans, known = filled.spans(), filled.known_ids()
        filled.receipts.close()
        path = filled.folder / name
        path.write_bytes(path.read_bytes()[:4096] + b"\x7f" * (path.stat().st_size - 4096))
        with _other_boot(monkeypatch):
            booted = new_parts()
            assert (booted.spans(), booted.known_ids()) == (spans, known)

    @pytest.mark.parametrize("name", ["receipts.db", "receipts.spans"])
    @pytest.mark.parametrize(
        "garbage", [b"", b"x" * 10_001, b"SQLite format 3\0" + b"\xff" * 9_000, b"\xff" * 6_000_001]
    )
    def test_a_file_that_is_none(
        self, filled: Parts, new_parts: PartsMaker, garbage: bytes, name: str
    ) -> None:
        spans, known = filled.spans(), filled.known_ids()
        filled.receipts.close()
        (filled.folder / name).write_bytes(garbage)
        again = new_parts()
        assert (again.spans(), again.known_ids()) == (spans, known)

    def test_damage_under_way_is_repaired_in_every_process(
        self, new_parts: PartsMaker, filled: Parts
    ) -> None:
        other = new_parts()
        assert _store(other, "before") == [True]
        with closing(sqlite3.connect(filled.folder / "receipts.db")) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
        path = filled.folder / "receipts.db"
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        with pytest.raises(Unavailable):
            for _ in range(50):
                # Till SQLite no longer answers from its memory.
                for parts in (filled, other):
                    with parts.receipts._ready_ids()._guarded() as open_file:
                        open_file.execute("pragma shrink_memory")
                _store(filled, "lost")
                _store(filled, "e1")
        assert _store(other, "before", "e0", "fresh") == [False, False, True]
        assert _store(filled, "fresh", "before") == [False, False]
        assert len(set(other.ids())) == other.count()

    def test_a_file_that_somebody_removed(self, new_parts: PartsMaker) -> None:
        one, two = new_parts(), new_parts()
        _store(one, "a")
        _store(two, "b")
        for path in one.folder.glob("receipts.db*"):
            path.unlink()
        assert _store(one, "a", "c") == [False, True]
        assert _store(two, "a", "b", "c") == [False] * 3
        one.receipts.close()
        assert _store(two, "d", "c") == [True, False]

    def test_a_history_that_fails_does_not_bring_the_old_state_back(
        self, filled: Parts, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spans = filled.spans()
        with filled.receipts._lock:
            # What the machine's death made of it: whole at the top, and wrong further on.
            filled.receipts._spans.forget_visitor((1, 9))
        filled.receipts.close()
        with _other_boot(monkeypatch):
            booted = new_parts()
            with monkeypatch.context() as broken:
                broken.setattr(type(booted.store), "query", _fail)
                for _ in range(2):
                    with pytest.raises(Unavailable):
                        _store(booted, None)
            assert booted.spans() == spans

    def test_a_history_that_fails_stores_nothing(self, new_parts: PartsMaker) -> None:
        class Broken(NoHistory):
            broken = True

            def last_id(self) -> int:
                if self.broken:
                    raise TimeoutError("The store does not answer")
                return 0

        history = Broken()
        parts = new_parts(history=history)
        for _ in range(2):
            with pytest.raises(Unavailable):
                _store(parts, "a")
        history.broken = False
        assert _store(parts, "a") == [True]


class TestForgetting:
    """What is forgotten is gone from the file."""

    @pytest.mark.parametrize("close", [True, False])
    def test_a_site_leaves_no_trace(self, parts: Parts, close: bool) -> None:
        names = [f"Marker-{number:04d}-unique" for number in range(200)]
        _store(parts, *names)
        _store(parts, "kept", site=2)
        if close:
            parts.receipts.close()
        parts.receipts.forget_site(1)
        contents = b"".join(path.read_bytes() for path in parts.folder.glob("receipts.*"))
        assert b"kept" in contents
        assert b"Marker" not in contents

    def test_a_visitor_begins_a_new_session(self, parts: Parts) -> None:
        events = [entry(visitor=5), entry(visitor=6), entry(2, visitor=5)]
        parts.journal.append(events)
        parts.receipts.forget_visitor(1, 5)
        parts.journal.append(events)
        rows = parts.store.query("select session_id from events order by id")
        sessions = [row[0] for row in rows]
        assert [sessions[index] == sessions[index + 3] for index in range(3)] == [False, True, True]
