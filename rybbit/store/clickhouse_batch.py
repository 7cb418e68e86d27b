"""A batch on its way into ClickHouse: cut by month into the same pieces whenever it is tried."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rybbit.store.lake_lines import load_batch, open_engine

_MONTHS = """
select year(timestamp) * 100 + month(timestamp) as month, count(*) from batch group by month order by month
"""
_THREADS = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """The events of one month (such as 202603), in a Parquet file; they go in together or not at all."""

    month: int
    rows: int
    path: Path


@contextmanager
def pieces_of(paths: Sequence[Path], *, batch_id: int, folder: Path, memory: str) -> Iterator[list[Piece]]:
    """The pieces of journal files, for as long as the context lasts.

    The lines are read as the lake reads them, so that the same ones end in the quarantine.

    Raises:
        UnreadableBatch: a line is no event.
    """
    # What a dead process left there is some of the events of the batch that is written now.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with open_engine(memory=memory, threads=_THREADS, spill=folder / "spill") as engine:
            load_batch(engine, paths)
            pieces = []
            for month, rows in engine.execute(_MONTHS).fetchall():
                piece = Piece(month, rows, folder / f"{month}.parquet")
                target = str(piece.path).replace("'", "''")
                engine.execute(
                    f"copy (select *, cast({batch_id:d} as bigint) as batch_id from batch"
                    f" where year(timestamp) * 100 + month(timestamp) = {month:d}"
                    f" order by site_id, timestamp, id) to '{target}' (format parquet)"
                )
                pieces.append(piece)
        yield pieces
    finally:
        shutil.rmtree(folder, ignore_errors=True)
