"""Files of kept visits come and go with their file of events; none stands in the way of an answer."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rybbit.store import lake_visits, lake_visits_query
from rybbit.store.base import TooLarge
from rybbit.store.lake import LakeStore
from rybbit.store.lake_table import DataFile
from rybbit.store.lake_visits import VisitFiles
from rybbit.store.tombstones import Tombstones
from tests.store.kept_visits import (
    COUNT,
    SITE,
    ask_visits,
    counted_visits,
    kept_names,
    kept_texts,
    visits_folder,
)
from tests.store.parts import Parts, PartsMaker, line


class TestKeeping:
    """They lie beside their file of events, as long as this is part of the table."""

    def test_those_of_large_files_are_kept(self, new_parts: PartsMaker) -> None:
        parts = new_parts(keep_visits_of=3, keep_answers=0)
        parts.move_line(line(1), line(2))
        assert not parts.store.needs_rewrite()
        parts.store.rewrite()
        assert kept_names(parts) == []
        parts.move_line(line(3), line(4), line(5))
        assert parts.store.needs_rewrite()
        parts.store.rewrite()
        assert len(kept_names(parts)) == 1
        assert not parts.store.needs_rewrite()

    def test_a_new_file_is_not_worth_a_process_until_there_are_more(self, new_parts: PartsMaker) -> None:
        parts = new_parts(keep_visits_of=2, keep_answers=0)
        parts.move_line(*[line(number) for number in range(1, 10)])
        parts.store.rewrite()
        parts.move_line(line(11), line(12))
        assert not parts.store.needs_rewrite()
        parts.move_line(line(13), line(14))
        assert parts.store.needs_rewrite()
        parts.store.rewrite()
        assert len(kept_names(parts)) == 3

    def test_they_go_with_their_file(self, keeper: Parts) -> None:
        for number in range(1, 4):
            keeper.move_line(line(number))
            keeper.store.rewrite()
        before = kept_names(keeper)
        assert len(before) == 3
        keeper.store.rewrite(everything=True)
        assert [name.partition(".")[0] for name in kept_names(keeper)] == [
            path.stem for path in keeper.files()
        ]
        assert not set(before) & set(kept_names(keeper))
        assert [row[1] for row in ask_visits(keeper)] == [row[1] for row in counted_visits(keeper)]

    def test_what_a_dead_process_left_is_made_anew(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))

        def die(point: str) -> None:
            raise RuntimeError(point)

        monkeypatch.setattr(lake_visits, "crash_point", die)
        with pytest.raises(RuntimeError, match="rewrite:visits-written"):
            keeper.store.rewrite()
        assert [name.rpartition(".")[2] for name in kept_names(keeper)] == ["new"]
        assert len(ask_visits(keeper)) == 1
        monkeypatch.undo()
        assert keeper.store.needs_rewrite()
        keeper.store.rewrite()
        assert [name.rpartition(".")[2] for name in kept_names(keeper)] == ["visits"]

    def test_large_files_are_taken_in_parts(self, keeper: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lake_visits, "_PART_ROWS", (2,))
        ids = [-(2**63), -5, 1, 1, 1, 2, 3, 2**63 - 1]
        keeper.move_line(*[line(place, session_id=visit, user_hash=1) for place, visit in enumerate(ids, 1)])
        keeper.store.rewrite()
        expected = counted_visits(keeper)
        assert len(expected) == 6
        assert ask_visits(keeper) == expected

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), duckdb.Error("No space left")])
    def test_one_that_cannot_be_made_stops_nothing_else(
        self,
        keeper: Parts,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        error: Exception,
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
                raise error
            real(files, cursor, snapshot, file, rows)

        monkeypatch.setattr(VisitFiles, "_write", write)
        keeper.store.rewrite()
        assert "No space left" in caplog.text
        kept = [name.rpartition(".")[2] for name in kept_names(keeper)]
        assert sorted(kept) == ["failed", "visits", "visits"]
        assert [row[0] for row in ask_visits(keeper)] == [1, 11, 21]
        # Nothing is left of what was erased, and nothing is tried in vain.
        assert len(keeper.files()) == 3
        assert list(keeper.tombstones.path.iterdir()) == []
        assert not keeper.store.needs_rewrite()
        monkeypatch.undo()
        for path in visits_folder(keeper).glob("*.failed"):
            os.utime(path, (0, 0))
        assert keeper.store.needs_rewrite()
        keeper.store.rewrite()
        assert len(list(visits_folder(keeper).glob("*.visits"))) == 3

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
        assert len(kept_names(keeper)) == 1

    def test_those_of_another_definition_are_made_anew(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        (before,) = kept_names(keeper)
        monkeypatch.setattr(lake_visits, "_SUFFIX", ".0000.visits")
        assert keeper.store.needs_rewrite()
        keeper.store.rewrite()
        (after,) = kept_names(keeper)
        assert before.partition(".")[0] == after.partition(".")[0]
        assert after.endswith(".0000.visits")

    def test_nothing_stays_of_an_erased_visitor(self, keeper: Parts) -> None:
        marker = "/account/marker-4711"
        keeper.move_line(line(1, pathname=marker), line(2), line(3, 2, user_hash=1, pathname=marker))
        keeper.store.rewrite()
        assert kept_texts(keeper).count(marker) == 4
        keeper.deletion.delete_visitor(1, 1)
        keeper.age_tombstones()
        keeper.store.rewrite()
        assert [row[0] for row in ask_visits(keeper)] == [2]
        # The other site has another visitor of that number; first and last page are the same.
        assert kept_texts(keeper).count(marker) == 2
        keeper.deletion.delete_site(2)
        keeper.age_tombstones()
        keeper.store.rewrite()
        assert marker not in kept_texts(keeper)

    def test_they_go_before_the_tombstone_does(self, keeper: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        keeper.move_line(line(1), line(2))
        keeper.store.rewrite()
        real = Tombstones.remove
        seen: list[list[str]] = []

        def remove(*arguments: Any) -> None:
            seen.append(kept_names(keeper))
            real(*arguments)

        keeper.tombstones.add(1, user_hash=1, last_id=100)
        keeper.age_tombstones()
        monkeypatch.setattr(Tombstones, "remove", remove)
        keeper.store.rewrite()
        assert seen[-1] == []

    def test_a_note_that_goes_while_it_is_looked_at(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        gone = [*kept_names(keeper), "gone.failed", "gone.visits"]
        monkeypatch.setattr(VisitFiles, "_names", lambda _: gone)
        keeper.move_line(line(2))
        assert keeper.store.needs_rewrite()
        assert keeper.store.describe()["bytes"] > 0

    def test_the_operator_sees_what_they_take(self, keeper: Parts) -> None:
        keeper.move_line(line(1))
        before = keeper.store.describe()["bytes"]
        keeper.store.rewrite()
        added = sum(path.stat().st_size for path in visits_folder(keeper).iterdir())
        assert keeper.store.describe()["bytes"] == before + added > before


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


class TestDamage:
    """What cannot be read is passed over, and made anew."""

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
        expected = counted_visits(keeper)
        broken, whole = sorted(visits_folder(keeper).iterdir())
        damage(broken)
        for _ in range(3):
            assert ask_visits(keeper) == expected
        messages = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert len(messages) in (1, 2)
        keeper.store.rewrite()
        assert sorted(visits_folder(keeper).iterdir()) == [broken, whole]
        used.clear()
        assert ask_visits(keeper) == expected
        assert used == [True]
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == len(messages)

    def test_ones_that_give_no_answer_are_used_no_more(
        self, keeper: Parts, used: list[bool], caplog: pytest.LogCaptureFixture
    ) -> None:
        keeper.move_line(line(1, browser="a"))
        keeper.store.rewrite()
        expected = counted_visits(keeper)
        (path,) = visits_folder(keeper).iterdir()
        _leave_out_a_column(path)
        for _ in range(3):
            assert ask_visits(keeper) == expected
        assert used == [True]
        assert [record.levelname for record in caplog.records] == ["WARNING"]

    @pytest.mark.parametrize("replace", [Path.mkdir, lambda path: path.symlink_to("nowhere")])
    def test_ones_that_cannot_be_opened_are_passed_over(
        self, keeper: Parts, replace: Callable[[Path], None]
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        (path,) = visits_folder(keeper).iterdir()
        path.unlink()
        replace(path)
        for _ in range(2):
            assert [row[0] for row in ask_visits(keeper)] == [1]

    def test_one_that_goes_while_it_is_looked_for(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        real = lake_visits_query._find_rest

        def find_rest(*arguments: Any) -> Any:
            for path in visits_folder(keeper).iterdir():
                path.unlink()
            return real(*arguments)

        monkeypatch.setattr(lake_visits_query, "_find_rest", find_rest)
        assert [row[0] for row in ask_visits(keeper)] == [1]

    def test_a_question_that_fails_by_itself_is_not_their_fault(
        self, keeper: Parts, used: list[bool]
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        sql = "select cast('x' as integer) + pageviews from visits"
        with pytest.raises(duckdb.Error):
            keeper.store.query(sql, scope=SITE, visits=COUNT)
        used.clear()
        assert len(ask_visits(keeper)) == 1
        assert used == [True]

    @pytest.mark.parametrize("error", [duckdb.InterruptException, duckdb.OutOfMemoryException])
    def test_neither_is_an_end_that_was_made(
        self, keeper: Parts, used: list[bool], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        with monkeypatch.context() as patch:

            def end(*_: object) -> None:
                raise error("")

            patch.setattr(LakeStore, "_ask_kept", end)
            patch.setattr(LakeStore, "_ask_events", lambda *_: pytest.fail("Events were asked"))
            with pytest.raises((error, TooLarge)):
                ask_visits(keeper)
        assert len(ask_visits(keeper)) == 1
        assert used == [True]
