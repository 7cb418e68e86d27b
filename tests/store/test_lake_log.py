"""The log of the lake's table: shared between processes, shortened, and open to other tools."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable, QueryBuilder

from rybbit.store import lake_process, lake_table
from rybbit.store.event import COLUMNS
from rybbit.store.journal_files import sync_file
from rybbit.store.lake_table import DataFile
from tests.store.parts import NOON_MS, Parts, PartsMaker, line, run_child


def _actions(parts: Parts, kind: str) -> list[dict[str, Any]]:
    texts = [text for path in sorted(parts.log.glob("*.json")) for text in path.read_text().splitlines()]
    return [row[kind] for row in map(json.loads, texts) if kind in row]


class TestOtherProcesses:
    """Tables that others change."""

    def test_a_commit_of_another_process_is_seen(self, parts: Parts) -> None:
        parts.move_line(line(1))
        assert parts.count() == 1
        for number in (2, 3):
            parts.store_line(line(number))
            assert run_child(parts.folder, "move").stdout == "1\n"
            assert parts.count() == number
        assert parts.store.last_batch() == 3

    def test_a_checkpoint_that_another_process_is_writing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.move_line(line(1))
        following = parts.store.describe()["version"] + 1
        unfinished = parts.log / f"{following:020d}.checkpoint.parquet#1"
        unfinished.touch()
        synced: list[str] = []

        def sync(path: Path) -> None:
            if path.parent == parts.log:
                # It gets its name just when we come to it.
                unfinished.unlink(missing_ok=True)
            sync_file(path)
            synced.append(path.name)

        monkeypatch.setattr(lake_table, "sync_file", sync)
        parts.move_line(line(2))
        assert parts.ids() == [1, 2]
        assert f"{following:020d}.json" in synced

    def test_a_log_that_was_cut_behind_a_reader(self, new_parts: PartsMaker) -> None:
        writer, reader = new_parts(), new_parts()
        writer.move_line(line(1))
        assert reader.count() == 1
        for number in range(2, 6):
            writer.move_line(line(number))
        for _ in range(2):
            # The log goes up to a checkpoint that is old itself.
            writer.age_log()
            writer.store.rewrite(everything=True)
        assert not (writer.log / f"{2:020d}.json").exists()
        writer.move_line(line(6))
        assert reader.count() == writer.count() == 6
        assert reader.store.last_batch() == 6
        assert new_parts().count() == 6

    def test_a_log_in_which_everything_is_old_stays_readable(self, new_parts: PartsMaker) -> None:
        parts = new_parts()
        for number in range(1, 4):
            parts.move_line(line(number))
        for _ in range(3):
            parts.age_log()
            parts.store.rewrite(everything=True)
            parts.store._table.tidy(erase_hours=0)
            assert new_parts().ids() == [1, 2, 3]
        new_parts().move_line(line(4))
        assert parts.count() == 4

    def test_a_forked_child_without_deltalake_reads_the_same(self, parts: Parts) -> None:
        parts.move_line(line(1), line(2, 3))
        answer = lake_process.ask(parts.folder / "events", "read")
        snapshot = parts.store._table.snapshot()
        assert (answer["version"], answer["last_batch"]) == (snapshot.version, snapshot.last_batch)
        assert tuple(DataFile(*fields) for fields in answer["files"]) == snapshot.files
        with pytest.raises(OSError, match="status 1"):
            lake_process.ask(parts.folder / "events", "commit")


class TestOpenFormat:
    """The table belongs to its owner, whatever tool they use."""

    def test_plain_deltalake_reads_it(self, parts: Parts) -> None:
        parts.move_line(line(1, pathname="/ä"), line(2))
        parts.move_line(line(3))
        parts.store.rewrite(everything=True)
        parts.move_line(line(4))
        table = DeltaTable(str(parts.folder / "events"))
        assert [field.name for field in table.schema().fields] == [column.name for column in COLUMNS]
        assert table.transaction_version("rybbit-mover") == 3
        builder = QueryBuilder().register("events", table)
        rows = (
            builder.execute("select id, pathname, timestamp from events order by id")
            .read_all()
            .to_struct_array()
        )
        found = rows.to_pylist()
        assert [row["id"] for row in found] == [1, 2, 3, 4]
        assert found[0]["pathname"] == "/ä"
        assert found[0]["timestamp"].replace(tzinfo=UTC) == datetime(2026, 3, 1, 12, tzinfo=UTC)

    def test_the_log_tells_of_sites_and_times_only(self, parts: Parts) -> None:
        parts.move_line(line(1, 4, user_id="Zoë-7", pathname="/a"), line(2, 6, timestamp=NOON_MS + 250))
        parts.store.rewrite(everything=True)
        expected = {
            "numRecords": 2,
            "minValues": {"site_id": 4, "timestamp": "2026-03-01 12:00:00.000"},
            "maxValues": {"site_id": 6, "timestamp": "2026-03-01 12:00:00.250"},
            "nullCount": {"site_id": 0, "timestamp": 0},
        }
        stats = [json.loads(add["stats"]) for add in _actions(parts, "add")]
        assert stats == [expected] * len(stats)
        for path in parts.log.glob("*.parquet"):
            rows = duckdb.execute(
                "select add.stats from read_parquet($path) where add is not null", {"path": str(path)}
            ).fetchall()
            assert [json.loads(row[0]) for row in rows] == [expected]
        assert not any("Zoë-7".encode() in path.read_bytes() for path in parts.log.iterdir())
