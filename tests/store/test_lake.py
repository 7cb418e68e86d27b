"""The lake: journal and table as one relation, exact at every moment, and open to other tools."""

import json
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rybbit.errors import Unavailable
from rybbit.store import lake
from rybbit.store.base import Scope
from rybbit.store.event import COLUMNS, Kind
from rybbit.store.journal_files import CONTINUED, JournalFolder, Listing
from rybbit.store.lake import LakeOptions, LakeStore
from rybbit.store.lake_table import DataFile
from rybbit.store.tombstones import Tombstone, Tombstones
from tests.store.parts import NOON_MS, Parts, PartsMaker, entry, line, make_parts

HOUR_MS = 3_600_000


class TestRelation:
    """`events` is every event, once."""

    def test_nothing_stored_is_no_rows(self, parts: Parts) -> None:
        assert parts.count() == 0
        assert parts.store.query("select max(id), any_value(lat), max(timestamp) from events") == [
            (None, None, None)
        ]
        assert parts.store.last_batch() == 0

    def test_an_event_is_there_on_its_whole_way(self, parts: Parts) -> None:
        for number in range(3):
            parts.journal.append([entry(event_id=f"e{number}")])
            assert parts.count() == number + 1
            parts.journal.close_file()
            assert parts.count() == number + 1
            if number < 2:
                assert parts.mover.move_all() == 1
                assert parts.count() == number + 1
        parts.journal.append([entry()])
        # Table, closed file and open file at once.
        assert len(set(parts.ids())) == len(parts.ids()) == 4

    def test_a_line_under_way_is_not_seen_yet(self, parts: Parts) -> None:
        whole = line(1) + line(2)
        path = parts.journal_folder.path / "1-a.open"
        for size in range(len(line(1)), len(whole) + 1):
            path.write_bytes(whole[:size])
            assert parts.count() == (2 if size == len(whole) else 1)

    def test_of_a_batch_all_is_seen_or_nothing(self, parts: Parts) -> None:
        batch = [line(2)[:-2] + CONTINUED, line(3)[:-2] + CONTINUED, line(4)]
        whole = line(1) + b"".join(batch)
        path = parts.journal_folder.path / "1-a.open"
        for size in range(len(line(1)), len(whole) + 1):
            path.write_bytes(whole[:size])
            assert parts.ids() == ([1, 2, 3, 4] if size == len(whole) else [1])

    def test_a_query_may_begin_with_with_and_bind_values(self, parts: Parts) -> None:
        parts.store_line(line(1, pathname="/a'b"), line(2, pathname="/c"))
        sql = "\nwith found as (select id from events where pathname = $path) select count(*) from found"
        assert parts.store.query(sql, {"path": "/a'b"}) == [(1,)]

    def test_types_are_the_same_on_the_whole_way(self, parts: Parts) -> None:
        sql = "select typeof(columns(*)) from (select * from events) limit 1"
        parts.store_line(line(1))
        before = parts.store.query(sql)
        parts.mover.move_all()
        assert parts.store.query(sql) == before
        assert {"BIGINT", "INTEGER", "DOUBLE", "VARCHAR", "TIMESTAMP"} == set(before[0])

    def test_a_damaged_closed_line_hides_no_other(self, parts: Parts) -> None:
        parts.store_line(
            line(1), b"nonsense\n", line(2, pathname="\ud800"), line(3, timestamp=2**62), line(4)
        )
        rows = parts.store.query("select id, epoch_ms(timestamp), pathname from events order by id")
        assert [row[0] for row in rows] == [1, 4]

    def test_a_damaged_open_line_hides_no_other(self, parts: Parts) -> None:
        lines = line(1), b'{"id":2}\n', line(3, timestamp=2**62), b"\0\0\n", line(4)
        (parts.journal_folder.path / "1-a.open").write_bytes(b"".join(lines))
        assert parts.store.query("select id, timestamp from events order by id") == [
            (number, datetime(2026, 3, 1, 12)) for number in (1, 4)
        ]

    def test_a_wrong_query_is_an_error_and_no_endless_try(self, parts: Parts) -> None:
        parts.store_line(line(1))
        with pytest.raises(duckdb.Error):
            parts.store.query("select nonsense from events")
        with pytest.raises(duckdb.Error):
            parts.store.query("select id from events where id = $id")

    def test_it_opens_again_after_closing(self, parts: Parts) -> None:
        parts.store_line(line(1))
        assert parts.count() == 1
        parts.store.close()
        parts.store.close()
        assert parts.count() == 1

    def test_the_engine_reads_no_settings_and_fetches_nothing(self, parts: Parts) -> None:
        for statement in ("install httpfs", "set memory_limit = '9GB'"):
            with parts.store._cursor() as cursor, pytest.raises(duckdb.Error):
                cursor.execute(statement)

    def test_every_question_finds_the_engine_as_it_was_set(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TZ", "America/New_York")
        found = parts.store.query(
            "select current_setting('TimeZone'), current_setting('parquet_metadata_cache')"
        )
        assert found == [("UTC", True)]

    def test_files_that_are_gone_are_forgotten_some_time(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lake, "_VERSIONS_OF_AN_ENGINE", 4)
        remembered = []
        for number in range(12):
            parts.move_line(line(number + 1))
            assert parts.count() == number + 1
            parts.store.rewrite(everything=True)
            [(size,)] = parts.store.query("select sum(memory_usage_bytes) from duckdb_memory()")
            remembered.append(size)
        assert max(remembered[4:]) <= 2 * max(remembered[:4])


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_LARGE = st.integers(-(2**63), 2**63 - 1)
_VALUES = {
    Kind.IDENTIFIER: _LARGE,
    Kind.INTEGER: st.integers(-(2**31), 2**31 - 1),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.TEXT: _TEXT,
    Kind.TIME: st.integers(0, 253_402_300_799_999),
}
_ROWS = st.fixed_dictionaries(
    {column.name: _VALUES[column.kind] for column in COLUMNS if column.kind is not Kind.TEXT}
    | {"type": _TEXT},
    optional={
        column.name: _VALUES[column.kind]
        for column in COLUMNS
        if column.kind is Kind.TEXT and column.name != "type"
    },
)
_EPOCH = datetime(1970, 1, 1)


class TestContent:
    """What goes in comes out."""

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(_ROWS, min_size=1, max_size=4))
    def test_every_value_survives_journal_table_and_compaction(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
    ) -> None:
        parts = make_parts(tmp_path_factory.mktemp("values"))
        expected = sorted(
            (
                tuple(
                    _EPOCH + timedelta(milliseconds=row["timestamp"])
                    if name == "timestamp"
                    else row.get(name)
                    for name in (column.name for column in COLUMNS)
                )
                for row in rows
            ),
            key=repr,
        )
        sql = f"select {', '.join(column.name for column in COLUMNS)} from events"
        for row in rows:
            parts.store_line(json.dumps(row).encode() + b"\n")
        assert sorted(parts.store.query(sql), key=repr) == expected
        parts.mover.move_all()
        assert sorted(parts.store.query(sql), key=repr) == expected
        for file in parts.store._table.snapshot().files:
            moments = [row["timestamp"] for row in rows]
            assert (file.min_ms, file.max_ms) == (min(moments), max(moments))
        parts.store.rewrite(everything=True)
        assert sorted(parts.store.query(sql), key=repr) == expected
        parts.close()


