"""Events as a stream of bytes in a format of files, whatever their number, in little memory.

An engine says what the rows are; DuckDB writes them, into a pipe, as fast as whoever asked takes them.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from rybbit.errors import Unavailable
from rybbit.store.base import EVERYTHING, Scope, TooLarge
from rybbit.store.event import Kind

if TYPE_CHECKING:
    import duckdb

_PIPE_BYTES = 1024 * 1024
# Deleted events are to be gone from disk within two hours, and an export keeps files that have them.
_LONGEST_SECONDS = 3600.0
_ISO = "'%Y-%m-%dT%H:%M:%S.%gZ'"


class Form(StrEnum):
    """A format of files."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


THREADS = {Form.CSV: 1, Form.JSONL: 1, Form.PARQUET: 2}
"""What a format gains from; with one thread events come file by file, each in the order of time."""

_COPY_OPTIONS = {
    Form.CSV: "format csv, header true, new_line '\\r\\n', nullstr ''",
    Form.JSONL: "format json",
    Form.PARQUET: (
        "format parquet, parquet_version v2, compression zstd, row_group_size 30720,"
        " row_group_size_bytes '32MB'"
    ),
}


@dataclass(frozen=True, slots=True)
class Output:
    """One column of what is exported: SQL over a row of `events`, in the words that all engines know."""

    name: str
    sql: str
    kind: Kind


@dataclass(frozen=True)
class Selection:
    """What is exported: columns of the events for which a condition is true."""

    outputs: Sequence[Output]
    condition: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scope: Scope = EVERYTHING

    @property
    def sql(self) -> str:
        """The rows as DuckDB reads them out of `events`."""
        columns = ", ".join(f"{output.sql} as {output.name}" for output in self.outputs)
        return f"select {columns} from events where {self.condition}"


def formatted(outputs: Sequence[Output], form: Form, source: str) -> str:
    """DuckDB's SQL for the columns as a format shows them: moments in ISO 8601 where it has none.

    A text in CSV that a spreadsheet would take for a formula gets an apostrophe in front, and so does one
    that begins with an apostrophe: who takes one off each text that has it reads what was stored.
    """
    columns = ", ".join(f"{_shown(output, form)} as {output.name}" for output in outputs)
    return f"select {columns} from ({source})"


def _shown(output: Output, form: Form) -> str:
    if output.kind is Kind.TIME and form is not Form.PARQUET:
        return f"strftime({output.name}, {_ISO})"
    if output.kind is Kind.TEXT and form is Form.CSV:
        first = f"left({output.name}, 1)"
        risky = f"{first} in ('=', '+', '-', '@', chr(9), chr(13), chr(39))"
        return f"case when {risky} then chr(39) || {output.name} else nullif({output.name}, '') end"
    return output.name


class ByteStream(Iterator[bytes], Protocol):
    """Pieces of a file; `close` lets go of what making them needs, and may come at any time."""

    def close(self) -> None:
        """End it."""


class CopyStream:
    """What DuckDB writes in a thread while it is read here; the first piece is there when this is made.

    Raises, on making and on reading, what the engine raises; `Unavailable` when it took more than an hour;
    `TooLarge` where events are so wide that memory is not enough for a few of them.
    """

    def __init__(
        self,
        engine: "duckdb.DuckDBPyConnection",
        select: str,
        parameters: Mapping[str, Any],
        form: Form,
        *,
        release: Callable[[], object],
        cause: Callable[[], BaseException | None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._release = release
        self._cause = cause
        self._error: BaseException | None = None
        self._is_late = False
        self._reader, writer = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # The kernel may refuse a larger one; it is only faster.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        copy = f"copy ({select}) to '/dev/fd/{writer}' ({_COPY_OPTIONS[form]}, use_tmp_file false)"
        self._thread = threading.Thread(
            target=self._copy, args=(copy, dict(parameters), writer), name="rybbit-export", daemon=True
        )
        self._timer = threading.Timer(_LONGEST_SECONDS, self._give_up)
        self._timer.daemon = True
        self._thread.start()
        self._timer.start()
        self._first = self._read()

    def _copy(self, copy: str, parameters: dict[str, Any], writer: int) -> None:
        import duckdb

        try:
            self._engine.execute(copy, parameters)
        except duckdb.OutOfMemoryException as error:
            self._error = TooLarge("This export takes more memory than RYBBIT_QUERY_MEMORY allows")
            self._error.__cause__ = error
        except BaseException as error:
            self._error = error
        finally:
            os.close(writer)

    def _give_up(self) -> None:
        self._is_late = True
        self._engine.interrupt()
        self._release()

    def _read(self) -> bytes:
        """The next piece, empty at the end."""
        piece = b""
        try:
            piece = os.read(self._reader, _PIPE_BYTES)
        finally:
            if not piece:
                self.close()
        if not piece and self._is_late:
            raise Unavailable("The export took too long")
        if not piece and self._error is not None:
            raise self._cause() or self._error
        return piece

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece, self._first = self._first, b""
        if not piece and self._reader >= 0:
            piece = self._read()
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        """End it, wherever it is: the writer finds the pipe closed."""
        self._timer.cancel()
        if self._reader < 0:
            return
        os.close(self._reader)
        self._reader = -1
        self._engine.interrupt()
        self._thread.join()
        self._engine.close()
        self._release()
