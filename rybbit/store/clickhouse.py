"""Events in ClickHouse, for when one machine is not enough.

The relation `events` is the table and the lines of this machine's journal that are not in it yet, which are
sent along with each query. Other machines' events are there when their movers have shipped them.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rybbit.config import EventsAddress, parse_events_url
from rybbit.errors import Unavailable
from rybbit.faults import crash_point
from rybbit.locks import FileLock
from rybbit.store.base import EVERYTHING, Scope
from rybbit.store.clickhouse_batch import Piece, pieces_of
from rybbit.store.clickhouse_erasures import Erasures
from rybbit.store.clickhouse_journal import FilesChanged, View, look
from rybbit.store.clickhouse_progress import Progress
from rybbit.store.clickhouse_query import Statement, compose, query_settings, with_visits
from rybbit.store.clickhouse_rewrite import Eraser
from rybbit.store.clickhouse_server import BadPattern, ClickHouseServer
from rybbit.store.clickhouse_tables import COLUMN_NAMES, Tables
from rybbit.store.clickhouse_turns import Turns
from rybbit.store.deadline import Deadline
from rybbit.store.export import ByteStream, Form, Selection
from rybbit.store.export_pages import export_by_pages
from rybbit.store.journal_files import JournalFolder
from rybbit.store.lake_lines import open_engine
from rybbit.store.options import StoreOptions
from rybbit.store.tombstones import Tombstones
from rybbit.store.visit import Visits

logger = logging.getLogger(__name__)

_LOOKS = 50
_HEALTH_SECONDS = 3
_ONE_BLOCK = 2**40
# A piece goes in as one block, or a retry would find half of it; and is there when we are told so.
_INSERT_SETTINGS = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "max_insert_block_size": _ONE_BLOCK,
    "min_insert_block_size_rows": _ONE_BLOCK,
    "min_insert_block_size_bytes": _ONE_BLOCK,
    "max_insert_threads": 1,
}
_CLUSTER_SETTINGS = {"distributed_foreground_insert": 1}


@dataclass(frozen=True, kw_only=True)
class ClickHouseOptions(StoreOptions):
    """Where ClickHouse is, with its password; `folder` is for this machine's notes and temporary files."""

    url: str


