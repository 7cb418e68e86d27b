"""Exports of an engine that can only be asked: page by page, each asked when the one before is on its way."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rybbit.store.event import Kind
from rybbit.store.export import CopyStream, Form, Selection, formatted

if TYPE_CHECKING:
    import duckdb

# An event can be of a few bytes or of thousands, and a page is in memory.
_FIRST_EVENTS = 100
_PAGE_EVENTS = 20_000
_PAGE_BYTES = 8 * 1024 * 1024
_TYPES = {
    Kind.IDENTIFIER: "bigint",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "double",
    Kind.TEXT: "varchar",
    Kind.TIME: "bigint",  # milliseconds since 1970 on the way
}

Ask = Callable[[str, Mapping[str, Any]], bytes]
"""The rows of a query over `events`, put as to `EventStore.query`, as JSON lines with the columns' names."""


def export_by_pages(
    ask: Ask, selection: Selection, form: Form, *, engine: "duckdb.DuckDBPyConnection"
) -> CopyStream:
    """The export as a stream for which pages are asked as it is read; raises what asking for one raises.

    What comes in meanwhile may be in it or not. `engine` is closed with it.
    """
    pages = _Pages(engine.cursor(), ask, selection)
    engine.register("pages", pages.reader())
    select = formatted(selection.outputs, form, "select * from pages")
    return CopyStream(engine, select, {}, form, release=lambda: None, cause=lambda: pages.error)


class _Pages:
    """All events in the order of time, each page beginning behind the last event of the one before.

    The engine that writes reads them as a stream of Arrow, in its own time: pipes it keeps in memory.
    """

    def __init__(self, engine: "duckdb.DuckDBPyConnection", ask: Ask, selection: Selection) -> None:
        self.error: BaseException | None = None
        self._engine = engine
        self._ask = ask
        self._parameters = selection.parameters
        # Names of their own: in the condition those of the outputs mean the columns of `events`.
        named = [(f"c{place}", output) for place, output in enumerate(selection.outputs)]
        columns = ", ".join(f"{_sent(output.sql, output.kind)} as {name}" for name, output in named)
        self._sql = (
            f"select {columns}, epoch_ms(timestamp) as page_ms, id as page_id from events"
            f" where {selection.condition} and epoch_ms(timestamp) >= $page_ms"
            " and (epoch_ms(timestamp) > $page_ms or id > $page_id) order by timestamp, id limit"
        )
        types = json.dumps({name: _TYPES[output.kind] for name, output in named})
        shown = ", ".join(f"{_read(f'row.{name}', output.kind)} as {output.name}" for name, output in named)
        self._rows = (
            f"select {shown} from (select from_json(line, '{types}') as row"
            " from (select unnest(string_split($lines, chr(10))) as line) where line <> '')"
        )

    def reader(self) -> Any:
        """The rows as a stream of Arrow; `error` is what came in between."""
        from arro3.core import RecordBatchReader

        return RecordBatchReader.from_batches(self._read(b"").schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        try:
            for lines in self._lines():
                yield from self._read(lines)
        except Exception as error:
            # The engine tells the text of it alone.
            self.error = error
            raise
        finally:
            self._engine.close()

    def _read(self, lines: bytes) -> Any:
        from arro3.core import RecordBatchReader

        return RecordBatchReader.from_arrow(self._engine.sql(self._rows, params={"lines": lines.decode()}))

    def _lines(self) -> Iterator[bytes]:
        last, size = {"page_ms": -1, "page_id": 0}, _FIRST_EVENTS
        while lines := self._ask(f"{self._sql} {size}", {**self._parameters, **last}):
            yield lines
            if lines.count(b"\n") < size:
                return
            row = json.loads(lines[lines.rfind(b"\n", 0, -1) + 1 :])
            last = {name: int(row[name]) for name in last}
            size = max(1, min(_PAGE_EVENTS, size * _PAGE_BYTES // len(lines)))


def _sent(sql: str, kind: Kind) -> str:
    return f"epoch_ms({sql})" if kind is Kind.TIME else sql


def _read(name: str, kind: Kind) -> str:
    return f"make_timestamp_ms({name})" if kind is Kind.TIME else name
