"""Files of events that may be more than memory holds: then several, each with a range of the order."""

import logging
from typing import TYPE_CHECKING

from rybbit.store.lake_table import DataFile, LakeTable

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

PART = "wide"
"""How the names of such files begin: one file was too much for them, and would be again."""

_ORDER = "site_id, timestamp, id"
_FEWEST = 256


def write_events(
    table: LakeTable, cursor: "duckdb.DuckDBPyConnection", source: str, *, name: str, is_sorted: bool = False
) -> list[DataFile]:
    """Write events in their order as one file or, where they take more memory than there is, as several.

    Args:
        source: SQL from `from` on, with a condition, to which more can be added.
        name: how the file's name begins if it is one.
        is_sorted: whether they come in order anyway.
    """
    import duckdb

    select = f"select * {source}" if is_sorted else f"select * {source} order by {_ORDER}"
    try:
        return table.write(cursor, select, name=name)
    except duckdb.OutOfMemoryException:
        middle = _middle(cursor, source)
        if middle is None:
            raise
    logger.info("Events take more memory than there is; writing half of them at a time")
    halves = [f"{source} and ({_ORDER}) {side} {middle}" for side in ("<", ">=")]
    return [
        file for half in halves for file in write_events(table, cursor, half, name=PART, is_sorted=is_sorted)
    ]


def _middle(cursor: "duckdb.DuckDBPyConnection", source: str) -> str | None:
    """Where the second half of events begins, in SQL; None if they are too few to be parted."""
    ((count,),) = cursor.execute(f"select count(*) {source}").fetchall()
    if count < _FEWEST:
        return None
    sql = f"select site_id, epoch_ms(timestamp), id {source} order by {_ORDER} limit 1 offset {count // 2}"
    ((site_id, moment_ms, event_id),) = cursor.execute(sql).fetchall()
    return f"({site_id:d}, make_timestamp_ms({moment_ms:d}), {event_id:d})"
