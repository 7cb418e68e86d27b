"""The headline figures of a period: sessions, pageviews, users and what follows from them."""

from dataclasses import dataclass

from rybbit.stats.period import Period
from rybbit.store.base import EventStore, Scope

# Durations come from the events of the period alone, so that a figure never depends on what lies
# outside. A session is one user's, so users are counted over sessions, of which there are fewer; grouping
# by both is cheaper than picking one user a session, and microseconds are what the engine holds.
_OVERVIEW = """
with visits as (
  select
    user_hash,
    count(*) filter (where type = 'pageview') as pageviews,
    epoch_us(max(timestamp)) - epoch_us(min(timestamp)) as microseconds
  from events
  where site_id = $site_id and {period}
  group by session_id, user_hash
)
select
  count(*),
  coalesce(sum(pageviews), 0),
  count(distinct user_hash),
  count(*) filter (where pageviews = 1),
  coalesce(avg(microseconds), 0) / 1e6
from visits
"""


@dataclass(frozen=True, slots=True)
class Overview:
    """`bounce_rate` is the percentage of sessions with exactly one pageview; duration is in seconds."""

    sessions: int
    pageviews: int
    users: int
    pages_per_session: float
    bounce_rate: float
    session_duration: float


def overview(store: EventStore, site_id: int, period: Period) -> Overview:
    """The headline figures of a site."""
    sql = _OVERVIEW.format(period=period.condition)
    scope = Scope(site_id, period.start_ms, period.end_ms)
    rows = store.query(sql, {"site_id": site_id, **period.parameters}, scope=scope)
    sessions, pageviews, users, bounces, duration = rows[0]
    return Overview(
        sessions=int(sessions),
        pageviews=int(pageviews),
        users=int(users),
        pages_per_session=pageviews / sessions if sessions else 0.0,
        bounce_rate=100 * bounces / sessions if sessions else 0.0,
        session_duration=float(duration),
    )