class ClickHouseStore:
    """Events on a server that several machines share."""

    def __init__(self, options: ClickHouseOptions) -> None:
        self._options = options
        self._address: EventsAddress = parse_events_url(options.url)
        self._server = ClickHouseServer(self._address)
        self._tables = Tables(self._address)
        self._progress = Progress(options.folder)
        self._journal = JournalFolder(options.journal)
        self._tombstones = Tombstones(options.tombstones)
        self._erasures = Erasures(self._server, self._tables, self._tombstones, options.folder)
        self._eraser = Eraser(
            self._server,
            self._tables,
            self._journal,
            self._tombstones,
            self._erasures,
            FileLock(options.folder / "rewrite.lock"),
        )
        self._deadline = Deadline()
        self._health = Deadline()
        self._turns = Turns()
        self._is_ready = False
        self._is_compared = False

    def close(self) -> None:
        """See `EventStore.close`."""
        self._server.close()

    @property
    def first_of_ms(self) -> int:
        """See `EventStore.first_of_ms`."""
        return self._progress.first_of_ms

    def _make_ready(self) -> None:
        """Make the tables, with the first statement of the process; it may be started without a server."""
        if not self._is_ready:
            self._tables.make(self._server)
            self._is_ready = True

    def last_batch(self) -> int:
        """See `EventStore.last_batch`; the caller holds the mover's lock."""
        known = self._progress.known()
        if known is not None and self._is_compared and known.begun == known.finished:
            return known.finished
        # Somebody died before the note, or the folder is older than the table: a backup, or a new one.
        stored = self._stored_batch()
        finished = known.finished if known else 0
        if known is None or stored > finished:
            self._progress.finish(stored)
        self._is_compared = True
        return max(stored, finished)

    def _stored_batch(self) -> int:
        """The last batch that ClickHouse calls finished; a replica may be behind."""
        self._make_ready()
        sql = f"select max(number) from {self._tables.batches} where writer = {self._progress.writer:d}"
        return int(self._server.rows(sql)[0][0])

    def commit_batch(self, number: int, paths: Sequence[Path]) -> int:
        """See `EventStore.commit_batch`."""
        if number <= self.last_batch():
            return 0
        self._make_ready()
        batch_id = self._progress.batch_id(number)
        folder = self._options.folder / "batch"
        with pieces_of(paths, batch_id=batch_id, folder=folder, memory=self._options.memory) as pieces:
            known = self._progress.known()
            stored = self._stored_rows(batch_id, pieces) if known and known.begun == number else {}
            self._progress.begin(number)
            for piece in pieces:
                if stored.get(piece.month, 0) < piece.rows:
                    self._insert(piece, batch_id)
                crash_point("clickhouse:piece-stored")
            events = sum(piece.rows for piece in pieces)
        self._mark_finished(number, events)
        return events

    def _stored_rows(self, batch_id: int, pieces: Sequence[Piece]) -> dict[int, int]:
        """How many events of a batch are in already, by month: of a try whose end nobody saw."""
        months = ", ".join(f"{piece.month:d}" for piece in pieces)
        if not months:
            return {}
        sql = (
            f"select toYYYYMM(timestamp) as month, count(*) from {self._tables.events}"
            f" where batch_id = {batch_id:d} and toYYYYMM(timestamp) in ({months}) group by month"
        )
        return {int(month): int(rows) for month, rows in self._server.rows(sql)}

    def _insert(self, piece: Piece, batch_id: int) -> None:
        settings = {
            **_INSERT_SETTINGS,
            # Of two inserts with one token the second does nothing: a first try may still be under way.
            "insert_deduplication_token": f"{batch_id}-{piece.month}",
            **(_CLUSTER_SETTINGS if self._address.cluster else {}),
        }
        columns = (*COLUMN_NAMES, "batch_id")
        self._server.insert(self._tables.events, columns, piece.path.read_bytes(), settings)

    def _mark_finished(self, number: int, events: int) -> None:
        self._server.run(
            f"insert into {self._tables.batches} (writer, number, events, finished)"
            f" select {self._progress.writer:d}, {number:d}, {events:d}, now64(3)",
            {"async_insert": 0},
        )
        crash_point("clickhouse:batch-marked")
        # Before the files go: events of what others have deleted may have been among them.
        self._erasures.hear()
        self._progress.finish(number)

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        scope: Scope = EVERYTHING,
        visits: Visits | None = None,
        seconds: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """See `EventStore.query`.

        Raises:
            TooSlow: it takes longer than it may.
            Unavailable: the server does not answer.
        """
        with self._turns.turn():
            statement = self._statement(
                sql if visits is None else with_visits(sql, visits), parameters or {}, scope
            )
            return self._ask(statement, seconds)

    def _ask(self, statement: Statement, seconds: float | None) -> list[tuple[Any, ...]]:
        settings = query_settings(seconds=seconds, in_cluster=bool(self._address.cluster))

        def ask() -> list[tuple[Any, ...]]:
            return self._server.rows(
                statement.sql, statement.parameters, tables=statement.tables, settings=settings
            )

        # The server gives it up as well, but looks for that between two lots of rows only.
        return ask() if seconds is None else self._deadline.run(ask, seconds=seconds)

    def _statement(self, sql: str, parameters: Mapping[str, Any], scope: Scope) -> Statement:
        self._make_ready()
        return compose(
            sql,
            parameters,
            view=self._view(scope),
            stored=self._tables.events,
            last_id=self._progress.last_id,
            scope=scope,
            all_inline=self._address.is_in_process,
        )

    def _view(self, scope: Scope) -> View:
        for _ in range(_LOOKS):
            if self._progress.known() is None:
                self._progress.assume(self._stored_batch())
            try:
                return look(self._journal, self._tombstones, self._progress, scope)
            except FilesChanged:
                logger.debug("The journal changed under a query; looking again")
        raise TimeoutError("The journal kept changing while a query looked at it")

    def export(self, selection: Selection, form: Form) -> ByteStream:
        """See `EventStore.export`; what comes in while it is read may be in it or not."""
        settings = query_settings(seconds=None, in_cluster=bool(self._address.cluster))

        def ask(sql: str, parameters: Mapping[str, Any]) -> bytes:
            with self._turns.turn():
                page = self._statement(sql, parameters, selection.scope)
                return self._server.lines(page.sql, page.parameters, tables=page.tables, settings=settings)

        spill = self._options.folder / "export.spill"
        engine = open_engine(memory=self._options.memory, threads=1, spill=spill)
        return export_by_pages(ask, selection, form, engine=engine)

    def accepts_pattern(self, pattern: str) -> bool:
        """See `EventStore.accepts_pattern`."""
        try:
            with self._turns.turn():
                self._server.rows("select match('', {pattern:String})", {"pattern": pattern})
        except BadPattern:
            return False
        return True

    def is_well(self) -> bool:
        """See `EventStore.is_well`; a server that takes long to say so is not."""
        try:
            self._health.run(self._greet, seconds=_HEALTH_SECONDS)
        except Unavailable:
            return False
        return True

    def _greet(self) -> None:
        self._make_ready()
        self._server.rows("select 1")

    def needs_rewrite(self) -> bool:
        """See `EventStore.needs_rewrite`."""
        return self._eraser.is_due()

    def rewrite(self, *, everything: bool = False) -> None:
        """See `EventStore.rewrite`; merging is ClickHouse's own business, whatever `everything` says."""
        self._make_ready()
        self._eraser.run()

    def describe(self) -> dict[str, Any]:
        """See `EventStore.describe`; of a cluster, what lies on the node that answers."""
        described = {"engine": "clickhouse", "address": str(self._address)}
        names = {"database": self._address.database, "table": self._tables.stored_name}
        try:
            version, parts, events, size = self._server.rows(
                "select version(), count(*), sum(rows), sum(bytes_on_disk) from system.parts"
                " where database = {database:String} and table = {table:String} and active",
                names,
            )[0]
        except Unavailable:
            return {**described, "reachable": False}
        figures = {"files": int(parts), "bytes": int(size), "events": int(events)}
        return {**described, "reachable": True, "version": version, **figures}
