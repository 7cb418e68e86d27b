"""ClickHouse as a cluster: of that only the statements can be tested here, with a server that notes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rybbit.config import EventsAddress, parse_events_url
from rybbit.errors import Unavailable
from rybbit.store import clickhouse, clickhouse_rewrite
from rybbit.store.clickhouse_query import query_settings
from rybbit.store.clickhouse_tables import COLUMN_NAMES, Tables
from tests.store.clickhouse_parts import make_clickhouse_parts
from tests.store.conftest import Clocks
from tests.store.parts import Parts, line

URL = "clickhouse://host/stats?cluster=main"
LOCAL = "`stats`.rybbit_events_local"
SPREAD = "`stats`.rybbit_events"


class _Sent(NamedTuple):
    sql: str
    settings: Mapping[str, Any]
    parameters: Mapping[str, Any]


class _Recorder:
    """In the place of `ClickHouseServer`: notes what it is sent, and answers what the test put into it."""

    def __init__(self, address: EventsAddress) -> None:
        self.address = address
        self.sent: list[_Sent] = []
        self.columns: dict[str, list[str]] = {}
        self.databases: list[tuple[Any, ...]] = [(1,)]
        self.under_way: list[tuple[Any, ...]] = []
        self.left = 0

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None, **_: Any) -> list[tuple[Any, ...]]:
        self.sent.append(_Sent(sql, {}, parameters or {}))
        if "system.databases" in sql:
            return self.databases
        if "system.columns" in sql:
            table = (parameters or {})["table"]
            return [(name,) for name in self.columns.get(table, COLUMN_NAMES)]
        if "system.mutations" in sql:
            return self.under_way
        if "max(number)" in sql:
            return [(0,)]
        return [(self.left,)] if "count(*)" in sql else []

    def run(self, sql: str, settings: Mapping[str, Any] | None = None) -> None:
        self.sent.append(_Sent(sql, settings or {}, {}))
        # Or what never ends would hang here.
        assert len(self.sent) < 1000

    def insert(self, table: str, columns: Sequence[str], data: bytes, settings: Mapping[str, Any]) -> None:
        self.sent.append(_Sent(f"insert into {table} ({', '.join(columns)})", settings, {}))

    def close(self) -> None:
        pass

    def starting(self, *words: str) -> list[_Sent]:
        return [each for each in self.sent if each.sql.startswith(words)]


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(clickhouse, "ClickHouseServer", _Recorder)
    parts = make_clickhouse_parts(tmp_path, url=URL)
    yield parts
    parts.close()


@pytest.fixture
def server(parts: Parts) -> _Recorder:
    assert isinstance(parts.store, clickhouse.ClickHouseStore)
    assert isinstance(parts.store._server, _Recorder)
    return parts.store._server


@pytest.fixture
def pauses(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the eraser paused, each time; the clock goes on by that much."""
    found: list[float] = []

    def sleep(seconds: float) -> None:
        found.append(seconds)
        clocks.move(seconds)

    monkeypatch.setattr("time.sleep", sleep)
    return found


class TestTables:
    """What makes them."""

    def test_their_engines(self) -> None:
        tables = Tables(parse_events_url(URL))
        local, batches, _, spread = tables.statements()
        assert f"{LOCAL} on cluster 'main' (" in local
        path = "'/clickhouse/tables/{shard}/stats/rybbit_events_local', '{replica}'"
        assert f"engine = ReplicatedMergeTree({path}) partition by" in local
        assert "replicated_deduplication_window = " in local
        path = "'/clickhouse/tables/all/stats/rybbit_batches', '{shard}-{replica}', number"
        assert f"ReplicatedReplacingMergeTree({path})" in batches
        assert f"{SPREAD} on cluster 'main' as {LOCAL}" in spread
        assert "Distributed('main', 'stats', 'rybbit_events_local', cityHash64(site_id, user_hash))" in spread

    def test_all_are_made_on_every_node(self, parts: Parts, server: _Recorder) -> None:
        server.databases = []
        assert parts.store.is_well()
        first, *others = server.starting("create")
        assert first.sql == "create database if not exists `stats` on cluster 'main'"
        names = ("rybbit_events_local", "rybbit_batches", "rybbit_erasures", "rybbit_events")
        begins = [f"create table if not exists `stats`.{name} on cluster 'main' " for name in names]
        assert [each.sql[: len(begin)] for each, begin in zip(others, begins, strict=True)] == begins

    def test_a_database_that_is_there_is_not_made(self, parts: Parts, server: _Recorder) -> None:
        """Who may not make databases is given one."""
        assert parts.store.is_well()
        assert server.starting("create database") == []

    @pytest.mark.parametrize("at", [["rybbit_events"], ["rybbit_events_local", "rybbit_events"]])
    def test_columns_are_added_to_the_shards_first(
        self, parts: Parts, server: _Recorder, at: list[str]
    ) -> None:
        """And to what spreads them, where somebody died before that."""
        server.columns = {table: [name for name in COLUMN_NAMES if name != "ttfb"] for table in at}
        assert parts.store.is_well()
        rest = "on cluster 'main' add column if not exists ttfb Nullable(Float64)"
        assert [each.sql for each in server.starting("alter")] == [
            f"alter table {table} {rest}" for table in (LOCAL, SPREAD)
        ]


