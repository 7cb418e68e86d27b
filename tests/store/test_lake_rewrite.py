"""Rewriting the lake: nothing is lost by compaction, nothing is left by erasure."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rybbit.store import lake_rewrite
from rybbit.store.lake_table import DataFile, LakeTable
from tests.store.conftest import Clocks
from tests.store.parts import (
    NOON_MS,
    REPOSITORY,
    Parts,
    PartsMaker,
    child_command,
    entry,
    line,
    run_child,
)

MARKER = "Marker-4711-unique"


def _fill(parts: Parts, files: int, *, start: int = 1) -> None:
    """Small files, each with two sites in it, the later ones with the earlier times."""
    for number in range(start, start + files):
        moment = NOON_MS - number * 1_000
        parts.move_line(line(number, 1, timestamp=moment), line(number + 1_000, 2, timestamp=moment))


def _rows(path: Path, columns: str) -> list[tuple[Any, ...]]:
    """The rows of a data file, in their order there."""
    return duckdb.execute(f"select {columns} from read_parquet($path)", {"path": str(path)}).fetchall()


def _traces(parts: Parts, marker: str) -> list[str]:
    """The files of the instance that hold the marker, compressed columns included."""
    found = []
    for path in sorted(path for path in parts.folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet" and path.parent.name == "events":
            content += repr(_rows(path, "*")).encode()
        if marker.encode() in content:
            found.append(str(path.relative_to(parts.folder)))
    return found


@contextmanager
def _sizes(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> Iterator[None]:
    with monkeypatch.context() as changed:
        for name, size in sizes.items():
            changed.setattr(lake_rewrite, name, size)
        yield


class TestCompaction:
    """Merging small files."""

    def test_it_is_due_when_small_files_have_piled_up(self, new_parts: PartsMaker) -> None:
        parts = new_parts(compact_files=4)
        _fill(parts, 3)
        assert not parts.store.needs_rewrite()
        parts.store.rewrite()
        assert parts.store.describe()["files"] == 3
        _fill(parts, 1, start=4)
        assert parts.store.needs_rewrite()
        parts.store.rewrite()
        assert parts.store.describe()["files"] == 1
        assert not parts.store.needs_rewrite()

    @pytest.mark.parametrize("least", [1, 2])
    def test_it_comes_to_an_end(self, new_parts: PartsMaker, least: int) -> None:
        parts = new_parts(compact_files=least)
        _fill(parts, 1)
        assert not parts.store.needs_rewrite()
        _fill(parts, 1, start=2)
        parts.store.rewrite()
        assert not parts.store.needs_rewrite()

    def test_every_event_is_kept_sorted_by_site_and_time(self, parts: Parts) -> None:
        _fill(parts, 5)
        before = parts.store.query("select * from events order by id")
        parts.store.rewrite(everything=True)
        assert parts.store.query("select * from events order by id") == before
        (path,) = parts.files()
        rows = duckdb.execute(
            "select site_id, timestamp, id from read_parquet($p)", {"p": str(path)}
        ).fetchall()
        assert rows == sorted(rows)
        assert [row[2] for row in rows] == [5, 4, 3, 2, 1, 1005, 1004, 1003, 1002, 1001]
        assert parts.store.last_batch() == 5

    def test_replaced_files_stay_for_a_while(self, new_parts: PartsMaker) -> None:
        parts = new_parts(erase_hours=1)
        _fill(parts, 3)
        parts.store.rewrite(everything=True)
        assert len(parts.files()) == 4
        assert parts.store.describe()["files"] == 1

    def test_an_event_is_rewritten_twice_in_its_life(
        self, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Small files become middling ones, eight of those a large one, and that is left alone."""
        parts = new_parts(compact_files=2)
        _fill(parts, 2)
        small = max(path.stat().st_size for path in parts.files())
        rewritten: list[int] = []
        real = LakeTable.commit

        def commit(table: LakeTable, added: Sequence[DataFile], **named: Any) -> None:
            rewritten.append(sum(file.rows for file in named.get("removed", ())))
            real(table, added, **named)

        monkeypatch.setattr(LakeTable, "commit", commit)
        with _sizes(monkeypatch, _SMALL=small + 1, _MIDDLING=small + 2_000):
            for number in range(1, 9):
                # Texts that hardly shrink make the merged files larger than the small ones.
                text = "".join(
                    chr(0x4E00 + (number * 7919 + index * 104_729) % 20_000) for index in range(60)
                )
                _fill(parts, 1, start=number * 10)
                parts.move_line(line(number * 10 + 1, pathname=text), line(number * 10 + 1_001, 2))
                parts.store.rewrite()
        total = parts.store.describe()["events"]
        assert total == 4 + 8 * 4
        assert total < sum(rewritten) <= 3 * total
        assert parts.store.describe()["files"] < 9

    def test_large_files_are_merged_in_parts(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        _fill(parts, 6)
        size = max(path.stat().st_size for path in parts.files())
        with _sizes(monkeypatch, _GROUP_BYTES=2 * size):
            parts.store.rewrite(everything=True)
        assert parts.store.describe()["files"] == 3
        assert parts.count() == 12

    def test_one_that_would_lose_events_is_not_committed(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _fill(parts, 2)
        real = LakeTable.write

        def write(table: LakeTable, cursor: Any, select: str, **named: Any) -> list[DataFile]:
            return real(table, cursor, f"select * from ({select}) limit 3", **named)

        with monkeypatch.context() as broken:
            broken.setattr(LakeTable, "write", write)
            with pytest.raises(RuntimeError, match="3 of 4"):
                parts.store.rewrite(everything=True)
        assert parts.ids() == [1, 2, 1001, 1002]
        parts.store.rewrite(everything=True)
        assert len(parts.files()) == 1

    @pytest.mark.parametrize("point", ["rewrite:before-commit", "rewrite:before-tidy"])
    def test_a_crash_in_the_middle(self, parts: Parts, point: str) -> None:
        _fill(parts, 3)
        run_child(parts.folder, "compact", crash_at=point, code=-9)
        assert parts.count() == 6
        _fill(parts, 1, start=4)
        parts.store.rewrite(everything=True)
        assert parts.ids() == [1, 2, 3, 4, 1001, 1002, 1003, 1004]
        # What the dead one left is refuse.
        assert len(parts.files()) == 1


class TestConcurrency:
    """Others work while files are rewritten."""

    @pytest.mark.parametrize("erasing", [False, True])
    def test_it_commits_while_nobody_else_does(self, new_parts: PartsMaker, *, erasing: bool) -> None:
        parts, reader = new_parts(compact_files=2), new_parts()
        _fill(parts, 2)
        if erasing:
            parts.tombstones.add(1)
            parts.age_tombstones()
        with ThreadPoolExecutor(1) as pool:
            version = reader.store._table.snapshot().version
            with parts.store._table.writing:
                rewriting = pool.submit(parts.store.rewrite)
                with pytest.raises(TimeoutError):
                    rewriting.result(1)
                assert reader.store._table.snapshot().version == version
            rewriting.result(60)
            assert reader.store._table.snapshot().version > version

    def test_a_batch_under_way_is_not_taken_for_refuse(
        self, new_parts: PartsMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mover, rewriter = new_parts(), new_parts()
        _fill(mover, 2)
        rewriting = threading.Thread(target=lambda: rewriter.store.rewrite(everything=True))
        real = LakeTable.commit

        def commit(table: LakeTable, added: Sequence[DataFile], **named: Any) -> None:
            if table is mover.store._table:
                # The file is written, and belongs to no version yet.
                rewriting.start()
                rewriting.join(1)
            real(table, added, **named)

        monkeypatch.setattr(LakeTable, "commit", commit)
        mover.move_line(line(9))
        rewriting.join(60)
        assert not rewriting.is_alive()
        assert mover.ids() == [1, 2, 9, 1001, 1002]

    def test_compaction_and_mover_both_survive(self, new_parts: PartsMaker) -> None:
        parts = new_parts(compact_files=2)
        process = subprocess.Popen(
            child_command(parts.folder, "write_and_move", "40"),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        rewrites = 0
        while process.poll() is None:
            rewrites += parts.store.needs_rewrite()
            parts.store.rewrite(everything=True)
        output = process.communicate()[0].split()
        assert process.returncode == 0
        assert rewrites > 1
        stored = [row[0] for row in parts.store.query("select event_id from events order by id")]
        assert stored == output == [f"m{number}" for number in range(40)]
        assert parts.store.last_batch() == 40

    def test_one_rewriter_at_a_time(self, new_parts: PartsMaker) -> None:
        first, second = new_parts(compact_files=2), new_parts(compact_files=2)
        _fill(first, 2)
        with first.store._rewriter._lock:
            assert not second.store.needs_rewrite()
        assert second.store.needs_rewrite()


class TestErasure:
    """Deleted events leave the disk."""

    @pytest.fixture
    def marked(self, parts: Parts) -> Parts:
        """Marked events of site 1 and visitor 7 at every place that events can be."""
        for number in range(3):
            parts.journal.append([entry(1, visitor=7, event_id=f"{MARKER}{number}", pathname=MARKER)])
            parts.journal.append([entry(1, visitor=8), entry(2, visitor=7, user_id="other")])
            if number < 2:
                parts.journal.close_file()
            if number < 1:
                parts.mover.move_all()
        assert parts.count() == 9
        return parts

    @staticmethod
    def _finish(parts: Parts) -> None:
        parts.journal.close_file()
        parts.mover.tick()
        parts.age_tombstones()
        assert parts.store.needs_rewrite()
        parts.store.rewrite()

    def test_a_site(self, marked: Parts) -> None:
        assert len(_traces(marked, MARKER)) >= 3
        marked.deletion.delete_site(1)
        assert marked.count() == 3
        self._finish(marked)
        assert marked.store.query("select distinct site_id, user_id from events") == [(2, "other")]
        assert marked.count() == 3
        assert _traces(marked, MARKER) == []
        assert list(marked.tombstones.path.iterdir()) == []
        assert not marked.store.needs_rewrite()

    def test_a_visitor(self, marked: Parts) -> None:
        marked.deletion.delete_visitor(1, 7)
        assert marked.count() == 6
        marked.journal.append([entry(1, visitor=7, pathname="again")])
        assert marked.count() == 7
        self._finish(marked)
        assert marked.count() == 7
        rows = marked.store.query("select pathname from events where site_id = 1 and user_hash = 7")
        assert rows == [("again",)]
        # Event ids stay known for a day, lest the same event comes in again.
        assert [name for name in _traces(marked, MARKER) if not name.startswith("receipts.db")] == []

    def test_not_before_the_journal_is_empty_of_it(self, clocks: Clocks, marked: Parts) -> None:
        marked.deletion.delete_site(1)
        clocks.move(60)
        # The open file was born before the deletion.
        assert not marked.store.needs_rewrite()
        marked.store.rewrite()
        assert len(marked.tombstones.all()) == 1
        self._finish(marked)
        assert marked.tombstones.all() == []

    def test_not_while_a_worker_may_still_know_the_site(self, parts: Parts, clocks: Clocks) -> None:
        parts.deletion.delete_site(1)
        clocks.move(1.9)
        assert not parts.store.needs_rewrite()
        clocks.move(0.2)
        assert parts.store.needs_rewrite()

    def test_replaced_files_go_after_their_time(self, new_parts: PartsMaker) -> None:
        parts = new_parts(erase_hours=1)
        parts.move_line(line(1, 1, pathname=MARKER), line(2, 2))
        parts.deletion.delete_site(1)
        parts.age_tombstones()
        parts.store.rewrite()
        assert len(_traces(parts, MARKER)) == 1
        assert parts.tombstones.all() == []
        assert len(parts.tombstones.erased()) == 1
        assert not parts.store.needs_rewrite()
        for path in parts.tombstones.path.iterdir():
            path.write_text(path.read_text().replace('"created_ms": ', '"created_ms": -'))
        assert parts.store.needs_rewrite()
        later = new_parts(erase_hours=0)
        later.store.rewrite()
        assert _traces(parts, MARKER) == []
        assert list(parts.tombstones.path.iterdir()) == []
        assert parts.ids() == [2]

    def test_files_without_such_events_are_not_touched(self, parts: Parts) -> None:
        parts.move_line(line(1, 1))
        parts.move_line(line(2, 2), line(3, 9))
        parts.move_line(line(4, 4))
        before = set(parts.files())
        parts.deletion.delete_site(4)
        parts.age_tombstones()
        parts.store.rewrite()
        # Site 4 lies within 2 to 9, but no event of it is in there.
        assert set(parts.files()) == {path for path in before if path in parts.files()}
        assert parts.ids() == [1, 2, 3]
        assert len(parts.files()) == 2

    @pytest.mark.parametrize("point", ["rewrite:before-tidy"])
    def test_a_crash_in_the_middle(self, parts: Parts, point: str) -> None:
        parts.move_line(line(1, 1, pathname=MARKER), line(2, 2))
        parts.deletion.delete_site(1)
        parts.age_tombstones()
        run_child(parts.folder, "rewrite", crash_at=point, code=-9)
        assert parts.ids() == [2]
        parts.store.rewrite()
        assert _traces(parts, MARKER) == []
        assert list(parts.tombstones.path.iterdir()) == []
