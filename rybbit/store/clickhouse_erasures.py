"""Deletions that the machines which share a ClickHouse tell each other.

Events of a deleted site or visitor may wait in the journal of a machine that knows nothing of it, and come in
after they were erased. So who erases says in a table what, and who has shipped a batch does the same with
what others have said since: hides it, and erases it once more.
"""

from collections.abc import Sequence
from pathlib import Path

from rybbit.store.clickhouse_server import ClickHouseServer
from rybbit.store.clickhouse_tables import ERASURES_DAYS, Tables
from rybbit.store.journal_files import sync_folder
from rybbit.store.tombstones import Tombstone, Tombstones

# What is told again is not told on.
_HEARD = "heard-"

_SAID = """
select name, site_id, user_hash, last_id from {table}
where said >= now() - interval {days} day order by said, name
"""


class Erasures:
    """The table of them, and the names of those that this machine has heard of."""

    def __init__(
        self, server: ClickHouseServer, tables: Tables, tombstones: Tombstones, folder: Path
    ) -> None:
        self._server = server
        self._tables = tables
        self._tombstones = tombstones
        self._path = folder / "erasures"

    def tell(self, tombstones: Sequence[Tombstone]) -> None:
        """Say what is about to be erased; saying it twice does nothing.

        What is too old is not told: every machine knows that by itself, and as a deletion without an end
        it would be one of the whole site.
        """
        own = [each for each in tombstones if not each.name.startswith(_HEARD) and each.before_ms is None]
        if not own:
            return
        rows = ", ".join(
            f"('{each.name}', {each.site_id:d}, {_number(each.user_hash)}, {_number(each.last_id)}, now())"
            for each in own
        )
        self._server.run(
            f"insert into {self._tables.erasures} (name, site_id, user_hash, last_id, said) values {rows}",
            {"async_insert": 0},
        )
        self._remember({each.name for each in own})

    def hear(self) -> None:
        """Hide what others have erased since the last time."""
        known = self._known()
        found = self._server.rows(_SAID.format(table=self._tables.erasures, days=ERASURES_DAYS))
        new = {row[0]: row for row in found if row[0] not in known}
        for name, site_id, user_hash, last_id in new.values():
            self._tombstones.add(site_id, user_hash=user_hash, last_id=last_id, name=f"{_HEARD}{name}")
        if new:
            # Only those that are still asked for, so that the file does not grow for ever.
            self._write({row[0] for row in found})

    def _known(self) -> set[str]:
        try:
            return set(self._path.read_text().split())
        except FileNotFoundError:
            return set()

    def _remember(self, names: set[str]) -> None:
        self._write(self._known() | names)

    def _write(self, names: set[str]) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_text("\n".join(sorted(names)))
        temporary.rename(self._path)
        sync_folder(self._path.parent)


def _number(value: int | None) -> str:
    return "null" if value is None else f"{value:d}"
