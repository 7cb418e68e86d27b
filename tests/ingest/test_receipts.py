"""Receipts: ids, sessions and known event ids, whatever dies, fails or is damaged."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.ingest.receipts import Receipts
from rybbit.ingest.span_table import SpanTable
from rybbit.store.event import first_id_at, received_ms
from rybbit.store.journal import Position
from tests.ingest.test_sessions import NoHistory
from tests.store.conftest import Clocks
from tests.store.parts import Parts, PartsMaker, entry, line, run_child

HOUR = 3600


def _store(parts: Parts, *names: str | None, site: int = 1) -> list[bool]:
    return parts.journal.append([entry(site, event_id=name) for name in names])


def _stored(parts: Parts) -> list[str]:
    return [row[0] for row in parts.store.query("select event_id from events order by id")]


@contextmanager
def _changed(parts: Parts, change: str, back: str) -> Iterator[None]:
    """The SQLite file is changed by somebody else, and changed back."""
    assert parts.known_ids() is not None
    with closing(sqlite3.connect(parts.folder / "receipts.db", isolation_level=None)) as other:
        other.execute(change)
        yield
        other.execute(back)


def _unreadable(parts: Parts) -> AbstractContextManager[None]:
    """What is known cannot be asked for."""
    return _changed(parts, "alter table known_event rename to gone", "alter table gone rename to known_event")


def _unwritable(parts: Parts) -> AbstractContextManager[None]:
    """What is stored cannot be recorded."""
    refuse = "create trigger refuse before insert on known_event begin select raise(abort, 'refused'); end"
    return _changed(parts, refuse, "drop trigger refuse")


@contextmanager
def _other_boot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as booted:
        booted.setattr(clock, "boot_id", lambda: "another boot")
        yield


class TestDoubles:
    """The same `event_id` again."""

    def test_within_a_request_and_across_requests(self, parts: Parts) -> None:
        assert _store(parts, "a", "b", "a", None, None) == [True, True, False, True, True]
        assert _store(parts, "b") == [False]
        assert _store(parts, "b", site=2) == [True]

    def test_across_processes(self, new_parts: PartsMaker) -> None:
        one, two = new_parts(), new_parts()
        assert _store(one, "a", "b") == [True, True]
        assert _store(two, "c", "a") == [True, False]
        assert _store(one, "c") == [False]

    def test_at_once_in_many_threads_of_two_processes(self, new_parts: PartsMaker) -> None:
        workers = [new_parts(), new_parts()]
        answers: list[list[bool]] = []
        threads = [
            threading.Thread(target=lambda worker=worker: answers.append(_store(worker, "a", "b")))
            for worker in workers * 6
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(answers) == [[False, False]] * 11 + [[True, True]]
        assert _stored(workers[0]) == ["a", "b"]

    def test_for_24_hours_of_receipt(self, parts: Parts, clocks: Clocks) -> None:
        _store(parts, "a")
        clocks.move(24 * HOUR)
        assert _store(parts, "a") == [False]
        clocks.move(0.001)
        assert _store(parts, "a") == [True]
        clocks.move(12 * HOUR)
        parts.receipts.forget_old()
        assert _store(parts, "a") == [False]

    def test_old_ids_are_forgotten(self, parts: Parts, clocks: Clocks) -> None:
        _store(parts, "a")
        clocks.move(23 * HOUR)
        _store(parts, "b")
        clocks.move(2 * HOUR)
        parts.receipts.forget_old()
        assert {row[1] for row in parts.known_ids()} == {"b"}

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(st.text(min_size=1, max_size=6), max_size=6), max_size=5))
    def test_any_text_is_itself_alone(
        self, tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]]
    ) -> None:
        receipts = Receipts(tmp_path_factory.mktemp("texts") / "receipts.db", Path("none"), NoHistory())
        known: set[str] = set()
        for batch in batches:
            batch = [name.replace("\0", "0").encode("utf-8", "replace").decode() for name in batch]
            with receipts.receive([entry(event_id=name) for name in batch], Position("x", 0)) as openings:
                for name, opening in zip(batch, openings, strict=True):
                    assert (opening is not None) == (name not in known)
                    known.add(name)
        receipts.close()


def _clock_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [
        record.getMessage().partition(";")[0] for record in caplog.records if record.levelname == "WARNING"
    ]
    return [text for text in told if text.startswith("The clock")]


class TestIds:
    """Ids grow, whatever the clock does."""

    def test_over_two_processes_and_a_clock_that_steps_back(
        self, new_parts: PartsMaker, clocks: Clocks
    ) -> None:
        workers = [new_parts(), new_parts()]
        ids: list[int] = []
        for index, seconds in enumerate((0, 1, -HOUR, 0, -1, 2 * HOUR, 0.001)):
            clocks.move(seconds)
            _store(workers[index % 2], None, None)
            new = sorted(set(workers[0].ids()) - set(ids))
            assert len(new) == 2
            assert min(new) > max(ids, default=0)
            ids += new
        assert received_ms(ids[-1]) == clocks.now_ms

    def test_after_a_restart_with_a_clock_that_stepped_back(
        self, new_parts: PartsMaker, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = new_parts()
        _store(parts, None)
        (first,) = parts.ids()
        clocks.move(-HOUR)
        parts.receipts.close()
        _remove_state(parts)
        _store(parts, None)
        assert parts.ids() == [first, first + 1]
        with _other_boot(monkeypatch):
            other = new_parts()
            _store(other, None)
        assert parts.ids() == [first, first + 1, first + 2]

    def test_a_clock_that_stepped_back_is_told_once_a_minute(
        self, new_parts: PartsMaker, clocks: Clocks, caplog: pytest.LogCaptureFixture
    ) -> None:
        parts = new_parts()
        _store(parts, None)
        # Ahead, and back by as little as time servers do it.
        for seconds in (HOUR, -0.9, 0.5):
            clocks.move(seconds)
            _store(parts, None)
        assert _clock_warnings(caplog) == []
        clocks.move(-HOUR)
        assert _store(parts, None, "a") == [True, True]
        assert _store(parts, None, "a") == [True, False]
        assert _clock_warnings(caplog) == ["The clock is 3600 s behind the last receipt"]
        clocks.move(59)
        _store(parts, None)
        assert len(_clock_warnings(caplog)) == 1
        clocks.move(1)
        _store(parts, None)
        assert _clock_warnings(caplog)[1:] == ["The clock is 3540 s behind the last receipt"]
        clocks.move(HOUR)
        _store(parts, None)
        assert len(_clock_warnings(caplog)) == 2
        assert parts.count() == 10

    def test_they_carry_the_moment(self, parts: Parts, clocks: Clocks) -> None:
        _store(parts, None, None)
        assert parts.ids() == [first_id_at(clocks.now_ms), first_id_at(clocks.now_ms) + 1]
        assert parts.receipts.last_id() == first_id_at(clocks.now_ms) + 1


class TestInterruption:
    """A writer that dies between its write and the recording of it."""

    def test_what_it_wrote_is_known(self, parts: Parts) -> None:
        run_child(parts.folder, "die_in_write", "3", code=-9)
        assert (parts.folder / "receipts.lock").stat().st_size > 0
        assert _store(parts, "d0", "d2", "new") == [False, False, True]
        assert (parts.folder / "receipts.lock").stat().st_size == 0
        parts.mover.move_all()
        assert _stored(parts) == ["d0", "d1", "d2", "new"]

    def test_what_it_did_not_write_is_not(self, parts: Parts) -> None:
        run_child(parts.folder, "die_in_write", "3", "torn", code=-9)
        assert _store(parts, "d0", "d1", "d2") == [True, True, True]
        parts.mover.move_all()
        assert _stored(parts) == ["d0", "d1", "d2"]

    @pytest.mark.parametrize("lost", [["receipts.spans"], ["receipts.db"], ["receipts.spans", "receipts.db"]])
    def test_what_it_wrote_is_known_though_its_file_went_before_what_was_lost_was_made_anew(
        self, parts: Parts, lost: list[str]
    ) -> None:
        run_child(parts.folder, "die_in_write", "3", code=-9)
        for name in lost:
            (parts.folder / name).unlink()
        parts.mover.move_all()
        assert _store(parts, "d0", "d1", "d2", "new") == [False, False, False, True]

    def test_a_note_of_one_who_died_before_it_counted_spoils_nothing(self, parts: Parts) -> None:
        _store(parts, "a")
        # Longer than any that follows.
        (parts.folder / "receipts.lock").write_bytes(b'["1-a.open", 0]' + b" " * 200 + b"x")
        parts.receipts._spans.is_noted = True
        run_child(parts.folder, "die_in_write", "2", code=-9)
        assert _store(parts, "d0", "d1") == [False, False]

    @pytest.mark.parametrize(
        "note", [b"[", b"7", b"[1]", b'["gone.open", 0]', b'["1-a.open", 999999]', b'["1-a.open", 0]']
    )
    def test_a_note_that_leads_nowhere_stops_nobody(self, parts: Parts, note: bytes) -> None:
        _store(parts, "a")
        good = line(first_id_at(clock.now_ms()), event_id="good")
        damaged = b'nonsense\n{"event_id":"x"}\n[]\n' + good
        (parts.journal_folder.path / "1-a.jsonl").write_bytes(damaged)
        (parts.folder / "receipts.lock").write_bytes(note)
        parts.receipts._spans.is_noted = True
        assert _store(parts, "a", "b") == [False, True]
        assert (parts.folder / "receipts.lock").stat().st_size == 0
        assert _store(parts, "good") == [note != b'["1-a.open", 0]']

    def test_a_note_that_cannot_be_written_stores_nothing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as full:
            full.setattr("os.pwrite", lambda *_: 3)
            with pytest.raises(Unavailable):
                _store(parts, "a")
        assert _store(parts, "a") == [True]
        assert _stored(parts) == ["a"]


class TestFailures:
    """The files say no."""

    def test_before_the_write_nothing_is_stored(self, parts: Parts) -> None:
        _store(parts, "a")
        with _unreadable(parts):
            with pytest.raises(Unavailable):
                _store(parts, "b", "c")
            # Events without an id need not ask.
            assert parts.journal.append([entry(pathname="/x")]) == [True]
        assert _store(parts, "a", "b") == [False, True]
        assert parts.count() == 3

    def test_after_the_write_it_is_stored_and_recorded_later(self, new_parts: PartsMaker) -> None:
        parts, other = new_parts(), new_parts()
        with _unwritable(parts):
            assert _store(parts, "a", "b") == [True, True]
            # Till it is recorded nobody gets past, else the same event could come in twice.
            with pytest.raises(Unavailable):
                _store(other, "a")
        assert _store(other, "a", "c") == [False, True]
        assert _stored(parts) == ["a", "b", "c"]

    def test_what_is_not_recorded_yet_is_not_moved(self, parts: Parts) -> None:
        with _unwritable(parts):
            _store(parts, "a")
            parts.journal.close_file()
            with pytest.raises(sqlite3.IntegrityError):
                parts.mover.move_all()
        assert parts.mover.move_all() == 1
        assert _store(parts, "a") == [False]

    def test_a_file_that_another_holds_locked(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        real = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **named: real(*a, **named | {"timeout": 0.05}))
        _store(parts, "a")
        with _changed(parts, "begin immediate", "rollback"):
            assert _store(parts, "b") == [True]
            with pytest.raises(Unavailable):
                _store(parts, "b")
        assert _store(parts, "b", "c") == [False, True]
        assert _stored(parts) == ["a", "b", "c"]

    def test_a_batch_that_fails_leaves_its_ids_unused(
        self, parts: Parts, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else the session that its first event began, and that of another visitor, would be one."""
        real = SpanTable.assign
        calls: list[int] = []

        def assign(table: SpanTable, *arguments: Any, **named: Any) -> int:
            calls.append(1)
            if len(calls) == 2:
                raise OSError("No space left on device")
            return real(table, *arguments, **named)

        monkeypatch.setattr(SpanTable, "assign", assign)
        with pytest.raises(Unavailable):
            parts.journal.append([entry(visitor=1), entry(visitor=2)])
        clocks.move(-60)
        parts.journal.append([entry(visitor=3), entry(visitor=1)])
        rows = parts.store.query("select session_id from events")
        assert len(set(rows)) == 2


def test_the_files_are_the_owners_alone(parts: Parts) -> None:
    _store(parts, "a")
    modes = {path.name: path.stat().st_mode & 0o777 for path in parts.folder.glob("receipts.*")}
    assert set(modes) >= {"receipts.db", "receipts.lock", "receipts.spans"}
    assert set(modes.values()) == {0o600}


def _remove_state(parts: Parts) -> None:
    """Remove everything that can be made anew."""
    for path in parts.folder.glob("receipts.*"):
        path.unlink()
