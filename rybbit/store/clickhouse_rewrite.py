"""Erasing what is deleted from ClickHouse; it merges and tidies its parts by itself."""

import logging
import time
from collections.abc import Sequence

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.faults import crash_point
from rybbit.locks import FileLock
from rybbit.store.clickhouse_erasures import Erasures
from rybbit.store.clickhouse_server import ClickHouseServer
from rybbit.store.clickhouse_tables import Tables
from rybbit.store.journal_files import JournalFolder
from rybbit.store.tombstones import Tombstone, Tombstones, hidden_condition

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.2
# A mutation goes on by itself; who comes next finds it under way, or done.
_PATIENCE_SECONDS = 600


class Eraser:
    """Deletes events for good; one process of a machine at a time, while others insert and read."""

    def __init__(
        self,
        server: ClickHouseServer,
        tables: Tables,
        journal: JournalFolder,
        tombstones: Tombstones,
        erasures: Erasures,
        lock: FileLock,
    ) -> None:
        self._server = server
        self._tables = tables
        self._journal = journal
        self._tombstones = tombstones
        self._erasures = erasures
        self._lock = lock

    def is_due(self) -> bool:
        """Whether there is work, and nobody at it."""
        if not self._tombstones.ripe(self._journal) or not self._lock.acquire(blocking=False):
            return False
        self._lock.release()
        return True

    def run(self) -> None:
        """Delete what ripe tombstones hide, wait until it is gone, and forget them.

        Raises:
            Unavailable: the server does not answer, or takes longer than we wait; the rest is done later.
        """
        with self._lock:
            tombstones = self._tombstones.ripe(self._journal)
            if not tombstones:
                return
            self._erasures.tell(tombstones)
            until = clock.monotonic() + _PATIENCE_SECONDS
            self._wait(until)
            self._erase(tombstones, until)
            crash_point("clickhouse:erased")
            for tombstone in tombstones:
                self._tombstones.remove(tombstone)

    def _erase(self, tombstones: Sequence[Tombstone], until: float) -> None:
        pause = _PAUSE_SECONDS
        # Counted after each try: a batch of another machine may have come in meanwhile.
        while rows := self._count(tombstones):
            self._delete(tombstones)
            # Other nodes hear of it a moment later; each try costs them a pass over the table.
            self._pause(pause, until)
            pause *= 2
            self._wait(until)
            logger.info("Erased what was hidden of ClickHouse: %d rows", rows)

    def _count(self, tombstones: Sequence[Tombstone]) -> int:
        """The rows that are left; in a cluster on every replica, or a slow one would show them again."""
        table = self._tables.on_all_nodes(self._tables.stored)
        return int(
            self._server.rows(f"select count(*) from {table} where {hidden_condition(tombstones)}")[0][0]
        )

    def _delete(self, tombstones: Sequence[Tombstone]) -> None:
        # Not `delete from`, which would leave the rows on disk until their parts happen to be merged.
        self._server.run(
            f"alter table {self._tables.stored}{self._tables.on_cluster}"
            f" delete where {hidden_condition(tombstones)}",
            {"mutations_sync": 0},
        )

    def _wait(self, until: float) -> None:
        while self._is_under_way():
            self._pause(_PAUSE_SECONDS, until)

    def _pause(self, seconds: float, until: float) -> None:
        left = until - clock.monotonic()
        if left <= 0:
            raise Unavailable("ClickHouse is still deleting events; it is looked at again later")
        time.sleep(min(seconds, left))

    def _is_under_way(self) -> bool:
        mutations = self._tables.on_all_nodes("system.mutations")
        names = {"database": self._server.address.database, "table": self._tables.stored_name}
        return bool(
            self._server.rows(
                f"select 1 from {mutations} where database = {{database:String}} and table = {{table:String}}"
                " and not is_done limit 1",
                names,
            )
        )
