"""Queries as ClickHouse takes them: the relation `events` in front, values bound by type, its words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rybbit.store.base import Scope
from rybbit.store.clickhouse_journal import View
from rybbit.store.clickhouse_server import SentTable
from rybbit.store.clickhouse_tables import COLUMN_NAMES, LINE_STRUCTURE
from rybbit.store.dialect import VALUE_NAME, to_clickhouse, with_relation
from rybbit.store.event import COLUMNS, LAST_MS, REQUIRED, Kind
from rybbit.store.visit import Visits, select_visits

# The server reads a field of a form only up to a size (128 KiB by default); what is larger goes as a table.
_LONGEST_FIELD = 32 * 1024
_LINES = "journal_lines"

# So that answers are those of the lake: nulls where there is nothing, the columns' names before aliases.
_SETTINGS = {
    "aggregate_functions_null_for_empty": 1,
    "cast_keep_nullable": 1,
    "count_distinct_implementation": "uniqExact",
    "join_use_nulls": 1,
    # A hundred goals with ten properties each are more than the default lets through.
    "max_ast_elements": 500_000,
    "max_query_size": 16 * 1024 * 1024,
    "prefer_column_name_to_alias": 1,
    "session_timezone": "UTC",
    "transform_null_in": 0,
}
# Parts of a query that ask for the same visits ask each shard for its own only if they are told to ask all.
_CLUSTER_SETTINGS = {"distributed_product_mode": "global"}


@dataclass(frozen=True, slots=True)
class Statement:
    """What is sent to the server."""

    sql: str
    parameters: Mapping[str, Any]
    tables: tuple[SentTable, ...]


def query_settings(*, seconds: float | None, in_cluster: bool) -> dict[str, Any]:
    """The settings of a query that may take so long."""
    limit = {} if seconds is None else {"max_execution_time": seconds}
    return {**_SETTINGS, **(_CLUSTER_SETTINGS if in_cluster else {}), **limit}


def compose(
    sql: str,
    parameters: Mapping[str, Any],
    *,
    view: View,
    stored: str,
    last_id: int,
    scope: Scope,
    all_inline: bool,
) -> Statement:
    """The statement that a query over `events` becomes.

    Args:
        stored: the table.
        last_id: the greatest batch id of this machine.
        all_inline: large values need not be sent as tables.
    """
    body, bound, tables = _bind(to_clickhouse(sql.strip()), parameters, all_inline=all_inline)
    conditions = [*_scope_conditions(scope), f"not ({view.hidden})"]
    if view.lines:
        tables.append(SentTable(_LINES, LINE_STRUCTURE, view.lines))
    sources = [_from_table(stored, view.last, last_id, conditions)]
    sources += [_from_lines(conditions)] if view.lines else []
    body = with_relation(body, "events", f"({' union all '.join(sources)})")
    return Statement(body, bound, tuple(tables))


def with_visits(sql: str, visits: Visits) -> str:
    """The query with the relation `visits` in front of it; `events` has those of the scope only."""
    return with_relation(sql, "visits", f"({select_visits(visits)})")


def _from_table(stored: str, last: int, last_id: int, conditions: list[str]) -> str:
    # What this machine is about to ship is still read from the journal.
    counts = f"batch_id not between {last + 1:d} and {last_id:d}"
    return f"select {', '.join(COLUMN_NAMES)} from {stored} where {' and '.join([counts, *conditions])}"


def _selected(name: str, kind: Kind) -> str:
    if kind is Kind.TIME:
        return f"fromUnixTimestamp64Milli(assumeNotNull({name}), 'UTC') as {name}"
    return f"assumeNotNull({name}) as {name}" if name in REQUIRED else name


_EVENT_LINES = (
    f"select {', '.join(_selected(column.name, column.kind) for column in COLUMNS)} from {_LINES} where "
    + " and ".join(f"isNotNull({name})" for name in sorted(REQUIRED))
    + f" and timestamp between 0 and {LAST_MS}"
)


def _from_lines(conditions: list[str]) -> str:
    return f"select * from ({_EVENT_LINES}) where {' and '.join(conditions)}"


def _scope_conditions(scope: Scope) -> list[str]:
    conditions = [] if scope.site_id is None else [f"site_id = {scope.site_id:d}"]
    for bound, comparison in ((scope.start_ms, ">="), (scope.end_ms, "<")):
        if bound is not None:
            conditions.append(f"timestamp {comparison} fromUnixTimestamp64Milli(toInt64({bound:d}), 'UTC')")
    return conditions


def _bind(
    sql: str, parameters: Mapping[str, Any], *, all_inline: bool
) -> tuple[str, dict[str, Any], list[SentTable]]:
    """The query with its values named in ClickHouse's way, the values, and those that are sent as tables."""
    large = {} if all_inline else {name: value for name, value in parameters.items() if _is_large(value)}

    def named(match: re.Match[str]) -> str:
        name = match[1]
        value = parameters[name]
        if value is None:
            return "null"
        return f"(select value from value_{name})" if name in large else f"{{{name}:{_type_of(value)}}}"

    bound = {name: value for name, value in parameters.items() if value is not None and name not in large}
    tables = [
        SentTable(f"value_{name}", f"value {_type_of(value)}", json.dumps({"value": value}).encode() + b"\n")
        for name, value in large.items()
    ]
    return VALUE_NAME.sub(named, sql), bound, tables


def _is_large(value: object) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST_FIELD // 4
    return isinstance(value, list | tuple) and len(str(value)) > _LONGEST_FIELD // 4


def _type_of(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"Array({_type_of(value[0]) if value else 'String'})"
    for kind, name in ((bool, "Bool"), (int, "Int64"), (float, "Float64"), (str, "String")):
        if isinstance(value, kind):
            return name
    raise TypeError(f"A query cannot be given a {type(value).__name__}")
