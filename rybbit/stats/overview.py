"""The headline figures of a period: sessions, pageviews, users and what follows from them."""

from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any

from rybbit.stats.buckets import Bucket, Timeline, find_timeline
from rybbit.stats.question import Question
from rybbit.stats.traits import named
from rybbit.store.base import EventStore
from rybbit.store.visit import Visits, select_visits

# Durations come from the events of the period alone, so that a figure never depends on what lies
# outside. A session is one user's, so users are counted over sessions, of which there are fewer; to tell
# visits apart by both is cheaper than to pick one user a session, and microseconds are what the engine holds.
_COLUMNS = ("user_hash", "started", "ended", "pageviews")

_FIGURES = """
select
  {by}
  count(*),
  coalesce(sum({views}), 0),
  coalesce(sum(visits.pageviews), 0),
  count(distinct user_hash),
  count(*) filter (where visits.pageviews = 1),
  coalesce(avg(epoch_us(ended) - epoch_us(started)), 0) / 1e6
from visits {join} {grouping}
"""


@dataclass(frozen=True, slots=True)
class Overview:
    """`bounce_rate` is the percentage of sessions with exactly one pageview; duration is in seconds.

    Where a filter chose the sessions by a page, `pageviews` are those of that page, while
    `pages_per_session`, `bounce_rate` and `session_duration` are of the sessions as a whole.
    """

    sessions: int = 0
    pageviews: int = 0
    users: int = 0
    pages_per_session: float = 0.0
    bounce_rate: float = 0.0
    session_duration: float = 0.0


_NAMES = tuple(each.name for each in fields(Overview))
# Not `asdict`, which takes ten times as long, for as many as 50,000 buckets.
_VALUES = attrgetter(*_NAMES)


def overview(store: EventStore, question: Question) -> Overview:
    """The headline figures of a site."""
    rows = _ask(store, question)
    return _overview(*rows[0]) if rows[0][0] else Overview()


def overview_bucketed(store: EventStore, question: Question, bucket: Bucket) -> list[dict[str, Any]]:
    """The same for each bucket of the period, as if it were the period: rows of `time` and the figures.

    Raises:
        InvalidInput: there would be too many buckets.
    """
    timeline = find_timeline(store, question, bucket)
    rows = _ask(store, question, timeline)
    figures = {int(key): _overview(*row) for key, *row in rows}
    return [{"time": name, **named(_NAMES, _VALUES(row))} for name, row in timeline.fill(figures, Overview())]


def _ask(store: EventStore, question: Question, timeline: Timeline | None = None) -> list[tuple[Any, ...]]:
    by, grouping = ("piece,", "group by piece") if timeline else ("", "")
    parts: dict[str, Any] = {"by": by, "grouping": grouping}
    visits = Visits(_COLUMNS, timeline.sql if timeline else "")
    if not question.chooses_visits:
        if timeline and timeline.comes_back:
            visits = replace(visits, kept_condition=None)
        return question.ask_of_visits(store, visits, _FIGURES, views="visits.pageviews", join="", **parts)
    # Of visits that filters chose by a page all counts, but pageviews have to match themselves.
    chosen = select_visits(Visits(("pageviews",), visits.piece), "{matching}")
    template = f"with visits as ({select_visits(visits, '{visiting}')}), chosen as ({chosen}) {_FIGURES}"
    join = f"join chosen using ({by} session_id)"
    return question.ask(store, template, views="chosen.pageviews", join=join, **parts)


def _overview(
    sessions: int, pageviews: int, pages: int, users: int, bounces: int, seconds: float
) -> Overview:
    rates = (int(pages) / sessions, 100 * bounces / sessions, float(seconds))
    return Overview(sessions, int(pageviews), users, *rates)
