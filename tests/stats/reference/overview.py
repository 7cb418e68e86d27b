"""The headline figures, as a whole and by bucket."""

from tests.stats.reference.asked import (
    Asked,
    Events,
    Row,
    bounce_rate,
    by_session,
    pageviews,
    ratio,
    seconds_long,
    session_ids,
    users,
)
from tests.stats.reference.buckets import buckets, by_bucket
from tests.stats.reference.narrowing import narrow


def overview(events: Events, asked: Asked) -> Row:
    """Sessions, pageviews, users and what visits were like."""
    narrowed = narrow(events, asked)
    return _figures(narrowed.visiting, narrowed.matching)


def overview_bucketed(events: Events, asked: Asked, length: str) -> list[Row]:
    """The headline figures of each bucket, as if it were the period; visits are chosen by the whole one."""
    narrowed = narrow(events, asked)
    visiting = by_bucket(narrowed.visiting, asked.zone, length)
    matching = by_bucket(narrowed.matching, asked.zone, length)
    return [
        {"time": bucket.name, **_figures(visiting.get(bucket, []), matching.get(bucket, []))}
        for bucket in buckets(asked, length, narrowed.matching)
    ]


def _figures(visiting: Events, matching: Events) -> Row:
    chosen = session_ids(matching)
    visits = [visit for session_id, visit in by_session(visiting).items() if session_id in chosen]
    return {
        "sessions": len(chosen),
        "pageviews": len(pageviews(matching)),
        "users": len(users(matching)),
        "pages_per_session": ratio(sum(len(pageviews(visit)) for visit in visits), len(visits)),
        "bounce_rate": bounce_rate(visits),
        "session_duration": ratio(sum(seconds_long(visit) for visit in visits), len(visits)),
    }
