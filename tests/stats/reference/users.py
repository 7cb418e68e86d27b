"""Users one by one."""

from collections import Counter

from tests.stats.reference.asked import (
    Asked,
    Event,
    Events,
    Row,
    by_session,
    moment,
    ratio,
    seconds_long,
    session_ids,
)
from tests.stats.reference.buckets import local_day
from tests.stats.reference.dimensions import shown_user
from tests.stats.reference.narrowing import narrow
from tests.stats.reference.sessions import chosen_visits
from tests.stats.reference.traits import counts, iso, traits


def users(
    events: Events,
    asked: Asked,
    *,
    limit: int = 100,
    page: int = 1,
    sort_by: str = "last_seen",
    descending: bool = True,
    identified_only: bool = False,
    search: str = "",
) -> Row:
    """The users of the visits that are found: `{"data": […], "totalCount": …}`."""
    people: dict[int, list[Event]] = {}
    for visit in chosen_visits(events, asked):
        people.setdefault(visit[0]["user_hash"], []).extend(visit)
    rows = [(user_hash, _row(sorted(found, key=moment))) for user_hash, found in sorted(people.items())]
    if identified_only:
        rows = [(user_hash, row) for user_hash, row in rows if row["identified_user_id"]]
    rows = [(user_hash, row) for user_hash, row in rows if search.lower() in row["user_id"].lower()]
    # Sorting is stable, in reverse too, so ties stay in the order of the hash.
    ordered = sorted((row for _, row in rows), key=lambda row: row[sort_by], reverse=descending)
    return {"data": ordered[(page - 1) * limit : page * limit], "totalCount": len(ordered)}


def user(events: Events, asked: Asked, user_id: str) -> Row | None:
    """A user of the site over all time; None if nobody is shown by that name."""
    found = _events_of(events, asked, user_id)
    if not found:
        return None
    visits = by_session(found).values()
    return {**_row(found), "duration": ratio(sum(seconds_long(visit) for visit in visits), len(visits))}


def session_counts(events: Events, asked: Asked, user_id: str) -> list[Row]:
    """On how many visits a user was there, on each day on which there was one."""
    narrowed = narrow(events, asked)
    days = {
        (local_day(event["timestamp"], asked.zone), event["session_id"])
        for event in narrowed.matching
        if shown_user(event) == user_id
    }
    counted = Counter(day for day, _ in days)
    return [{"date": day.isoformat(), "sessions": counted[day]} for day in sorted(counted)]


def _events_of(events: Events, asked: Asked, user_id: str) -> list[Event]:
    everything = narrow(events, Asked(asked.site_id)).everything
    return [event for event in everything if shown_user(event) == user_id]


def _row(found: Events) -> Row:
    return {
        "first_seen": iso(found[0]["timestamp"]),
        "last_seen": iso(found[-1]["timestamp"]),
        "sessions": len(session_ids(found)),
        **counts(found, pageviews="pageview", events="custom_event"),
        **traits(found),
    }
