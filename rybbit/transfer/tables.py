"""The heavy work on events that are imported, done by DuckDB: reading Parquet, sorting, sessions, ids.

What does not fit into its memory is put down beside the files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rybbit.ingest.sessions import GAP_MS
from rybbit.store.event import COLUMNS, EPOCH_MS, SEQUENCE_BITS, Kind, earliest_of, loaded_id_at
from rybbit.transfer.rows import NoExport

if TYPE_CHECKING:
    import duckdb

_MEMORY = "256MB"
_PAGE = 2_000
_TYPES = {
    Kind.IDENTIFIER: "bigint",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "double",
    Kind.TEXT: "varchar",
    Kind.TIME: "bigint",
}
_GIVEN = [column for column in COLUMNS if column.name not in ("id", "session_id")]
_LINE_TYPES = ", ".join(f"{column.name}: '{_TYPES[column.kind]}'" for column in _GIVEN)
_NAMES = ", ".join(column.name for column in COLUMNS)
_PARQUET = "format parquet, parquet_version v2, compression zstd, row_group_size 30720"

# Ids grow with time, by one at least: each is the larger of what its moment asks for and the one before plus
# one, which is what a running maximum of the difference to the place comes to. A session is named after its
# first event.
_ORDERED = """
with placed as (
  select number, user_hash, timestamp, row_number() over (order by timestamp, number) as place
  from read_parquet($chunks)
),
based as (
  select *, (least(greatest(timestamp, $earliest), $latest) - $epoch) * $step + $offset - place as base
  from placed
),
named as (
  select number, user_hash, timestamp, place,
    place + max(base) over (order by place rows unbounded preceding) as id
  from based
),
begun as (
  select *, case when timestamp - lag(timestamp) over (partition by user_hash order by place) <= $gap
    then null else id end as begins
  from named
)
select number, place, id,
  max(begins) over (partition by user_hash order by place rows unbounded preceding) as session_id
from begun
"""
_SORTED = """
select ordered.place, ordered.id, ordered.session_id, chunks.* exclude number
from read_parquet($chunks) as chunks join read_parquet($order) as ordered using (number)
order by ordered.place
"""
_PART = f"select {_NAMES} from read_parquet($sorted) where place > $first and place <= $last order by place"


def parquet_columns(path: Path) -> tuple[list[str], int]:
    """The names of the columns of a Parquet file, and the number of its rows.

    Raises:
        NoExport: it cannot be read.
    """
    import duckdb

    with _engine(path.parent) as engine:
        try:
            names = engine.execute(
                "describe select * from read_parquet($path)", {"path": str(path)}
            ).fetchall()
            rows = engine.execute("select count(*) from read_parquet($path)", {"path": str(path)}).fetchone()
        except duckdb.Error as error:
            raise NoExport(f"{path.name} is damaged: it cannot be read as Parquet") from error
    return [str(row[0]) for row in names], int(rows[0]) if rows else 0


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of our own export, moments as milliseconds since 1970."""
    sql = "select * replace (epoch_ms(timestamp) as timestamp) from read_parquet($path)"
    with _engine(path.parent) as engine:
        result = engine.execute(sql, {"path": str(path)})
        names = [column[0] for column in result.description or []]
        while page := result.fetchmany(_PAGE):
            yield from (dict(zip(names, row, strict=True)) for row in page)


def write_chunk(lines: Path, target: Path, first: int) -> None:
    """Make Parquet of JSON lines of events, numbered from `first` on."""
    source = f"read_json($lines, format = 'newline_delimited', columns = {{{_LINE_TYPES}}})"
    with _engine(target.parent) as engine:
        select = f"select $first + row_number() over () as number, * from {source}"
        engine.execute(
            f"copy ({select}) to '{_quoted(target)}' ({_PARQUET})", _bound(lines=lines, first=first)
        )


def sort_chunks(chunks: list[Path], target: Path, *, load: int, now_ms: int) -> None:
    """Put all events of chunks into one file in the order of time, each with its place, id and session."""
    order = target.with_suffix(".order")
    paths = [str(path) for path in chunks]
    ids: dict[str, Any] = {
        "earliest": earliest_of(load),
        # No id may be as great as one that is given on receipt from now on.
        "latest": now_ms - 1,
        "epoch": EPOCH_MS,
        "step": 1 << SEQUENCE_BITS,
        "offset": loaded_id_at(now_ms, load) - ((now_ms - EPOCH_MS) << SEQUENCE_BITS),
        "gap": GAP_MS,
    }
    with _engine(target.parent) as engine:
        engine.execute(f"copy ({_ORDERED}) to '{_quoted(order)}' ({_PARQUET})", {"chunks": paths, **ids})
        engine.execute(
            f"copy ({_SORTED}) to '{_quoted(target)}' ({_PARQUET})", {"chunks": paths, "order": str(order)}
        )
    order.unlink()


def write_part(source: Path, target: Path, *, first: int, last: int) -> None:
    """Write the events after place `first` up to `last` as lines of the journal."""
    with _engine(target.parent) as engine:
        engine.execute(
            f"copy ({_PART}) to '{_quoted(target)}' (format json)",
            {"sorted": str(source), "first": first, "last": last},
        )


def _engine(folder: Path) -> "duckdb.DuckDBPyConnection":
    import duckdb

    # One thread: rows keep their order, and what is read needs little memory.
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": _MEMORY,
        "temp_directory": str(folder / "spill"),
    }
    engine = duckdb.connect(":memory:", config=config)
    engine.execute("set timezone = 'UTC'")
    engine.execute("set enable_progress_bar = false")
    return engine


def _bound(**values: Any) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
