"""What is going on now."""

from rybbit import clock
from rybbit.store.base import EventStore, Scope

_LIVE = """
select count(distinct session_id) from events
where site_id = $site_id and timestamp >= make_timestamp_ms($since)
"""

_HAS_DATA = "select 1 from events where site_id = $site_id limit 1"


def live_user_count(store: EventStore, site_id: int, *, minutes: int) -> int:
    """The sessions with an event in the last minutes."""
    since = clock.now_ms() - minutes * 60_000
    scope = Scope(site_id, start_ms=since)
    return int(store.query(_LIVE, {"site_id": site_id, "since": since}, scope=scope)[0][0])


def has_data(store: EventStore, site_id: int) -> bool:
    """Whether any event of the site is stored."""
    return bool(store.query(_HAS_DATA, {"site_id": site_id}, scope=Scope(site_id)))
