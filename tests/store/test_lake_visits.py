"""Kept visits: they never change an answer, they come and go with their file of events, and save the work."""

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rybbit.store import lake, lake_visits, lake_visits_query
from rybbit.store.base import Scope
from rybbit.store.lake_table import DataFile
from rybbit.store.lake_visits import VisitFiles
from rybbit.store.visit import FIGURES, ORIGINS, TRAITS, Visits
from tests.store.parts import NOON_MS, Parts, PartsMaker, entry, line, make_parts

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
BY_HOUR = f"divide(epoch_us(timestamp), {HOUR_MS * 1000})"
BY_DAY = f"divide(epoch_us(timestamp), {DAY_MS * 1000})"
ALL = Visits(("user_hash", *FIGURES, *ORIGINS, *TRAITS))
SITE = Scope(1)

Row = tuple[Any, ...]


def _folder(parts: Parts) -> Path:
    return parts.folder / "events.visits"


def _kept(parts: Parts) -> list[str]:
    return sorted(path.name for path in _folder(parts).iterdir()) if _folder(parts).exists() else []


def _kept_texts(parts: Parts) -> str:
    paths = [str(path) for path in _folder(parts).iterdir()]
    return repr(duckdb.execute("select * from read_parquet($paths)", {"paths": paths}).fetchall())


def _ask(parts: Parts, visits: Visits = ALL, scope: Scope = SITE) -> list[Row]:
    """All visits, in an order that does not depend on where they were found."""
    return parts.store.query("select * from visits order by all", scope=scope, visits=visits)


@contextmanager
def _without_kept_visits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VisitFiles, "_kept", lambda _: set())
        yield


def _counted(parts: Parts, visits: Visits = ALL, scope: Scope = SITE) -> list[Row]:
    """The same, counted from events."""
    with _without_kept_visits():
        return _ask(parts, visits, scope)


@pytest.fixture
def keeper(new_parts: PartsMaker) -> Parts:
    """Parts that keep the visits of every file, and use them for every question."""
    return new_parts(keep_visits_of=1, ask_visits_of=0)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each question over visits was answered from kept ones."""
    found: list[bool] = []
    real = lake_visits_query.with_kept_visits

    def spy(*arguments: Any) -> Any:
        answer = real(*arguments)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(lake, "with_kept_visits", spy)
    return found


@dataclass(frozen=True)
class World:
    """Lots of journal lines: those of files of the table, and what the journal has at last."""

    lots: Sequence[Sequence[bytes]]
    closed: Sequence[bytes]
    open: Sequence[bytes]


_MOMENTS = st.sampled_from(
    [0, 1, 5 * MINUTE_MS, HOUR_MS - 1, HOUR_MS, 12 * HOUR_MS - 1, 12 * HOUR_MS, 3 * DAY_MS]
)
_TEXTS = st.sampled_from([None, "", "a", "b", "ab"])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Few visits of many events, so that some are in several places, of several users, or vary."""
    number = 0

    def event() -> bytes:
        nonlocal number
        number += 1
        texts = {
            name: draw(_TEXTS) for name in ("browser", "operating_system", "country", "channel", "pathname")
        }
        return line(
            number,
            draw(st.sampled_from([1, 1, 1, 2])),
            timestamp=NOON_MS + draw(_MOMENTS),
            session_id=draw(st.sampled_from([-(2**63), *range(10), 2**63 - 1])),
            user_hash=draw(st.sampled_from([1, 1, 1, 2])),
            type=draw(st.sampled_from(["pageview", "pageview", "custom_event"])),
            **{name: text for name, text in texts.items() if text is not None},
        )

    def lot(least: int) -> list[bytes]:
        return [event() for _ in range(draw(st.integers(least, 5)))]

    lots = [lot(1) for _ in range(draw(st.integers(1, 3)))]
    is_moved = draw(st.booleans())
    return World(lots, [], []) if is_moved else World(lots, lot(0), lot(0))


_BOUNDS = st.none() | _MOMENTS.map(lambda moment: NOON_MS + moment)
_SCOPES = st.builds(Scope, st.sampled_from([1, 2, 3]), _BOUNDS, _BOUNDS)
_COLUMNS = st.lists(st.sampled_from(ALL.columns), unique=True).map(tuple)
_VISITS = st.builds(Visits, _COLUMNS, st.sampled_from(["", BY_HOUR, BY_DAY]))


