"""Web vitals: how fast pages were for their visitors, over all, in the course of time, and by a dimension.

Quantiles are by linear interpolation between the nearest two values (type 7 of Hyndman and Fan, 1996,
https://doi.org/10.2307/2684934). Times are in milliseconds, `cls` has no unit.
"""

from dataclasses import replace
from typing import Any

from rybbit.stats.buckets import Bucket, find_timeline
from rybbit.stats.dimensions import Dimension
from rybbit.stats.page import Page
from rybbit.stats.question import Question
from rybbit.stats.traits import named
from rybbit.store.base import EventStore

VITALS = ("lcp", "cls", "inp", "fcp", "ttfb")
_FRACTIONS = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99}
_FIGURES = {
    name: sql
    for vital in VITALS
    for name, sql in (
        (f"{vital}_avg", f"avg({vital})"),
        *((f"{vital}_{name}", f"quantile_cont({vital}, {part})") for name, part in _FRACTIONS.items()),
    )
}
FIGURES = tuple(_FIGURES)
"""The names of all figures: `lcp_avg`, `lcp_p50` and so on."""

_IS_VITAL = "type = 'performance'"
_SELECTED = f"{', '.join(_FIGURES.values())}, count(*)"
_OVERVIEW = f"select {_SELECTED} from events where {{matching}} and {_IS_VITAL}"
_BUCKETED = f"""
select {{bucket}} as bucket, {_SELECTED} from events where {{matching}} and {_IS_VITAL} group by bucket
"""
_NAMED = ", ".join(f"{sql} as {name}" for name, sql in _FIGURES.items())
_BY_DIMENSION = f"""
select *, count(*) over () as total
from (
  select {{value}} as value, {_NAMED}, count(*) as event_count
  from events
  where {{matching}} and {_IS_VITAL}
  group by value
) as found
where {{is_there}}
order by {{sort}} is null, {{sort}} {{order}}, value
limit $limit offset $offset
"""


def vitals(store: EventStore, question: Question) -> dict[str, Any]:
    """All figures over the events that have the vital, None without any; and `total_performance_events`."""
    *figures, count = question.ask(store, _OVERVIEW)[0]
    return {**named(FIGURES, tuple(figures)), "total_performance_events": int(count)}


def vitals_bucketed(store: EventStore, question: Question, bucket: Bucket) -> list[dict[str, Any]]:
    """Rows of `time`, all figures and `event_count`.

    Raises:
        InvalidInput: there would be too many buckets.
    """
    timeline = find_timeline(store, question, bucket)
    rows = question.ask(store, _BUCKETED, bucket=timeline.sql)
    found = {int(key): (*figures, int(count)) for key, *figures, count in rows}
    names = (*FIGURES, "event_count")
    empty = (*(None for _ in FIGURES), 0)
    return [{"time": time, **named(names, row)} for time, row in timeline.fill(found, empty)]


def vitals_by(
    store: EventStore,
    question: Question,
    dimension: Dimension,
    *,
    limit: int,
    page: int = 1,
    sort_by: str = "event_count",
    descending: bool = True,
) -> Page:
    """Rows of `value`, the same under the name of the dimension, all figures and `event_count`.

    Args:
        dimension: of events, not of visits.
        sort_by: one of `FIGURES`, `event_count` or `value`; rows without it come last.
    """
    values = {**dimension.values, "limit": limit, "offset": limit * (page - 1)}
    rows = question.ask(
        store,
        _BY_DIMENSION,
        values,
        value=dimension.sql,
        sort=sort_by,
        order="desc" if descending else "asc",
        is_there="value is not null" if dimension.is_number else "value <> ''",
    )
    shown = [
        {
            "value": str(value),
            dimension.name: str(value),
            **named(FIGURES, tuple(figures)),
            "event_count": int(count),
        }
        for value, *figures, count, _ in rows
    ]
    if rows or page == 1:
        return Page(shown, int(rows[0][-1]) if rows else 0)
    # Beyond the last page there is no row that could tell.
    return replace(vitals_by(store, question, dimension, limit=1), rows=[])
