"""The tables in ClickHouse: what they hold, and the statements that make them.

`rybbit_events` holds the events. Beside the columns of `event.py` it has `batch_id`, which says by which
machine and with which batch a row came. `rybbit_batches` has the last finished batch of each machine, written
after all of its rows, and `rybbit_erasures` what was deleted. In a cluster all are replicated, and the events
are spread over its shards.
"""

from collections.abc import Iterator

from rybbit.config import EventsAddress
from rybbit.store.clickhouse_server import ClickHouseServer
from rybbit.store.event import COLUMNS, REQUIRED, Column, Kind

# The default remembers no insert at all, and a token would be ignored. Two a second for hours.
_WINDOW = 20_000
_WINDOW_SECONDS = 7 * 24 * 3600
_MANY_VALUES = frozenset(
    {
        *("user_id", "event_id", "pathname", "querystring", "url_parameters", "page_title"),
        *("referrer", "event_name", "properties", "ip"),
    }
)
_TYPES = {
    Kind.IDENTIFIER: "Int64",
    Kind.INTEGER: "Int32",
    Kind.NUMBER: "Float64",
    Kind.TEXT: "String",
    Kind.TIME: "DateTime64(3, 'UTC')",
}
_CODECS = {Kind.IDENTIFIER: "Delta, ZSTD(1)", Kind.TIME: "Delta, ZSTD(1)"}

ERASURES_DAYS = 90
"""So long may a machine be away with events in its journal, and still be told what was deleted."""

COLUMN_NAMES = tuple(column.name for column in COLUMNS)
"""The columns of an event, in their order."""


def _type(column: Column) -> str:
    # Null where there is nothing, as in the lake: a text that is there and empty stays another thing.
    name = _TYPES[column.kind]
    name = name if column.name in REQUIRED else f"Nullable({name})"
    return f"LowCardinality({name})" if _has_few_values(column) else name


def _has_few_values(column: Column) -> bool:
    return column.kind is Kind.TEXT and column.name not in _MANY_VALUES


def _sent_type(column: Column) -> str:
    """The type in a line of the journal, which may lack everything."""
    if column.kind is Kind.TIME:
        return "Nullable(Int64)"
    kind = f"Nullable({_TYPES[column.kind]})"
    return f"LowCardinality({kind})" if _has_few_values(column) else kind


LINE_STRUCTURE = ", ".join(f"{column.name} {_sent_type(column)}" for column in COLUMNS)
"""The columns of a line of the journal, in ClickHouse's words."""


class Tables:
    """The tables of one database; each name is whole, so that none depends on a current database."""

    def __init__(self, address: EventsAddress) -> None:
        self._address = address
        database = address.database
        self.events = f"`{database}`.rybbit_events"
        self.batches = f"`{database}`.rybbit_batches"
        self.erasures = f"`{database}`.rybbit_erasures"
        # Where the rows really lie, which a cluster's shards have under another name.
        self.stored_name = "rybbit_events_local" if address.cluster else "rybbit_events"
        self.stored = f"`{database}`.{self.stored_name}"
        self.on_cluster = f" on cluster '{address.cluster}'" if address.cluster else ""

    def make(self, server: ClickHouseServer) -> None:
        """Make what is missing; any number of processes may do so at once.

        Raises:
            Unavailable: the server does not answer, or does not let us.
        """
        database = self._address.database
        known = server.rows(
            "select 1 from system.databases where name = {database:String}", {"database": database}
        )
        if not known:
            server.run(f"create database if not exists `{database}`{self.on_cluster}")
        for statement in self.statements():
            server.run(statement)
        self._add_columns(server)

    def on_all_nodes(self, table: str) -> str:
        """A table as every node has it, those of the replicas too; without a cluster there is one."""
        return f"clusterAllReplicas('{self._address.cluster}', {table})" if self._address.cluster else table

    def statements(self) -> Iterator[str]:
        """What makes the tables."""
        yield (
            f"create table if not exists {self.stored}{self.on_cluster} ({_columns()})"
            f" engine = {self._engine('MergeTree', '{shard}', self.stored_name)}"
            " partition by toYYYYMM(timestamp) order by (site_id, timestamp)"
            f" settings {self._window()}"
        )
        yield (
            f"create table if not exists {self.batches}{self.on_cluster}"
            " (writer Int64, number Int64, events Int64, finished DateTime64(3, 'UTC'))"
            # Every node has all of it, so that it does not matter which one is asked.
            f" engine = {self._engine('ReplacingMergeTree', 'all', 'rybbit_batches', 'number')}"
            " order by writer"
        )
        yield (
            f"create table if not exists {self.erasures}{self.on_cluster}"
            " (name String, site_id Int64, user_hash Nullable(Int64), last_id Nullable(Int64),"
            " said DateTime('UTC'))"
            f" engine = {self._engine('ReplacingMergeTree', 'all', 'rybbit_erasures')} order by name"
            # A number can be all that anybody knows of a visitor, so it goes as well.
            f" ttl said + interval {ERASURES_DAYS} day"
        )
        if self._address.cluster:
            yield (
                f"create table if not exists {self.events}{self.on_cluster} as {self.stored}"
                f" engine = Distributed('{self._address.cluster}', '{self._address.database}',"
                # A visitor's events lie together.
                f" '{self.stored_name}', cityHash64(site_id, user_hash))"
            )

    def _engine(self, kind: str, shard: str, table: str, argument: str = "") -> str:
        if not self._address.cluster:
            return f"{kind}({argument})"
        replica = "{replica}" if shard == "{shard}" else "{shard}-{replica}"
        path = f"/clickhouse/tables/{shard}/{self._address.database}/{table}"
        arguments = [f"'{path}'", f"'{replica}'", *([argument] if argument else [])]
        return f"Replicated{kind}({', '.join(arguments)})"

    def _window(self) -> str:
        if not self._address.cluster:
            return f"non_replicated_deduplication_window = {_WINDOW}"
        return (
            f"replicated_deduplication_window = {_WINDOW},"
            f" replicated_deduplication_window_seconds = {_WINDOW_SECONDS}"
        )

    def _add_columns(self, server: ClickHouseServer) -> None:
        """Bring tables that an earlier version made up to this one."""
        found = server.rows(
            "select name from system.columns where database = {database:String} and table = {table:String}",
            # In a cluster the last that gets a column: who has it tells that the shards have it.
            {"database": self._address.database, "table": "rybbit_events"},
        )
        known = {row[0] for row in found}
        targets = dict.fromkeys((self.stored, self.events))
        for column in COLUMNS:
            if column.name not in known:
                for table in targets:
                    server.run(
                        f"alter table {table}{self.on_cluster}"
                        f" add column if not exists {column.name} {_type(column)}"
                    )


def _columns() -> str:
    columns = [f"{column.name} {_type(column)} codec({_codec(column)})" for column in COLUMNS]
    return ", ".join(
        [
            *columns,
            "batch_id Int64 codec(ZSTD(1))",
            # Ids grow with the moment of receipt: what came lately lies in few pieces.
            "index id_range id type minmax granularity 1",
            "index batch_range batch_id type minmax granularity 1",
        ]
    )


def _codec(column: Column) -> str:
    return _CODECS.get(column.kind, "ZSTD(1)")
