"""Statistics and what became of events, as the API shows them; these describe, the queries make the rows."""

from typing import Any

from pydantic import ConfigDict

from rybbit.web.api.description import Moment, Shown

_MOMENT = {
    "type": "string",
    "description": "ISO 8601 (UTC unless it says otherwise), or milliseconds since 1970. Empty: left out.",
    "anyOf": [{"format": "date-time"}, {"pattern": "^[0-9]{0,14}$"}],
}

_LONGEST_MINUTES = 100 * 366 * 24 * 60


def whole_number(
    least: int, most: int, *, description: str = "", default: int | None = None
) -> dict[str, Any]:
    """The schema of a whole number in a query; an empty one is as if left out, as forms send it."""
    number = {"type": "integer", "minimum": least, "maximum": most}
    schema: dict[str, Any] = {"anyOf": [number, {"type": "string", "maxLength": 0}]}
    schema["description"] = f"{description} Empty: left out.".strip()
    return schema if default is None else schema | {"default": default}


PERIOD_QUERY: dict[str, dict[str, Any]] = {
    "start_date": {"type": "string", "format": "date", "description": "First day, with `end_date`."},
    "end_date": {"type": "string", "format": "date", "description": "Last day, included."},
    "time_zone": {"type": "string", "default": "UTC", "description": "IANA name of the days' time zone."},
    "past_minutes_start": whole_number(1, _LONGEST_MINUTES, description="Begin so many minutes ago."),
    "past_minutes_end": whole_number(0, _LONGEST_MINUTES, description="End so many minutes ago."),
}
"""The query parameters of a period; without any it is all time."""

EVENTS_QUERY: dict[str, dict[str, Any]] = PERIOD_QUERY | {
    "page_size": whole_number(1, 1000, default=50),
    "before_timestamp": _MOMENT,
    "since_timestamp": _MOMENT,
}
LIVE_QUERY: dict[str, dict[str, Any]] = {
    "minutes": whole_number(1, 24 * 60, default=5),
}
DROPS_QUERY: dict[str, dict[str, Any]] = {
    "since": _MOMENT,
    "limit": whole_number(1, 10_000, default=1000),
}
INSPECTOR_QUERY: dict[str, dict[str, Any]] = {
    "since": {
        "type": "string",
        "pattern": "^([0-9a-f]{1,16}(-[0-9a-f]{1,16}){2})?$",
        "description": "The `cursor` of an earlier answer: only what came after it. Empty: left out.",
    },
    "limit": whole_number(1, 1000, default=100),
}


class Rows(Shown):
    """Rows whose fields the path decides."""

    data: list[dict[str, Any]]


class OverviewAnswer(Shown):
    """The headline figures."""

    data: dict[str, float | int | None]


class Cursor(Shown):
    """Where the next page begins."""

    has_more: bool
    oldest_timestamp: Moment | None


class EventsAnswer(Rows):
    """Raw events, the newest first."""

    cursor: Cursor


class InspectorAnswer(Rows):
    """What reached a site, the newest first; `cursor` is `since` of the next call."""

    cursor: str


class HasDataAnswer(Shown):
    """Whether any event has come in."""

    has_data: bool


class CountAnswer(Shown):
    """A number of visitors."""

    count: int


class TrackAnswer(Shown):
    """What became of an event; `message` says why a rule of the site's owner kept it out."""

    # The message is there only when it has something to say.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    success: bool = True
    message: str | None = None


class BatchAnswer(Shown):
    """What became of the events of a batch."""

    success: bool = True
    accepted: int
    rejected: list[dict[str, Any]]
    filtered: dict[str, int]


class HealthAnswer(Shown):
    """How the server is, part by part."""

    status: str
    database: str
    journal: str


class VersionAnswer(Shown):
    """The version of the server."""

    version: str


class PublicConfigAnswer(Shown):
    """What a client must know before it signs in."""

    disable_signup: bool
