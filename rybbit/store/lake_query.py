"""Queries as the lake takes them: the relations `events` and `visits` in front of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rybbit.store.base import Scope
from rybbit.store.dialect import with_relation
from rybbit.store.event import COLUMNS
from rybbit.store.lake_lines import IS_EVENT, LENIENT_LINES, NO_EVENTS, STRICT_LINES
from rybbit.store.tombstones import NOTHING
from rybbit.store.visit import Visits, select_visits

_NAMES = tuple(column.name for column in COLUMNS)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Sources:
    """What events are read from: files of the table and of the journal, by their paths.

    Args:
        closed: journal files of which every line is an event.
        open: those of which lines may be none.
        hidden: the SQL condition of what is not to be seen.
        name: under which the files of the table are bound.
    """

    files: Sequence[str] = ()
    closed: Sequence[str] = ()
    open: Sequence[str] = ()
    hidden: str = NOTHING
    name: str = "files"

    @property
    def bound(self) -> dict[str, Sequence[str]]:
        """The values that `select` refers to."""
        named = {self.name: self.files, "closed": self.closed, "open": self.open}
        return {name: paths for name, paths in named.items() if paths}

    def select(self, sql: str) -> str:
        """SQL for the events, with the columns that a query names."""
        # Planning is most of what a small question costs, so that nothing needless is planned.
        columns = ", ".join(_columns_of(sql if self.hidden == NOTHING else f"{sql} {self.hidden}"))
        parts = []
        if self.files:
            # To compare the columns of files costs a look at each, needless for one.
            union = ", union_by_name = true" if len(self.files) > 1 else ""
            parts.append(f"select {columns} from read_parquet(${self.name}{union})")
        if self.closed:
            parts.append(f"select {columns} from ({STRICT_LINES}) where {IS_EVENT}")
        if self.open:
            parts.append(f"select {columns} from ({LENIENT_LINES}) where {IS_EVENT}")
        stored = " union all ".join(parts) or NO_EVENTS
        return stored if self.hidden == NOTHING else f"select * from ({stored}) where not ({self.hidden})"


def with_events(sql: str, sources: Sources) -> str:
    """The statement with the relation `events` in front of it."""
    return with_relation(sql, "events", f"not materialized ({sources.select(sql)})")


def with_visits(sql: str, visits: Visits, scope: Scope) -> str:
    """The statement with the relation `visits` in front of it, made of `events`."""
    select = select_visits(visits, scope_condition(scope))
    return with_relation(sql, "visits", f"not materialized ({select})")


def scope_condition(scope: Scope) -> str:
    """The SQL condition of the events of a scope, which refers to `scope_values`."""
    conditions = {
        "scope_site": "site_id = $scope_site",
        "scope_start": "timestamp >= make_timestamp_ms($scope_start)",
        "scope_end": "timestamp < make_timestamp_ms($scope_end)",
    }
    return " and ".join(conditions[name] for name in scope_values(scope)) or "true"


def scope_values(scope: Scope) -> dict[str, Any]:
    """The values of `scope_condition`."""
    named = {"scope_site": scope.site_id, "scope_start": scope.start_ms, "scope_end": scope.end_ms}
    return {name: value for name, value in named.items() if value is not None}


def _columns_of(sql: str) -> Sequence[str]:
    """The columns that a query names, among others perhaps."""
    if "select * from events" in sql:
        return _NAMES
    words = set(_WORD.findall(sql))
    return [name for name in _NAMES if name in words] or ["id"]
