"""What visits and users are described by, and how moments are written."""

from tests.stats.reference.asked import Events, Row, of_type
from tests.stats.reference.buckets import wall_clock
from tests.stats.reference.dimensions import NUMBERS, UTM, channel, first_text, shown_user

_LAST_TEXTS = (
    *("country", "region", "city", "timezone", "language", "device_type"),
    *("browser", "browser_version", "operating_system", "operating_system_version"),
)
SIZES = ("screen_width", "screen_height")


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
        **numbers(latest, *NUMBERS, *SIZES),
    }


def numbers(events: Events, *columns: str) -> Row:
    """The number of the first event that has one, for each column; None if none has; places are floats."""
    found = {
        name: next((each[name] for each in events if each.get(name) is not None), None) for name in columns
    }
    return {name: value if value is None or name in SIZES else float(value) for name, value in found.items()}


def counts(counted: Events, /, **types: str) -> dict[str, int]:
    """The number of events of each type, under the names given."""
    return {name: len(of_type(counted, kind)) for name, kind in types.items()}
