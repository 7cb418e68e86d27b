"""The default store: a Delta Lake table of Parquet files, written and queried by DuckDB.

The relation `events` is the files of a snapshot and the journal lines that are not in it yet, so that
an event can be read the moment it is acknowledged.
"""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rybbit.faults import crash_point
from rybbit.locks import FileLock, leave_to_parent, register_forkable
from rybbit.store.base import EVERYTHING, Scope, TooLarge
from rybbit.store.deadline import Deadline
from rybbit.store.dialect import VALUE_NAME
from rybbit.store.export import THREADS, CopyStream, Form, Selection, formatted
from rybbit.store.journal_files import JournalFolder
from rybbit.store.lake_answers import KeptAnswers, name_of
from rybbit.store.lake_lines import are_readable, load_batch, open_engine
from rybbit.store.lake_pins import Pin, pin_files, sweep_pins
from rybbit.store.lake_query import Sources, scope_values, with_events, with_visits
from rybbit.store.lake_rewrite import LakeRewriter
from rybbit.store.lake_table import LakeTable, Snapshot
from rybbit.store.lake_view import View, look
from rybbit.store.lake_visits import VisitFiles
from rybbit.store.lake_visits_query import KeptVisits, with_kept_visits
from rybbit.store.lake_writing import write_events
from rybbit.store.options import StoreOptions
from rybbit.store.tombstones import Tombstones
from rybbit.store.visit import Visits

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

_OF_EVENTS = re.compile(r"\bevents\b")

_LOOKS = 50
# Files of kept visits that cannot be opened so often are left alone.
_LOOKS_AT_KEPT = 3
# Parsing is a tenth of what a small question costs, and the same questions come again and again. Each takes
# some twenty times its length of memory; long ones are goals and funnels, which hardly come twice.
_PARSED = 128
_LONGEST_PARSED = 4_000
# An engine remembers the footer of each file that it ever read, which saves a fifth of a small question, but
# costs 60 kB a file, gone or not. Each version of the table has a new one.
_VERSIONS_OF_AN_ENGINE = 500


class _Question(NamedTuple):
    """What is asked: SQL with its values, of which events, and of which visits, if it is over visits."""

    sql: str
    parameters: Mapping[str, Any]
    scope: Scope
    visits: Visits | None


@dataclass(frozen=True, kw_only=True)
class LakeOptions(StoreOptions):
    """Where a lake lies and how it is kept; `threads` is 0 for one a core.

    Files of at least `keep_visits_of` events have their visits kept beside them; questions about roughly
    `ask_visits_of` events use these. Answers of up to `keep_answers` bytes are kept until something changes.
    """

    threads: int
    compact_files: int
    erase_hours: int
    keep_visits_of: int = 10_000
    ask_visits_of: int = 100_000
    keep_answers: int = 8 * 1024 * 1024


