"""Raw events, newest first, in pages that neither skip nor double an event."""

from dataclasses import dataclass
from typing import Any

from rybbit import clock
from rybbit.stats.period import Period
from rybbit.store.base import EventStore, Scope
from rybbit.store.event import COLUMNS, Kind

# What an event shows, in this order; `ip` only to those who may see it.
SHOWN = (
    *("timestamp", "type", "event_name", "properties", "session_id", "user_id"),
    *("hostname", "pathname", "querystring", "page_title", "referrer", "channel"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("language", "country", "region", "city", "timezone", "lat", "lon", "screen_width", "screen_height"),
    *("lcp", "cls", "inp", "fcp", "ttfb"),
)

_TEXTS = frozenset(column.name for column in COLUMNS if column.kind is Kind.TEXT)
_SELECTED = ["id", "event_id", "user_hash", *SHOWN, "ip"]
_COLUMNS = ", ".join("epoch_ms(timestamp)" if name == "timestamp" else name for name in _SELECTED)

_NEWEST = """
select epoch_ms(timestamp) from events where {condition} order by timestamp desc limit $page_size
"""

_PAGE = """
select {columns} from events
where {condition} and timestamp >= make_timestamp_ms($oldest)
order by timestamp desc, id desc
"""

_REST = "select 1 from events where {condition} and timestamp < make_timestamp_ms($oldest) limit 1"


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of raw events; pass `oldest_ms` as `before_ms` for the next one."""

    events: list[dict[str, Any]]
    has_more: bool
    oldest_ms: int | None


def event_page(
    store: EventStore,
    site_id: int,
    period: Period,
    *,
    page_size: int,
    before_ms: int | None = None,
    since_ms: int | None = None,
    with_addresses: bool = False,
) -> EventPage:
    """Events older than `before_ms` and not older than `since_ms`, the newest first.

    A page holds `page_size` events, and those that share the last one's millisecond, so that the next
    page can begin below it.
    """
    stretch = Period(_latest(period.start_ms, since_ms), _earliest(period.end_ms, before_ms), period.zone)
    oldest = _oldest_of_page(store, site_id, stretch, page_size)
    if oldest is None:
        return EventPage([], has_more=False, oldest_ms=None)
    rows = _rows(store, site_id, stretch, _PAGE, oldest)
    found = [dict(zip(_SELECTED, row, strict=True)) for row in rows]
    events = [_shown(row, with_address=with_addresses) for row in found]
    return EventPage(events, bool(_rows(store, site_id, stretch, _REST, oldest)), oldest)


def _oldest_of_page(store: EventStore, site_id: int, stretch: Period, page_size: int) -> int | None:
    # One narrow column first: the wide rows are then read for a page alone.
    sql = _NEWEST.format(condition=_condition(stretch))
    parameters = {"site_id": site_id, "page_size": page_size, **stretch.parameters}
    rows = store.query(sql, parameters, scope=Scope(site_id, stretch.start_ms, stretch.end_ms))
    return int(rows[-1][0]) if rows else None


def _rows(
    store: EventStore, site_id: int, stretch: Period, template: str, oldest: int
) -> list[tuple[Any, ...]]:
    sql = template.format(columns=_COLUMNS, condition=_condition(stretch))
    scope = Scope(site_id, stretch.start_ms, stretch.end_ms)
    return store.query(sql, {"site_id": site_id, "oldest": oldest, **stretch.parameters}, scope=scope)


def _condition(stretch: Period) -> str:
    return f"site_id = $site_id and {stretch.condition}"


def _latest(*moments: int | None) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _earliest(*moments: int | None) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _shown(row: dict[str, Any], *, with_address: bool) -> dict[str, Any]:
    """An event as the API shows it: numbers that are too long for JavaScript as text, no null texts."""
    event = {name: "" if row[name] is None and name in _TEXTS else row[name] for name in SHOWN}
    event["timestamp"] = clock.to_iso(clock.from_ms(row["timestamp"]))
    event["session_id"] = str(row["session_id"])
    event["user_id"] = row["user_id"] or shown_visitor(row["user_hash"])
    event = {"event_id": row["event_id"] or f"{row['id']:016x}", **event}
    if with_address:
        event["ip"] = row["ip"] or ""
    return event


def shown_visitor(user_hash: int) -> str:
    """The user id of a visitor whom nobody named: 16 hex digits."""
    return f"{user_hash & 0xFFFF_FFFF_FFFF_FFFF:016x}"
