"""Files of events that are wide: neither writing nor reading them takes more memory than there is."""

import random
from pathlib import Path

import duckdb
import pytest

from rybbit.config import MIB, Config
from tests.store.parts import NOON_MS, Parts, PartsMaker, line


def _keys(path: Path) -> list[tuple[int, object, int]]:
    """What the events of a data file are sorted by, in their order there."""
    sql = "select site_id, timestamp, id from read_parquet($path)"
    return duckdb.execute(sql, {"path": str(path)}).fetchall()


class TestWideEvents:
    """Events of kilobytes, more of them than memory holds."""

    FILES, EVENTS, WIDTH = 8, 500, 40_000

    @pytest.fixture
    def wide(self, new_parts: PartsMaker) -> Parts:
        parts = new_parts(memory="150MB", compact_files=self.FILES)
        for file in range(self.FILES):
            first = file * self.EVENTS + 1
            lines = (self._line(number) for number in range(first, first + self.EVENTS))
            parts.move_line(*lines)
        return parts

    def _line(self, number: int) -> bytes:
        # Two sites, and the later files have the earlier times.
        return line(
            number, number % 2 + 1, timestamp=NOON_MS - number, properties=f"{number:08d}" * (self.WIDTH // 8)
        )

    def _check(self, parts: Parts, ids: set[int]) -> None:
        files = parts.store._table.snapshot().files
        rows = [_keys(parts.folder / "events" / file.path) for file in files]
        assert all(each == sorted(each) for each in rows)
        assert sorted(row[2] for each in rows for row in each) == sorted(ids)

    def test_compaction_writes_several_files_and_comes_to_an_end(self, wide: Parts) -> None:
        everything = set(range(1, self.FILES * self.EVENTS + 1))
        assert wide.store.needs_rewrite()
        wide.store.rewrite()
        assert {path.name.partition("-")[0] for path in wide.files()} == {"wide"}
        assert not wide.store.needs_rewrite()
        self._check(wide, everything)

    def test_erasure_needs_memory_for_a_few_events(self, wide: Parts) -> None:
        wide.store.rewrite()
        gone = {7, 8, self.EVENTS * 3}
        for number in gone:
            wide.tombstones.add(number % 2 + 1, user_hash=number, last_id=2**62)
        wide.age_tombstones()
        wide.store.rewrite()
        assert wide.tombstones.all() == []
        self._check(wide, set(range(1, self.FILES * self.EVENTS + 1)) - gone)

    def test_a_batch_of_them_is_committed_in_one_step(self, new_parts: PartsMaker) -> None:
        parts = new_parts(memory="150MB")
        lines = [self._line(number) for number in range(1, 2_001)]
        parts.move_line(*lines)
        assert {path.name.partition("-")[0] for path in parts.files()} == {"wide"}
        assert parts.store.last_batch() == 1
        self._check(parts, set(range(1, 2_001)))


def test_the_longest_texts_neither_stop_erasure_nor_hide_events(new_parts: PartsMaker) -> None:
    parts = new_parts(memory=Config.query_memory, threads=8)
    chance = random.Random(1)
    fields = ("pathname", "querystring", "page_title", "properties")
    for first in range(1, 40_001, 5_000):
        parts.move_line(
            *(
                line(number, 1, **{field: chance.randbytes(1_000).hex() for field in fields})
                for number in range(first, first + 5_000)
            )
        )
    parts.store.rewrite(everything=True)
    parts.tombstones.add(1, user_hash=7, last_id=40_000)
    parts.age_tombstones()
    parts.store.rewrite()
    assert parts.tombstones.all() == []
    groups = (
        "select sum(total_uncompressed_size) from parquet_metadata($paths) group by file_name, row_group_id"
    )
    paths = [str(path) for path in parts.files()]
    assert max(size for (size,) in duckdb.execute(groups, {"paths": paths}).fetchall()) < 48 * MIB
    for field in fields:
        distinct = f"select count(*) from (select {field} from events group by {field})"
        assert parts.store.query(distinct) == [(39_999,)]