class LakeStore:
    """Events in a folder: an open table that other tools can read while we run."""

    def __init__(self, options: LakeOptions) -> None:
        self._options = options
        self._table = LakeTable(options.folder)
        self._journal = JournalFolder(options.journal)
        self._tombstones = Tombstones(options.tombstones)
        self._pins = options.folder.with_name(f"{options.folder.name}.pins")
        self._visits = VisitFiles(
            options.folder.with_name(f"{options.folder.name}.visits"),
            least_kept=options.keep_visits_of,
            least_asked=options.ask_visits_of,
        )
        self._rewriter = LakeRewriter(
            self._table,
            self._visits,
            self._journal,
            self._tombstones,
            FileLock(options.folder.with_name(f"{options.folder.name}.rewrite.lock")),
            compact_files=options.compact_files,
            erase_hours=options.erase_hours,
        )
        self._answers = KeptAnswers(options.keep_answers)
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._engine_since = 0
        self._engine_lock = threading.Lock()
        self._parsed = lru_cache(_PARSED)(self._parse)
        self._deadline = Deadline()
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Open the engine anew in the child."""
        if self._engine is not None:
            leave_to_parent(self._engine)
            self._engine = None
        self._engine_lock = threading.Lock()
        self._answers.reset()

    def close(self) -> None:
        """See `EventStore.close`."""
        import duckdb

        with self._engine_lock:
            if self._engine is not None:
                # A question that was given up may still be at it; it ends with the process.
                with suppress(duckdb.Error):
                    self._engine.close()
                self._engine = None

    @property
    def first_of_ms(self) -> int:
        """See `EventStore.first_of_ms`; a folder belongs to one machine."""
        return 0

    def last_batch(self) -> int:
        """See `EventStore.last_batch`."""
        return self._table.snapshot().last_batch

    def commit_batch(self, number: int, paths: Sequence[Path]) -> int:
        """See `EventStore.commit_batch`."""
        if number <= self.last_batch():
            return 0
        # An engine for the batch alone: what it needs is given back at once, and one thread is as fast as
        # several, for half of the memory.
        with self._open_engine(threads=1) as engine:
            load_batch(engine, paths)
            hidden = self._tombstones.hidden()
            source = f"from batch where not ({hidden})"
            with self._table.writing:
                files = write_events(self._table, engine, source, name="part")
                crash_point("lake:file-written")
                self._table.commit(files, batch=number)
        return sum(file.rows for file in files)

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
            TooLarge: it takes more memory than RYBBIT_QUERY_MEMORY.
        """
        import duckdb

        question = _Question(sql, parameters or {}, scope, visits)
        unreadable = False
        for attempt in range(_LOOKS):
            view = self._look(scope)
            if view is None:
                continue
            name = name_of(*question, view.hidden)
            if (known := self._answers.find(view.state, name)) is not None:
                return known
            try:
                rows = self._run(_tried(question, attempt), view, lenient=unreadable, seconds=seconds)
            except duckdb.OutOfMemoryException as error:
                raise TooLarge("This takes more memory than RYBBIT_QUERY_MEMORY allows") from error
            except duckdb.IOException:
                # A file is gone: the mover or a vacuum came between the look and the opening.
                logger.debug("The files changed under a query; looking again", exc_info=True)
            except (duckdb.InvalidInputException, duckdb.ConversionException):
                # A damaged line, which the mover will put into quarantine; till then it is passed over.
                if unreadable:
                    raise
                unreadable = True
            else:
                self._answers.keep(view.state, name, rows)
                return rows
        raise TimeoutError("The event files kept changing while a query looked at them")

    def export(self, selection: Selection, form: Form) -> CopyStream:
        """See `EventStore.export`."""
        pin, hidden = self._pin(selection.scope)
        try:
            engine = self._open_engine(threads=THREADS[form], ordered=THREADS[form] == 1)
            is_open = pin.journal and not are_readable(engine, pin.journal)
            closed, opened = ((), pin.journal) if is_open else (pin.journal, ())
            sources = Sources(pin.files, closed, opened, hidden)
            select = with_events(formatted(selection.outputs, form, selection.sql), sources)
            parameters = {**selection.parameters, **sources.bound}
            return CopyStream(engine, select, parameters, form, release=pin.release)
        except BaseException:
            pin.release()
            raise

    def _pin(self, scope: Scope) -> tuple[Pin, str]:
        """The files of this moment under names that stay, and the condition of what is deleted."""
        sweep_pins(self._pins)
        for _ in range(_LOOKS):
            view = self._look(scope)
            if view is None:
                continue
            files = [Path(path) for path in view.snapshot.paths_in(scope)]
            try:
                return pin_files(self._pins, files, view.closed, view.open), view.hidden
            except FileNotFoundError:
                logger.debug("The files changed under an export; looking again", exc_info=True)
        raise TimeoutError("The event files kept changing while an export looked at them")

    def _look(self, scope: Scope) -> View | None:
        return look(self._table, self._journal, self._tombstones, scope)

    def _run(
        self, question: _Question, view: View, *, lenient: bool, seconds: float | None
    ) -> list[tuple[Any, ...]]:
        self._renew_engine(view.snapshot.version)
        sources = view.sources(question.scope, lenient=lenient)
        cursor = self._cursor()

        def ask() -> list[tuple[Any, ...]]:
            with cursor:
                return self._answer(cursor, question, view.snapshot, sources)

        if seconds is None:
            return ask()
        return self._deadline.run(ask, seconds=seconds, interrupt=cursor.interrupt)

    def _answer(
        self,
        cursor: "duckdb.DuckDBPyConnection",
        question: _Question,
        snapshot: Snapshot,
        sources: Sources,
    ) -> list[tuple[Any, ...]]:
        import duckdb

        visits = question.visits
        kept = None
        if visits is not None and visits.kept_condition is not None:
            kept = self._visits.find(cursor, snapshot, question.scope, sources)
        if kept is None:
            return self._ask_events(cursor, question, sources)
        try:
            rows = self._ask_kept(cursor, question, kept, sources)
        except (duckdb.OperationalError, duckdb.InterruptException):
            raise
        except duckdb.Error as error:
            rows = self._ask_events(cursor, question, sources)
            self._visits.give_up(cursor, kept, error)
        return self._ask_events(cursor, question, sources) if rows is None else rows

    def _ask_kept(
        self,
        cursor: "duckdb.DuckDBPyConnection",
        question: _Question,
        kept: KeptVisits,
        sources: Sources,
    ) -> list[tuple[Any, ...]] | None:
        """The answer from kept visits; None if they are of no use."""
        sql, parameters, scope, visits = question
        found = visits and with_kept_visits(cursor, sql, visits, kept, scope)
        if not found:
            return None
        text, values = found
        text = with_events(text, sources) if _OF_EVENTS.search(sql) else text
        return self._execute(cursor, text, _named_in(text, {**parameters, **values, **sources.bound}))

    def _ask_events(
        self, cursor: "duckdb.DuckDBPyConnection", question: _Question, sources: Sources
    ) -> list[tuple[Any, ...]]:
        sql, parameters, scope, visits = question
        if visits is None:
            return self._execute(cursor, with_events(sql, sources), {**parameters, **sources.bound})
        text = with_events(with_visits(sql, visits, scope), sources)
        values = {**parameters, **scope_values(scope), **sources.bound}
        return self._execute(cursor, text, _named_in(text, values))

    def _execute(
        self, cursor: "duckdb.DuckDBPyConnection", text: str, values: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        statement = self._parsed(text) if len(text) <= _LONGEST_PARSED else text
        return cursor.execute(statement, dict(values)).fetchall()

    def _renew_engine(self, version: int) -> None:
        """Begin a new engine if this one has seen many versions; who is at it still ends there."""
        with self._engine_lock:
            if version - self._engine_since >= _VERSIONS_OF_AN_ENGINE:
                self._engine = None
                self._engine_since = version

    def _parse(self, sql: str) -> "duckdb.Statement":
        with self._cursor() as cursor:
            return cursor.extract_statements(sql)[0]

    def accepts_pattern(self, pattern: str) -> bool:
        """See `EventStore.accepts_pattern`."""
        import duckdb

        with self._cursor() as cursor:
            try:
                cursor.execute("select regexp_matches('', $pattern)", {"pattern": pattern}).fetchall()
            except duckdb.InvalidInputException:
                return False
        return True

    def _cursor(self) -> "duckdb.DuckDBPyConnection":
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._open_engine(threads=self._options.threads)
            return self._engine.cursor()

    def _open_engine(self, *, threads: int, ordered: bool = True) -> "duckdb.DuckDBPyConnection":
        spill = self._options.folder.with_name(f"{self._options.folder.name}.spill")
        return open_engine(memory=self._options.memory, threads=threads, spill=spill, ordered=ordered)

    def is_well(self) -> bool:
        """See `EventStore.is_well`; a folder is."""
        return True

    def needs_rewrite(self) -> bool:
        """See `EventStore.needs_rewrite`."""
        # Called every few seconds: a process that nobody asks anything lets go of what was deleted, too.
        if (view := self._look(EVERYTHING)) is not None:
            self._answers.forget_unless(view.state)
        return self._rewriter.is_due()

    def rewrite(self, *, everything: bool = False) -> None:
        """See `EventStore.rewrite`."""
        sweep_pins(self._pins)
        with self._cursor() as cursor:
            self._rewriter.run(cursor, everything=everything)

    def describe(self) -> dict[str, Any]:
        """See `EventStore.describe`."""
        snapshot = self._table.snapshot()
        return {
            "engine": "lake",
            "version": snapshot.version,
            "files": len(snapshot.files),
            "bytes": sum(file.size for file in snapshot.files) + self._visits.size(),
            "events": sum(file.rows for file in snapshot.files),
        }


def _tried(question: _Question, attempts: int) -> _Question:
    """The question without what may have failed so often that it is to be left alone."""
    if question.visits is None or attempts < _LOOKS_AT_KEPT:
        return question
    return question._replace(visits=replace(question.visits, kept_condition=None))


def _named_in(text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a statement names: what a condition on visits refers to is not in every one."""
    named = set(VALUE_NAME.findall(text))
    return {name: value for name, value in values.items() if name in named}