class TestBatches:
    """What ships events."""

    def test_they_are_with_the_shards_when_it_is_said(self, parts: Parts, server: _Recorder) -> None:
        path = parts.journal_folder.path / parts.store_line(line(1))
        assert parts.store.commit_batch(1, [path]) == 1
        (events,) = server.starting(f"insert into {SPREAD} (id, ")
        assert events.settings["distributed_foreground_insert"] == 1
        assert events.settings["insert_deduplicate"] == 1
        assert events.settings["insert_deduplication_token"].endswith("-202603")
        assert len(server.starting("insert into `stats`.rybbit_batches (writer, ")) == 1


class TestErasure:
    """What deletes events on every node."""

    @pytest.fixture(autouse=True)
    def deleted(self, parts: Parts) -> None:
        parts.tombstones.add(1)
        parts.age_tombstones()

    def test_a_deletion_goes_to_all_and_is_seen_on_all(
        self, parts: Parts, server: _Recorder, pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.left = 5

        def run(sql: str, settings: Mapping[str, Any] | None = None) -> None:
            server.sent.append(_Sent(sql, settings or {}, {}))
            server.left = 0 if sql.startswith("alter") else server.left

        monkeypatch.setattr(server, "run", run)
        parts.store.rewrite()
        (alter,) = server.starting("alter")
        assert alter.sql == f"alter table {LOCAL} on cluster 'main' delete where site_id = 1"
        assert alter.settings == {"mutations_sync": 0}
        mutations = [each for each in server.sent if "system.mutations" in each.sql]
        assert {each.parameters["table"] for each in mutations} == {"rybbit_events_local"}
        asked = [each.sql for each in server.sent if "mutations where" in each.sql or "count(*)" in each.sql]
        # In an answer of one replica another could still have them.
        assert not [sql for sql in asked if "from clusterAllReplicas('main', " not in sql]
        assert f"select count(*) from clusterAllReplicas('main', {LOCAL}) where site_id = 1" in asked
        assert (parts.tombstones.all(), pauses) == ([], [0.2])

    def test_a_node_at_work_is_waited_for(self, parts: Parts, server: _Recorder, pauses: list[float]) -> None:
        server.left = 5
        server.under_way = [(1,)]
        with pytest.raises(Unavailable, match="still deleting"):
            parts.store.rewrite()
        assert server.starting("alter") == []
        assert sum(pauses) == pytest.approx(clickhouse_rewrite._PATIENCE_SECONDS)
        assert len(parts.tombstones.all()) == 1

    def test_what_does_not_go_is_asked_for_ever_more_seldom_and_given_up(
        self, parts: Parts, server: _Recorder, pauses: list[float]
    ) -> None:
        """As when a shard is slow, and nobody says that it is at work."""
        server.left = 5
        with pytest.raises(Unavailable, match="still deleting"):
            parts.store.rewrite()
        # The last one is followed by the end in place of a pause.
        assert len(server.starting("alter")) == len(pauses) + 1 < 15
        assert sum(pauses) == pytest.approx(clickhouse_rewrite._PATIENCE_SECONDS)
        assert len(parts.tombstones.all()) == 1


def test_queries_ask_all_shards_for_visits() -> None:
    assert query_settings(seconds=None, in_cluster=True)["distributed_product_mode"] == "global"
    assert "distributed_product_mode" not in query_settings(seconds=None, in_cluster=False)
