"""How DuckDB is opened, and how it reads the lines of the journal, strictly or leniently."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rybbit.store.base import UnreadableBatch
from rybbit.store.dialect import DUCKDB_MACROS
from rybbit.store.event import COLUMNS, LAST_MS, REQUIRED, Kind

if TYPE_CHECKING:
    import duckdb

# An event is 64 KiB at most; the engine's own default costs it 32 MB for each thread that reads.
_LONGEST_LINE = 2 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_TYPES = {
    Kind.IDENTIFIER: "bigint",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "double",
    Kind.TEXT: "varchar",
    Kind.TIME: "bigint",  # milliseconds in the journal, a timestamp from there on
}
_JOURNAL_TYPES = "{" + ", ".join(f"{column.name}: '{_TYPES[column.kind]}'" for column in COLUMNS) + "}"
_SELECTED = ", ".join(
    f"make_timestamp_ms({column.name}) as {column.name}" if column.kind is Kind.TIME else column.name
    for column in COLUMNS
)
_JOURNAL_FORMAT = (
    f"format = 'newline_delimited', maximum_object_size = {_LONGEST_LINE}, columns = {_JOURNAL_TYPES}"
)
_EMPTY_COLUMNS = ", ".join(
    f"cast(null as {'timestamp' if column.kind is Kind.TIME else _TYPES[column.kind]}) as {column.name}"
    for column in COLUMNS
)

STRICT_LINES = f"select {_SELECTED} from read_json($closed, {_JOURNAL_FORMAT})"
"""The lines of the files in `$closed`; one that is no event is an error, or wholly or partly null."""

LENIENT_LINES = f"""
select {_SELECTED.replace("make_timestamp_ms(timestamp)", "try(make_timestamp_ms(timestamp))")}
from read_json($open, ignore_errors = true, {_JOURNAL_FORMAT})
"""
"""The lines of the files in `$open`; one that is no event is wholly or partly null."""

IS_EVENT = (
    " and ".join(f"{name} is not null" for name in sorted(REQUIRED))
    + f" and timestamp between make_timestamp_ms(0) and make_timestamp_ms({LAST_MS})"
)
"""The condition on a row of lines that it is an event."""

NO_EVENTS = f"select {_EMPTY_COLUMNS} where false"
"""Nothing, with the columns of an event."""


def open_engine(
    *, memory: str, threads: int, spill: Path, ordered: bool = True
) -> "duckdb.DuckDBPyConnection":
    """An engine of one's own, to be closed; `threads` is 0 for one a core, `spill` a folder for sorting.

    `ordered` says whether rows come in the order of their files: with several threads it costs hundreds of
    megabytes.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(spill),
        "preserve_insertion_order": ordered,
    }
    if threads:
        config["threads"] = threads
    engine = duckdb.connect(":memory:", config=config)
    for statement in (
        # Without the word, some would hold for this connection alone, and not for its cursors.
        "set global timezone = 'UTC'",
        "set global autoinstall_known_extensions = false",
        "set global autoload_known_extensions = false",
        "set global parquet_metadata_cache = true",
        "set enable_progress_bar = false",
        "set global lock_configuration = true",
        *DUCKDB_MACROS,
    ):
        engine.execute(statement)
    return engine


def load_batch(cursor: "duckdb.DuckDBPyConnection", paths: Sequence[Path]) -> None:
    """Read journal files into the temporary table `batch`.

    Raises:
        UnreadableBatch: a line is no event.
    """
    import duckdb

    try:
        cursor.execute(
            f"create or replace temp table batch as {STRICT_LINES}",
            {"closed": [str(path) for path in paths]},
        )
    except (
        duckdb.InvalidInputException,
        duckdb.ConversionException,
        duckdb.OutOfRangeException,
    ) as error:
        raise UnreadableBatch(str(error)) from error
    found = cursor.execute(f"select count(*) from batch where {IS_EVENT}").fetchone()
    rows = found[0] if found else 0
    lines = sum(_count_lines(path) for path in paths)
    if rows != lines:
        raise UnreadableBatch(f"{lines} lines gave {rows} events")


def are_readable(engine: "duckdb.DuckDBPyConnection", paths: Sequence[str]) -> bool:
    """Whether every line of journal files can be read strictly; else damaged ones are to be passed over."""
    import duckdb

    try:
        engine.execute(f"select count(columns(*)) from ({STRICT_LINES})", {"closed": list(paths)}).fetchall()
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException):
        return False
    return True


def _count_lines(path: Path) -> int:
    # In pieces: a whole file would stand in the memory of a worker beside what the engine makes of it.
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE_BYTES), b""))
