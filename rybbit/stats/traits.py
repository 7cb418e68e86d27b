"""What a visit or a user is described by, picked from its events: shared by the lists of both."""

from typing import Any

from rybbit.stats.dimensions import SHOWN_USER, over_moments
from rybbit.store.visit import CHANNEL, TAGS, first_of, last_of

_FIRST = ("referrer", "hostname", *TAGS)
_LAST_TEXTS = (
    *("country", "region", "city", "timezone", "language", "device_type"),
    *("browser", "browser_version", "operating_system", "operating_system_version"),
)
_LAST_NUMBERS = ("lat", "lon", "screen_width", "screen_height")


_COLUMNS = {
    "user_id": f"any_value({SHOWN_USER})",
    "identified_user_id": "coalesce(max(user_id), '')",
    **{name: first_of(name) for name in _FIRST},
    "channel": CHANNEL,
    **{name: f"coalesce({last_of(name)}, '')" for name in _LAST_TEXTS},
    **{name: last_of(name) for name in _LAST_NUMBERS},
}

TRAITS = tuple(_COLUMNS)
"""The names of what `TRAITS_SQL` selects, in its order."""

TRAITS_SQL = over_moments(",\n  ".join(_COLUMNS.values()))
"""For a group of rows of `WITH_MOMENT`: where it came from (by its first event that says so), and what it was
last seen as.

`user_id` is the user as shown, `identified_user_id` the name that somebody gave, or "".
"""


def counted(kind: str) -> str:
    """SQL for the number of events of a type in a group."""
    # Several of these with `filter` take twice as long to plan.
    return f"count(case when type = '{kind}' then 1 end)"


def named(names: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    """A row as a dict."""
    return dict(zip(names, row, strict=True))
