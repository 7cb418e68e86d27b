"""Sessions and pageviews by one dimension: browsers, countries, pages, sources and all the others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rybbit.stats.dimensions import Dimension, Level
from rybbit.stats.page import Page
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from rybbit.store.visit import Visits

# A question about more pageviews than these is not asked, unasked, how long each page was looked at: it
# would take as long as all the rest of a dashboard.
MOST_FOR_DETAILS = 20_000
_LONGEST_LOOK_SECONDS = 1800.0

# What matched: a row for each session and value.
_PARTS = """
  select session_id, {value} as value, count(*) filter (where type = 'pageview') as pageviews
  from events
  where {condition}
  group by {by} session_id
"""
# The value of each visit, where what matched is not all of it.
_ORIGINS = "select session_id, {value} as origin from events where {within} group by session_id"
# Sessions with exactly one pageview, matching or not; a set is cheaper here than another join.
_BOUNCED = """
  select session_id from events where {visiting} and type = 'pageview' group by session_id having count(*) = 1
"""
_BOUNCED_WITH_VALUE = """
  select session_id, value
  from (
    select session_id, {value} as value
    from events
    where {visiting} and type = 'pageview'
    group by value, session_id
    having count(*) = 1
  ) as single
"""
_IN_VISITS = "{within} and session_id in (select session_id from visits)"
_BOUNCED_VISITS = "select session_id from visits where pageviews = 1"

_ROWS = """
select
  value,
  sessions,
  pageviews,
  bounces,
  sum(sessions) over () as all_sessions,
  sum(pageviews) over () as all_pageviews,
  count(*) over () as total
from (
  select
    value,
    count(*) as sessions,
    sum(parts.pageviews) as pageviews,
    count(*) filter (where {is_bounce}) as bounces
  from {parts}
  where {is_there}
  group by value
) as found
order by sessions desc, value
limit $limit offset $offset
"""

# How long pages were looked at, and the latest of what came with them.
_DETAILS = """
with steps as (
  select
    value,
    type,
    is_match,
    companion,
    ms,
    id,
    lead(ms) over (partition by session_id order by ms, id) - ms as milliseconds
  from (
    select
      {value} as value,
      {companion} as companion,
      type,
      session_id,
      id,
      epoch_ms(timestamp) as ms,
      ({matching}) as is_match
    from events
    where {visiting}
  ) as moments
)
select
  value,
  avg(case when type = 'pageview' and milliseconds is not null then least(milliseconds / 1000, $longest) end),
  max_by({wanted}, (ms, id))
