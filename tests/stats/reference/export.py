"""Events as they are exported."""

from tests.stats.reference.asked import Asked, Event, Events, Row, text
from tests.stats.reference.dimensions import shown_user
from tests.stats.reference.narrowing import narrow
from tests.stats.reference.traits import SIZES, iso

_AS_STORED = (
    *("type", "event_name", "properties", "hostname", "pathname", "querystring", "page_title"),
    *("referrer", "referrer_domain", "channel"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("language", "country", "region", "city", "timezone", *SIZES),
)
_NUMBERS = ("lat", "lon", "lcp", "cls", "inp", "fcp", "ttfb")


def exported(events: Events, asked: Asked) -> list[Row]:
    """Every event that matches, by its id."""
    matching = narrow(events, asked, event_level=True).matching
    return sorted((_row(event) for event in matching), key=lambda row: str(row["event_id"]))


def _row(event: Event) -> Row:
    return {
        "timestamp": iso(event["timestamp"]),
        "session_id": str(event["session_id"]),
        "user_id": shown_user(event),
        "visitor_id": f"{event['user_hash'] % 2**64:016x}",
        "event_id": text(event, "event_id") or f"{event['id']:016x}",
        **{name: event.get(name) for name in _AS_STORED},
        **{name: None if event.get(name) is None else float(event[name]) for name in _NUMBERS},
    }