class TestAnswers:
    """Kept visits say what events say."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        world=worlds(),
        asked=st.lists(st.tuples(_VISITS, _SCOPES), min_size=10, max_size=20),
        merged=st.booleans(),
    )
    def test_they_are_the_same(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        world: World,
        asked: list[tuple[Visits, Scope]],
        *,
        merged: bool,
    ) -> None:
        parts = make_parts(tmp_path_factory.mktemp("world"), keep_visits_of=1, ask_visits_of=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lake_visits, "_PART_ROWS", (3,))
            for lot in world.lots:
                parts.move_line(*lot)
                parts.store.rewrite(everything=merged)
            parts.store_line(*world.closed)
            (parts.journal_folder.path / "1-a.open").write_bytes(b"".join(world.open))
            for visits, scope in asked:
                assert _ask(parts, visits, scope) == _counted(parts, visits, scope), (visits, scope)
        parts.close()

    def test_a_visit_is_not_counted_twice_while_it_goes_on(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        journal = keeper.journal_folder.path / "1-a.open"
        journal.write_bytes(line(2))
        real = lake_visits_query._find_rest

        def find_rest(*arguments: Any) -> Any:
            found = real(*arguments)
            with journal.open("ab") as file:
                file.write(line(3, session_id=1, user_hash=1))
            return found

        monkeypatch.setattr(lake_visits_query, "_find_rest", find_rest)
        count = Visits(("pageviews",))
        assert _ask(keeper, count) == [(1, 1), (2, 1)]
        monkeypatch.undo()
        assert _ask(keeper, count) == [(1, 2), (2, 1)]

    def test_with_too_many_exceptions_events_are_counted(
        self, keeper: Parts, used: list[bool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lake_visits_query, "_MOST_REST", 3)
        for number in range(1, 4):
            later = line(number + 10, session_id=number, user_hash=number, timestamp=NOON_MS + HOUR_MS)
            keeper.move_line(line(number), later)
            keeper.store.rewrite(everything=True)
            by_hour = Visits(("pageviews",), BY_HOUR)
            assert _ask(keeper, by_hour) == _counted(keeper, by_hour)
        assert used == [True, True, False]

    def test_hidden_events_do_not_count(self, keeper: Parts, used: list[bool]) -> None:
        keeper.move_line(line(1), line(2), line(3, 2))
        keeper.store.rewrite()
        keeper.deletion.delete_visitor(1, 1)
        assert [row[0] for row in _ask(keeper)] == [2]
        assert used == []
        assert [row[0] for row in _ask(keeper, scope=Scope(2))] == [3]
        assert used == [True]


class TestUse:
    """They are used where they save work."""

    def test_no_event_of_a_whole_visit_is_read(self, keeper: Parts) -> None:
        keeper.move_line(line(1), line(2))
        keeper.store.rewrite()
        expected = _counted(keeper)
        for path in keeper.files():
            path.write_bytes(b"")
        assert _ask(keeper) == expected

    @pytest.mark.parametrize(("events", "is_used"), [(9, False), (10, True)])
    def test_a_small_question_reads_events(
        self, new_parts: PartsMaker, used: list[bool], events: int, *, is_used: bool
    ) -> None:
        parts = new_parts(keep_visits_of=1, ask_visits_of=10)
        parts.move_line(*[line(number, timestamp=NOON_MS + number) for number in range(1, events + 1)])
        parts.store.rewrite()
        assert len(_ask(parts)) == events
        assert used == [True] * is_used

    def test_spans_hold_every_visit_and_leave_out_the_widest_gaps(self) -> None:
        chance = Random(7)
        for size in (0, 1, 2, 3, 30):
            starts = sorted(chance.randrange(1_000_000) for _ in range(size))
            visits = [(start, start + chance.randrange(20_000)) for start in starts]
            spans = list(lake_visits_query._merged(visits))
            assert len(spans) <= 4
            assert all(any(low <= first and last <= high for low, high in spans) for first, last in visits)
            assert spans == sorted(spans)
        # A visit that is long enough to reach over later ones parts nothing.
        assert list(lake_visits_query._merged([(0, 90), (10, 20), (100, 110), (300, 310)])) == [
            (0, 90),
            (100, 110),
            (300, 310),
        ]
        far = [(number**2 * 100, number**2 * 100 + 1) for number in range(6)]
        assert list(lake_visits_query._merged(far)) == [(0, 401), (900, 901), (1600, 1601), (2500, 2501)]


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _fill_with_nonsense(path: Path) -> None:
    path.write_bytes(b"PAR1" + b"nonsense" * 9 + b"PAR1")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _damage_a_column(path: Path) -> None:
    sql = """
    select data_page_offset, total_compressed_size
    from parquet_metadata($path)
    where path_in_schema = 'pageviews'
    """
    start, size = duckdb.execute(sql, {"path": str(path)}).fetchall()[0]
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)


def _leave_out_a_column(path: Path) -> None:
    """As a file is that another definition made, under the name of this one."""
    other = path.with_suffix(".other")
    duckdb.execute(
        f"copy (select * exclude (browser) from read_parquet('{path}')) to '{other}' (format parquet)"
    )
    other.rename(path)


class TestKeeping:
    """They lie beside their file of events, as long as this is part of the table."""

    def test_those_of_large_files_are_kept(self, new_parts: PartsMaker) -> None:
        parts = new_parts(keep_visits_of=3)
        parts.move_line(line(1), line(2))
        assert not parts.store.needs_rewrite()
        parts.store.rewrite()
        assert _kept(parts) == []
        parts.move_line(line(3), line(4), line(5))
        assert parts.store.needs_rewrite()
        parts.store.rewrite()
        assert len(_kept(parts)) == 1
        assert not parts.store.needs_rewrite()

    def test_they_go_with_their_file(self, keeper: Parts) -> None:
        for number in range(1, 4):
            keeper.move_line(line(number))
            keeper.store.rewrite()
        before = _kept(keeper)
        assert len(before) == 3
        keeper.store.rewrite(everything=True)
        assert [name.partition(".")[0] for name in _kept(keeper)] == [path.stem for path in keeper.files()]
        assert not set(before) & set(_kept(keeper))
        assert [row[1] for row in _ask(keeper)] == [row[1] for row in _counted(keeper)]

    def test_what_a_dead_process_left_is_made_anew(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))

        def die(point: str) -> None:
            raise RuntimeError(point)

        monkeypatch.setattr(lake_visits, "crash_point", die)
        with pytest.raises(RuntimeError, match="rewrite:visits-written"):
            keeper.store.rewrite()
        assert [name.rpartition(".")[2] for name in _kept(keeper)] == ["new"]
        assert len(_ask(keeper)) == 1
        monkeypatch.undo()
        assert keeper.store.needs_rewrite()
        keeper.store.rewrite()
        assert [name.rpartition(".")[2] for name in _kept(keeper)] == ["visits"]

    def test_large_files_are_taken_in_parts(self, keeper: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lake_visits, "_PART_ROWS", (2,))
        ids = [-(2**63), -5, 1, 1, 1, 2, 3, 2**63 - 1]
        keeper.move_line(*[line(place, session_id=visit, user_hash=1) for place, visit in enumerate(ids, 1)])
        keeper.store.rewrite()
        expected = _counted(keeper)
        assert len(expected) == 6
        assert _ask(keeper) == expected

    @pytest.mark.parametrize("damage", [_empty, _fill_with_nonsense, _cut, _damage_a_column])
    def test_damaged_ones_are_made_anew(
        self,
        keeper: Parts,
        used: list[bool],
        caplog: pytest.LogCaptureFixture,
        damage: Callable[[Path], None],
    ) -> None:
        for number in (1, 2):
            keeper.move_line(line(number, pathname="/"))
        keeper.store.rewrite()
        expected = _counted(keeper)
        broken, whole = sorted(_folder(keeper).iterdir())
        damage(broken)
        for _ in range(3):
            assert _ask(keeper) == expected
        messages = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert len(messages) in (1, 2)
        keeper.store.rewrite()
        assert sorted(_folder(keeper).iterdir()) == [broken, whole]
        used.clear()
        assert _ask(keeper) == expected
        assert used == [True]
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == len(messages)

    def test_ones_that_give_no_answer_are_used_no_more(
        self, keeper: Parts, used: list[bool], caplog: pytest.LogCaptureFixture
    ) -> None:
        keeper.move_line(line(1, browser="a"))
        keeper.store.rewrite()
        expected = _counted(keeper)
        (path,) = _folder(keeper).iterdir()
        _leave_out_a_column(path)
        for _ in range(3):
            assert _ask(keeper) == expected
        assert used == [True]
        assert [record.levelname for record in caplog.records] == ["WARNING"]

    @pytest.mark.parametrize("replace", [Path.mkdir, lambda path: path.symlink_to("nowhere")])
    def test_ones_that_cannot_be_opened_are_passed_over(
        self, keeper: Parts, replace: Callable[[Path], None]
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        (path,) = _folder(keeper).iterdir()
        path.unlink()
        replace(path)
        for _ in range(2):
            assert [row[0] for row in _ask(keeper)] == [1]

    def test_one_that_cannot_be_made_stops_nothing_else(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        for number in range(3):
            keeper.move_line(line(number * 10 + 1), line(number * 10 + 2, user_hash=4711))
        keeper.tombstones.add(1, user_hash=4711, last_id=100)
        keeper.age_tombstones()
        real = VisitFiles._write
        failing: list[str] = []

        def write(files: VisitFiles, cursor: Any, snapshot: Any, file: DataFile, rows: int) -> None:
            failing.append(file.path) if not failing else None
            if file.path == failing[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(files, cursor, snapshot, file, rows)

        monkeypatch.setattr(VisitFiles, "_write", write)
        keeper.store.rewrite()
        assert "No space left" in caplog.text
        kept = [name.rpartition(".")[2] for name in _kept(keeper)]
        assert sorted(kept) == ["failed", "visits", "visits"]
        assert [row[0] for row in _ask(keeper)] == [1, 11, 21]
        # Nothing is left of what was erased, and nothing is tried in vain.
        assert len(keeper.files()) == 3
        assert list(keeper.tombstones.path.iterdir()) == []
        assert not keeper.store.needs_rewrite()
        monkeypatch.undo()
        for path in _folder(keeper).glob("*.failed"):
            os.utime(path, (0, 0))
        assert keeper.store.needs_rewrite()
        keeper.store.rewrite()
        assert len(list(_folder(keeper).glob("*.visits"))) == 3

    def test_with_little_memory_fewer_are_made_at_a_time(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[int] = []
        real = VisitFiles._write

        def write(files: VisitFiles, cursor: Any, snapshot: Any, file: DataFile, rows: int) -> None:
            tried.append(rows)
            if len(tried) < 3:
                raise duckdb.OutOfMemoryException
            real(files, cursor, snapshot, file, rows)

        monkeypatch.setattr(VisitFiles, "_write", write)
        keeper.move_line(line(1))
        keeper.store.rewrite()
        assert tried == sorted(tried, reverse=True)
        assert len(set(tried)) == 3
        assert len(_kept(keeper)) == 1

    def test_those_of_another_definition_are_made_anew(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        (before,) = _kept(keeper)
        monkeypatch.setattr(lake_visits, "_SUFFIX", ".0000.visits")
        assert keeper.store.needs_rewrite()
        keeper.store.rewrite()
        (after,) = _kept(keeper)
        assert before.partition(".")[0] == after.partition(".")[0]
        assert after.endswith(".0000.visits")

    def test_one_that_goes_while_it_is_looked_for(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        real = lake_visits_query._find_rest

        def find_rest(*arguments: Any) -> Any:
            for path in _folder(keeper).iterdir():
                path.unlink()
            return real(*arguments)

        monkeypatch.setattr(lake_visits_query, "_find_rest", find_rest)
        assert [row[0] for row in _ask(keeper)] == [1]

    def test_nothing_stays_of_an_erased_visitor(self, keeper: Parts) -> None:
        marker = "/account/marker-4711"
        keeper.move_line(line(1, pathname=marker), line(2), line(3, 2, user_hash=1, pathname=marker))
        keeper.store.rewrite()
        assert _kept_texts(keeper).count(marker) == 4
        keeper.deletion.delete_visitor(1, 1)
        keeper.age_tombstones()
        keeper.store.rewrite()
        assert [row[0] for row in _ask(keeper)] == [2]
        # The other site has another visitor of that number; first and last page are the same.
        assert _kept_texts(keeper).count(marker) == 2
        keeper.deletion.delete_site(2)
        keeper.age_tombstones()
        keeper.store.rewrite()
        assert marker not in _kept_texts(keeper)

    def test_the_operator_sees_what_they_take(self, keeper: Parts) -> None:
        keeper.move_line(line(1))
        before = keeper.store.describe()["bytes"]
        keeper.store.rewrite()
        added = sum(path.stat().st_size for path in _folder(keeper).iterdir())
        assert keeper.store.describe()["bytes"] == before + added > before


def test_readers_see_each_event_once_while_everything_moves(keeper: Parts, new_parts: PartsMaker) -> None:
    mover = new_parts(keep_visits_of=1, ask_visits_of=0)
    sent = 0
    is_over = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        nonlocal sent
        for number in range(400):
            keeper.journal.append([entry(visitor=number % 7)])
            sent += 1
            if number % 5 == 0:
                keeper.journal.close_file()

    def move() -> None:
        for number in count():
            if is_over.is_set():
                return
            mover.mover.move_all()
            mover.store.rewrite(everything=number % 4 == 3)

    def watched(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    moving, writing = watched(move), watched(write)
    try:
        looks = 0
        while writing.is_alive() or looks < 5:
            least = sent
            visits = _ask(keeper, Visits(("user_hash", "pageviews")))
            # One may be on its way to the disk, and be told as sent after we looked.
            assert least <= sum(row[2] for row in visits) <= sent + 1
            assert len(visits) == len({row[0] for row in visits}) == len({row[1] for row in visits}) <= 7
            looks += 1
    finally:
        is_over.set()
        for thread in (writing, moving):
            thread.join()
    assert failures == []
    assert sum(row[2] for row in _ask(keeper, Visits(("user_hash", "pageviews")))) == 400
