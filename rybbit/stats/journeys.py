"""The ways that visits take through a site: the same first pages in the same order, counted."""

from collections.abc import Mapping
from typing import Any

from rybbit.stats.paths import path_regex
from rybbit.stats.question import Question
from rybbit.store.base import EventStore

MOST_STEPS = 10

# A page that is loaded again right away is no further step.
_JOURNEYS = """
with views as (
  select session_id, timestamp, id, coalesce(pathname, '') as path
  from events
  where {matching} and type = 'pageview'
),
changes as (
  select
    session_id, timestamp, id, path,
    lag(path) over (partition by session_id order by timestamp, id) as before,
    row_number() over (partition by session_id order by timestamp, id) as place
  from views
),
steps as (
  select session_id, path, row_number() over (partition by session_id order by timestamp, id) as step
  from changes
  where place = 1 or path <> before
),
ways as (
  select {columns}
  from steps
  where step <= $steps
  group by session_id
  having count(*) >= 2
)
select {names}, count(*) as visits
from ways
{where}
group by {names}
order by visits desc, {names}
limit $limit
"""
_VISITS = "select count(distinct session_id) from events where {matching}"


def journeys(
    store: EventStore,
    question: Question,
    *,
    steps: int,
    limit: int,
    step_patterns: Mapping[int, str] | None = None,
) -> list[dict[str, Any]]:
    """Rows of `path` (two to `steps` pages), `count` and `percentage` of all visits, the most taken first.

    Args:
        steps: how many pages are looked at, at most `MOST_STEPS`.
        step_patterns: what the page at a step (from 0) has to fit, see `paths.py`.
    """
    places = range(1, steps + 1)
    columns = ", ".join(
        f"coalesce(max(path) filter (where step = {place}), '') as step_{place}" for place in places
    )
    # The empty path is a page too; whether there was a step at all says its number.
    columns += ", max(step) as length"
    names = ", ".join([*(f"step_{place}" for place in places), "length"])
    patterns = {f"pattern_{place}": path_regex(text) for place, text in (step_patterns or {}).items()}
    # A step that was not taken is no empty path.
    fits = [
        f"length > {place} and regexp_matches(step_{place + 1}, $pattern_{place})"
        for place in step_patterns or {}
    ]
    where = f"where {' and '.join(fits)}" if fits else ""
    values = {"steps": steps, "limit": limit, **patterns}
    rows = question.ask(store, _JOURNEYS, values, columns=columns, names=names, where=where)
    visits = int(question.ask(store, _VISITS)[0][0])
    return [
        {
            "path": list(path[:length]),
            "count": int(count),
            "percentage": 100 * int(count) / visits,
        }
        for *path, length, count in rows
    ]
