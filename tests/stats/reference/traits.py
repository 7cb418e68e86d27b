"""What visits and users are described by, and how moments are written."""

from tests.stats.reference.asked import Events, Row, of_type
from tests.stats.reference.buckets import wall_clock
from tests.stats.reference.dimensions import UTM, channel, first_text, shown_user

_LAST_TEXTS = (
    *("country", "region", "city", "timezone", "language", "device_type"),
    *("browser", "browser_version", "operating_system", "operating_system_version"),
)
_LAST_NUMBERS = ("lat", "lon", "screen_width", "screen_height")


def iso(milliseconds: int) -> str:
    """A moment as the API writes it."""
    shown = wall_clock(milliseconds, "UTC")
    return f"{shown:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def traits(events: Events) -> Row:
    """Who it was, how they came at first, where and with what they were last."""
    latest = events[::-1]
    return {
        "user_id": shown_user(events[0]),
        "identified_user_id": first_text(events, "user_id"),
        **{name: first_text(events, name) for name in ("referrer", "hostname", *UTM)},
        "channel": channel(events),
        **{name: first_text(latest, name) for name in _LAST_TEXTS},
        **{name: _first_number(latest, name) for name in _LAST_NUMBERS},
    }


def _first_number(events: Events, column: str) -> float | None:
    return next((each[column] for each in events if each.get(column) is not None), None)


def counts(counted: Events, /, **types: str) -> dict[str, int]:
    """The number of events of each type, under the names given."""
    return {name: len(of_type(counted, kind)) for name, kind in types.items()}