from steps
where is_match and value in (select unnest($shown))
group by value
"""
# What a page is shown with.
_COMPANION = {"pathname": ("title", "page_title"), "page_title": ("pathname", "pathname")}


def breakdown(
    store: EventStore,
    question: Question,
    dimension: Dimension,
    *,
    limit: int,
    page: int = 1,
    only: str = "",
    with_details: bool = False,
) -> Page:
    """Rows of `value`, `count` (sessions), `percentage`, `pageviews`, `pageviews_percentage`, `bounce_rate`.

    A session counts in each row whose value its events have; a dimension of visits has one value a visit.
    Events without a value are left out. Percentages are of the sums over all rows.

    Rows of `pathname` and `page_title` also have the latest title or path that came with it, and
    `time_on_page_seconds`: the mean time from a pageview to the next event of its visit, at most half an
    hour each; both are None where `MOST_FOR_DETAILS` is exceeded, unless `with_details`.

    Args:
        only: the type of event that is looked at; all types if empty, but for names of events, which are
            those of custom events.
    """
    only = only or ("custom_event" if dimension.level is Level.EVENT else "")
    values = {**dimension.values, "limit": limit, "offset": limit * (page - 1)}
    found = _ask(store, question, dimension, only, values)
    rows = [_row(dimension, *row[:6]) for row in found]
    if dimension.name in _COMPANION:
        views = int(found[0][5]) if found else 0
        wanted = with_details or views <= MOST_FOR_DETAILS
        _add_details(store, question, dimension, rows, only=only, wanted=wanted)
    if found or page == 1:
        return Page(rows, int(found[0][6]) if found else 0)
    # Beyond the last page there is no row that could tell.
    return replace(breakdown(store, question, dimension, limit=1, only=only), rows=[])


def _ask(
    store: EventStore, question: Question, dimension: Dimension, only: str, values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    # Whether what matches is all there is to know.
    is_whole = not only and not question.chooses_visits
    if dimension.level is Level.VISIT:
        is_whole = is_whole and question.keeps_visits_whole
    if is_whole and (column := dimension.of_visits):
        parts = f"(select {column} as value, pageviews from visits) as parts"
        template = _ROWS.format(parts=parts, is_bounce="pageviews = 1", is_there="value <> ''")
        return question.ask_of_visits(store, Visits((column, "pageviews")), template, values)
    if dimension.level is Level.VISITOR:
        return question.ask(store, _of_visitors(dimension, only, is_whole=is_whole), values)
    bounced = _BOUNCED if question.chooses_visits else _BOUNCED_VISITS
    is_of_visits = dimension.level is Level.VISIT
    template = _of_origins(dimension, bounced) if is_of_visits else _of_pages(dimension, only, bounced)
    if question.chooses_visits:
        return question.ask(store, template, values)
    if question.filters and question.is_of_origins:
        template = template.replace("{matching}", _IN_VISITS).replace("{events}", _IN_VISITS)
    return question.ask_of_visits(store, Visits(("pageviews",)), template, values)


def _of_visitors(dimension: Dimension, only: str, *, is_whole: bool) -> str:
    condition = "{matching}" + (f" and type = '{only}'" if only else "")
    parts = _PARTS.format(value=dimension.sql, condition=condition, by="value,")
    bounced = _BOUNCED_WITH_VALUE.format(value=dimension.sql, visiting="{visiting}")
    is_bounce = "pageviews = 1" if is_whole else f"(session_id, value) in ({bounced})"
    is_there = "value is not null" if dimension.is_number else "value <> ''"
    return _ROWS.format(parts=f"({parts}) as parts", is_bounce=is_bounce, is_there=is_there)


def _of_pages(dimension: Dimension, only: str, bounced: str) -> str:
    condition = "{events}" if dimension.level is Level.EVENT else "{matching}"
    condition += f" and type = '{only}'" if only else ""
    parts = _PARTS.format(value=dimension.sql, condition=condition, by="value,")
    is_bounce = f"session_id in ({bounced})"
    return _ROWS.format(parts=f"({parts}) as parts", is_bounce=is_bounce, is_there="value <> ''")


def _of_origins(dimension: Dimension, bounced: str) -> str:
    parts = _PARTS.format(value="0", condition="{matching}", by="")
    origins = _ORIGINS.format(value=dimension.sql, within="{within}")
    chosen = (
        f"(select session_id, pageviews, origin as value from ({parts}) as matched"
        f" join ({origins}) as origins using (session_id)) as parts"
    )
    return _ROWS.format(parts=chosen, is_bounce=f"session_id in ({bounced})", is_there="value <> ''")


def _row(
    dimension: Dimension,
    value: object,
    sessions: int,
    pageviews: int,
    bounces: int,
    all_sessions: int,
    all_pageviews: int,
) -> dict[str, Any]:
    return {
        "value": str(value),
        "count": int(sessions),
        "percentage": 100 * int(sessions) / int(all_sessions),
        "pageviews": int(pageviews),
        "pageviews_percentage": 100 * int(pageviews) / int(all_pageviews) if all_pageviews else 0.0,
        "bounce_rate": 100 * int(bounces) / int(sessions),
    }


def _add_details(
    store: EventStore,
    question: Question,
    dimension: Dimension,
    rows: list[dict[str, Any]],
    *,
    only: str,
    wanted: bool,
) -> None:
    name, companion = _COMPANION[dimension.name]
    found: dict[str, tuple[float | None, str]] = {}
    if wanted and rows:
        values = {"shown": [row["value"] for row in rows], "longest": _LONGEST_LOOK_SECONDS}
        parts = {"value": dimension.sql, "companion": companion}
        parts["wanted"] = f"case when type = '{only}' then companion end" if only else "companion"
        asked = question.ask(store, _DETAILS, values, **parts)
        found = {value: (seconds, text or "") for value, seconds, text in asked}
    for row in rows:
        seconds, text = found.get(row["value"], (None, "" if wanted else None))
        row[name] = text
        row["time_on_page_seconds"] = seconds