class TestBatches:
    """Taking batches in."""

    def test_a_number_that_is_in_is_not_taken_again(self, parts: Parts) -> None:
        path = parts.journal_folder.path / parts.store_line(line(1))
        assert parts.store.commit_batch(1, [path]) == 1
        assert parts.store.commit_batch(1, [path]) == 0
        assert parts.store.last_batch() == 1
        path.unlink()
        assert parts.count() == 1

    def test_a_batch_without_events_counts_too(self, parts: Parts) -> None:
        parts.tombstones.add(1)
        path = parts.journal_folder.path / parts.store_line(line(1))
        assert parts.store.commit_batch(5, [path]) == 0
        assert parts.store.last_batch() == 5
        assert parts.files() == []

    def test_rows_are_sorted_within_a_file(self, parts: Parts) -> None:
        later = NOON_MS + 1
        parts.move_line(line(1, 9), line(3, 2, timestamp=later), line(2, 2, timestamp=later), line(4, 2))
        (path,) = parts.files()
        rows = duckdb.execute("select id from read_parquet($path)", {"path": str(path)}).fetchall()
        assert [row[0] for row in rows] == [4, 2, 3, 1]


class TestConsistency:
    """A look at the files while they move."""

    def test_a_file_that_both_listings_missed_is_not_lost(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A listing misses a file that is renamed meanwhile; before the next one it is moved."""
        parts.store_line(line(1))
        real = JournalFolder.listing
        looks: list[Listing] = []

        def listing(folder: JournalFolder) -> Listing:
            if len(looks) == 1:
                monkeypatch.setattr(JournalFolder, "listing", real)
                parts.mover.move_all()
            looks.append(real(folder))
            return Listing(frozenset(), frozenset(), ())

        monkeypatch.setattr(JournalFolder, "listing", listing)
        assert parts.count() == 1
        assert len(looks) == 2

    def test_a_move_between_look_and_opening(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        parts.store_line(line(1))
        real = LakeStore._run

        def run(store: LakeStore, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
            monkeypatch.setattr(LakeStore, "_run", real)
            parts.mover.move_all()
            return real(store, *arguments, **named)

        monkeypatch.setattr(LakeStore, "_run", run)
        assert parts.count() == 1

    def test_an_erasure_that_ends_under_a_query_shows_nothing_again(
        self, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts, eraser = new_parts(erase_hours=1), new_parts(erase_hours=1)
        parts.move_line(line(1, 1), line(2, 2))
        parts.tombstones.add(1)
        parts.age_tombstones()
        real = Tombstones.all

        def read(tombstones: Tombstones) -> list[Tombstone]:
            monkeypatch.setattr(Tombstones, "all", real)
            eraser.store.rewrite()
            assert not parts.tombstones.all()
            return real(tombstones)

        monkeypatch.setattr(Tombstones, "all", read)
        assert parts.ids() == [2]

    def test_files_that_are_really_gone_are_an_error(self, parts: Parts) -> None:
        parts.move_line(line(1))
        parts.files()[0].unlink()
        with pytest.raises(TimeoutError):
            parts.count()


class TestScope:
    """A query opens the files that can hold what it asks for."""

    def test_other_files_are_not_opened(self, parts: Parts) -> None:
        for site_id, day in ((1, 0), (2, 0), (1, 1)):
            parts.move_line(line(site_id * 10 + day, site_id, timestamp=NOON_MS + day * 24 * HOUR_MS))
        files = {(file.min_site, file.min_ms): file.path for file in parts.store._table.snapshot().files}
        (parts.folder / "events" / files[2, NOON_MS]).unlink()
        (parts.folder / "events" / files[1, NOON_MS + 24 * HOUR_MS]).unlink()
        scope = Scope(site_id=1, start_ms=NOON_MS - 1, end_ms=NOON_MS + 1)
        assert parts.store.query("select id from events", scope=scope) == [(10,)]
        for wider in (Scope(1), Scope(end_ms=NOON_MS + 1), Scope(2)):
            with pytest.raises(TimeoutError):
                parts.store.query("select id from events", scope=wider)

    @given(
        site_id=st.none() | st.integers(0, 6),
        bounds=st.tuples(st.none() | st.integers(0, 12), st.none() | st.integers(0, 12)),
        rows=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 10)), min_size=1, max_size=4),
    )
    def test_a_file_that_holds_a_fitting_event_is_opened(
        self,
        site_id: int | None,
        bounds: tuple[int | None, int | None],
        rows: list[tuple[int, int]],
    ) -> None:
        sites, times = [row[0] for row in rows], [row[1] for row in rows]
        file = DataFile("f", 1, len(rows), min(sites), max(sites), min(times), max(times))
        start, end = bounds
        fits = any(
            (site_id is None or site == site_id)
            and (start is None or moment >= start)
            and (end is None or moment < end)
            for site, moment in rows
        )
        if fits:
            assert file.may_hold(Scope(site_id, start, end))
        outside = site_id is not None and not min(sites) <= site_id <= max(sites)
        if outside or (start or 0) > max(times) or (end is not None and end <= min(times)):
            assert not file.may_hold(Scope(site_id, start, end))


def test_options_survive_as_text(parts: Parts) -> None:
    options = parts.store._options
    assert LakeOptions.from_json(options.to_json()) == options


def test_it_describes_itself(parts: Parts) -> None:
    assert parts.store.describe()["files"] == 0
    parts.move_line(line(1), line(2))
    described = parts.store.describe()
    size = sum(path.stat().st_size for path in parts.files())
    assert (described["engine"], described["files"], described["events"]) == ("lake", 1, 2)
    assert described["bytes"] == size


def test_a_table_in_a_folder_with_a_hostile_name(tmp_path: Path) -> None:
    for name in ("it's", "a [b] *?", "{x}", "ä ö"):
        (tmp_path / name).mkdir()
        parts = make_parts(tmp_path / name)
        parts.move_line(line(1))
        parts.store_line(line(2))
        parts.mover.move_all()
        parts.store_line(line(3))
        parts.store.rewrite(everything=True)
        assert parts.ids() == [1, 2, 3]
        parts.close()


def test_queries_of_many_threads(parts: Parts) -> None:
    for number in range(1, 4):
        parts.move_line(line(number))
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(parts.ids())) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[1, 2, 3]] * 12


def test_too_much_to_be_held_is_refused(parts: Parts) -> None:
    parts.store_line(line(1))
    wide = "select count(distinct a.range * 100000000 + b.range) from range(40000) a, range(40000) b, events"
    with pytest.raises(Unavailable, match="RYBBIT_QUERY_MEMORY"):
        parts.store.query(wide)
    assert parts.count() == 1
