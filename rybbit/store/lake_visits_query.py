"""Questions about visits, answered from the visits that are kept beside files (`lake_visits.py`).

The *rest* are visits that no kept row tells all of: those that lie across an end of the period or of a piece,
that have events elsewhere as well, or that vary in what is asked for. Their events are read, and none of
their rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from rybbit.store.base import Scope
from rybbit.store.dialect import with_relation
from rybbit.store.lake_query import Sources, scope_condition, scope_values
from rybbit.store.visit import TRAITS, Visits, select_visits

if TYPE_CHECKING:
    import duckdb

# With more exceptions than these, events are read in the first place.
_MOST_REST = 100_000
_MOST_SPANS = 4
_WORD = re.compile(r"\w+")
_TIMESTAMP = re.compile(r"\btimestamp\b")


@dataclass(frozen=True, slots=True)
class KeptVisits:
    """Where a question about visits finds its answer.

    Args:
        paths: files of kept visits.
        old: the files of events that these belong to; what is in them is from `first_ms` to `last_ms`.
        young: all other files of events.
        journal: the events that are in no file yet.
        has_shared: whether any row is of a visit that has events in several files.
        has_varying: whether any row is of a visit whose traits are not all of its events.
    """

    paths: Sequence[str]
    old: Sequence[str]
    first_ms: int
    last_ms: int
    young: Sources
    journal: Sources
    has_shared: bool
    has_varying: bool


class _Rest(NamedTuple):
    """Visits whose events are read: their ids, and spans of time (ms since 1970) that hold these events.

    Rows of visits that are `elsewhere` as well do not tell it themselves.
    """

    sessions: list[int]
    elsewhere: list[int]
    spans: list[tuple[int, int]]


def with_kept_visits(
    cursor: "duckdb.DuckDBPyConnection", sql: str, visits: Visits, kept: KeptVisits, scope: Scope
) -> tuple[str, dict[str, Any]] | None:
    """The statement with the relation `visits` of one site in front of it, and the values that it refers to.

    None if there are so many exceptions that kept visits are of no use.
    """
    condition = scope_condition(scope)
    # All parts of the union have the same columns: those that its conditions name, too.
    named = f"{select_visits(visits, condition)} timestamp"
    if kept.journal.bound:
        # It grows while we look at it, and has to be looked at twice.
        lines = f"select * from ({kept.journal.select(named)}) where {condition}"
        cursor.execute(f"create temp table lines as {lines}", {**kept.journal.bound, **scope_values(scope)})
    rest = _find_rest(cursor, visits, kept, scope)
    if rest is None:
        return None
    values: dict[str, Any] = {"kept": kept.paths, **scope_values(scope)}
    selects = [_whole(visits, kept, scope, has_elsewhere=bool(rest.elsewhere))]
    if rest.elsewhere:
        values["elsewhere"] = rest.elsewhere
    events = ["select * from lines"] if kept.journal.bound else []
    if kept.young.bound:
        events.append(kept.young.select(named))
        values |= kept.young.bound
    if rest.sessions:
        old = Sources(kept.old, name="old")
        spans, moments = _spans_condition(rest.spans)
        chosen = f"session_id in (select unnest($rest)) and {condition} and ({spans})"
        events.append(f"select * from ({old.select(named)}) where {chosen}")
        values |= {**old.bound, **moments, "rest": rest.sessions}
    if events:
        of_events = select_visits(visits, condition)
        selects.append(f"(with events as ({' union all '.join(events)}) {of_events})")
    return with_relation(sql, "visits", f"not materialized ({' union all '.join(selects)})"), values


def _find_rest(
    cursor: "duckdb.DuckDBPyConnection", visits: Visits, kept: KeptVisits, scope: Scope
) -> _Rest | None:
    """The visits that no kept row tells all of; None if there are too many."""
    source = f"from read_parquet($kept) where {_within(scope, first='ended', last='started')}"
    conditions = [*_across(kept, scope), *_uneven(visits, kept)]
    chosen = [(condition, False) for condition in conditions]
    chosen += [(condition, True) for condition in _elsewhere(kept)]
    parts = [
        f"(select session_id, started, ended, {elsewhere} as elsewhere {source} and {condition})"
        for condition, elsewhere in chosen
    ]
    if not parts:
        return _Rest([], [], [])
    rows = cursor.execute(
        "select session_id, elsewhere, epoch_ms(started), epoch_ms(ended)"
        f" from ({' union all '.join(parts)}) limit $most",
        {"kept": kept.paths, "most": _MOST_REST, **scope_values(scope), **kept.young.bound},
    ).fetchall()
    if len(rows) == _MOST_REST:
        return None
    return _Rest(
        list({row[0] for row in rows}),
        list({row[0] for row in rows if row[1]}),
        list(_merged(sorted(row[2:] for row in rows))),
    )


def _across(kept: KeptVisits, scope: Scope) -> Iterator[str]:
    """Conditions on kept rows of a scope that the visit is not wholly in it."""
    if scope.start_ms is not None and kept.first_ms < scope.start_ms:
        yield "started < make_timestamp_ms($scope_start)"
    if scope.end_ms is not None and kept.last_ms >= scope.end_ms:
        yield "ended >= make_timestamp_ms($scope_end)"


def _uneven(visits: Visits, kept: KeptVisits) -> Iterator[str]:
    """Conditions on kept rows that one row is not enough for what is asked."""
    if visits.piece:
        yield f"{_at('started', visits.piece)} <> {_at('ended', visits.piece)}"
    if kept.has_varying and (set(visits.columns) | _words(visits.kept_condition)) & TRAITS.keys():
        yield "varies"


def _elsewhere(kept: KeptVisits) -> Iterator[str]:
    """Conditions on kept rows that something else tells of the visit as well."""
    if kept.has_shared:
        # The file that was there first does not know.
        shared = "select session_id from read_parquet($kept) where site_id = $scope_site and is_shared"
        yield f"session_id in ({shared})"
    others = [kept.young.select("site_id session_id")] if kept.young.bound else []
    others += ["select site_id, session_id from lines"] if kept.journal.bound else []
    if others:
        sessions = f"select session_id from ({' union all '.join(others)}) where site_id = $scope_site"
        yield f"session_id in ({sessions})"


def _whole(visits: Visits, kept: KeptVisits, scope: Scope, *, has_elsewhere: bool) -> str:
    """SQL for the rows that tell all of a visit."""
    piece = f"{_at('started', visits.piece)} as piece"
    columns = ", ".join(piece if name == "piece" else name for name in visits.names)
    source = "read_parquet($kept) as kept"
    if has_elsewhere:
        source += " anti join (select unnest($elsewhere) as session_id) as elsewhere using (session_id)"
    conditions = [_within(scope, first="started", last="ended"), visits.kept_condition or "true"]
    conditions += [f"not ({condition})" for condition in _uneven(visits, kept)]
    return f"select {columns} from {source} where {' and '.join(conditions)}"


def _within(scope: Scope, *, first: str, last: str) -> str:
    """The SQL condition of a site's rows whose moment `first` is not before a scope, nor `last` after it."""
    conditions = ["site_id = $scope_site"]
    if scope.start_ms is not None:
        conditions.append(f"{first} >= make_timestamp_ms($scope_start)")
    if scope.end_ms is not None:
        conditions.append(f"{last} < make_timestamp_ms($scope_end)")
    return " and ".join(conditions)


def _words(sql: str | None) -> set[str]:
    return set(_WORD.findall(sql or ""))


def _at(moment: str, sql: str) -> str:
    return _TIMESTAMP.sub(moment, sql)


def _merged(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order of their beginnings as a few that hold them all, parted at the widest gaps."""
    if not spans:
        return
    ends = list(accumulate((end for _, end in spans), max))
    gaps = ((spans[place][0] - ends[place - 1], place) for place in range(1, len(spans)))
    cuts = sorted(place for gap, place in sorted(gaps, reverse=True)[: _MOST_SPANS - 1] if gap > 0)
    for low, high in pairwise([0, *cuts, len(spans)]):
        yield spans[low][0], ends[high - 1]


def _spans_condition(spans: Sequence[tuple[int, int]]) -> tuple[str, dict[str, int]]:
    """The SQL condition of what lies in one of the spans, and its values."""
    parts = []
    values: dict[str, int] = {}
    for number, (first, last) in enumerate(spans):
        names = f"first_{number}", f"last_{number}"
        parts.append("timestamp between make_timestamp_ms(${}) and make_timestamp_ms(${})".format(*names))
        values |= dict(zip(names, (first, last), strict=True))
    return " or ".join(parts), values
