"""Users one by one: a list of them, one of them, and how often one came."""

from dataclasses import replace
from typing import Any

from rybbit import clock
from rybbit.stats.buckets import Bucket, find_timeline
from rybbit.stats.dimensions import OF_USER, SHOWN_USER, WITH_MOMENT, is_plain, user_values
from rybbit.stats.page import Page
from rybbit.stats.period import ALL_TIME
from rybbit.stats.question import Question
from rybbit.stats.traits import TRAITS, TRAITS_SQL, counted, named
from rybbit.store.base import EventStore

_FIELDS = ("user_hash", "first_seen", "last_seen", "sessions", "pageviews", "events", *TRAITS)
SORTS = {
    "last_seen": "max(timestamp)",
    "first_seen": "min(timestamp)",
    "sessions": "count(distinct session_id)",
    "pageviews": counted("pageview"),
    "events": counted("custom_event"),
}
"""What `sort_by` may be, and its SQL."""

_PAGE = """
select user_hash, count(*) over () as total
from (
  select user_hash, {sort} as place
  from events
  where {visits}{further}
  group by user_hash
) as users
order by place {order}, user_hash
limit $limit offset $offset
"""
_TOTAL = "select count(distinct user_hash) from events where {visits}{further}"
_DETAILS = f"""
select
  user_hash,
  epoch_ms(min(timestamp)),
  epoch_ms(max(timestamp)),
  count(distinct session_id),
  {counted("pageview")},
  {counted("custom_event")},
  {TRAITS_SQL}
from ({WITH_MOMENT} where {{visits}} and user_hash in (select unnest($users))) as found
group by user_hash
"""
_DURATION = """
select avg(milliseconds) / 1000
from (
  select epoch_ms(max(timestamp)) - epoch_ms(min(timestamp)) as milliseconds
  from events
  where {matching} and user_hash = $user
  group by session_id
) as visits
"""
# An id of 16 hex digits is that of a visitor whom nobody named, unless somebody has this very name.
_FIND = f"""
select user_hash from events
where {{matching}} and {OF_USER}
order by user_id is null
limit 1
"""
_DAYS = """
select {day} as day, count(distinct session_id)
from events
where {matching} and user_hash = $user
group by day
"""


def user_page(
    store: EventStore,
    question: Question,
    *,
    limit: int,
    page: int = 1,
    sort_by: str = "last_seen",
    descending: bool = True,
    identified_only: bool = False,
    search: str = "",
) -> Page:
    """Users of the visits that are found: times, counts and traits; of the events within the period.

    Args:
        sort_by: a key of `SORTS`.
        search: what the user's id has to contain, whatever the case of its letters.
    """
    further = " and user_id is not null" if identified_only else ""
    further += f" and contains(lower({SHOWN_USER}), $search)" if search else ""
    values = {"limit": limit, "offset": limit * (page - 1), "search": search.lower()}
    parts = {"sort": SORTS[sort_by], "order": "desc" if descending else "asc", "further": further}
    found = question.ask(store, _PAGE, values, **parts)
    if not found:
        # Beyond the last page there is nobody, but still a number of them.
        return Page([], int(question.ask(store, _TOTAL, values, further=further)[0][0]) if page > 1 else 0)
    users = {row[0]: row for row in question.ask(store, _DETAILS, {"users": [row[0] for row in found]})}
    return Page([_shown(users[user]) for user, _ in found], int(found[0][1]))


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    user = named(_FIELDS, row)
    del user["user_hash"]
    moments = {name: clock.to_iso(clock.from_ms(user[name])) for name in ("first_seen", "last_seen")}
    # Clients that know users by more than an id look for these.
    return {"user_id": user["user_id"], **user, **moments, "traits": None}


def find_user(store: EventStore, question: Question, user_id: str) -> dict[str, Any] | None:
    """A user of the question's site over all time, with the mean `duration` of a session in seconds."""
    question = replace(question, period=ALL_TIME, filters=())
    user = _hash_of(store, question, user_id)
    if user is None:
        return None
    row = question.ask(store, _DETAILS, {"users": [user]})[0]
    duration = question.ask(store, _DURATION, {"user": user})[0][0]
    return {**_shown(row), "duration": float(duration), "linked_devices": []}


def _hash_of(store: EventStore, question: Question, user_id: str) -> int | None:
    if not is_plain(user_id):
        return None
    found = question.ask(store, _FIND, user_values(user_id))
    return int(found[0][0]) if found else None


def session_counts(store: EventStore, question: Question, user_id: str) -> list[dict[str, Any]]:
    """Rows of `date` and `sessions`: on which days of the zone a user came, and how often."""
    user = _hash_of(store, question, user_id)
    if user is None:
        return []
    timeline = find_timeline(store, question, Bucket.DAY)
    rows = question.ask(store, _DAYS, {"user": user}, day=timeline.sql)
    counts = {int(day): int(sessions) for day, sessions in rows}
    return [{"date": name[:10], "sessions": count} for name, count in timeline.fill(counts, 0) if count]
