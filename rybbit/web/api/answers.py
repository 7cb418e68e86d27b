"""Statistics and what became of events, as the API shows them; these describe, the queries make the rows."""

from typing import Any

from pydantic import ConfigDict

from rybbit.stats.buckets import Bucket
from rybbit.stats.dimensions import NAMES
from rybbit.stats.export import Form
from rybbit.stats.users import SORTS
from rybbit.web.api.description import Done, Moment, Shown

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


FLAG: dict[str, Any] = {"type": "string", "enum": ["", "true", "false", "1", "0"]}
_ORDER = {"type": "string", "enum": ["", "asc", "desc"], "default": "desc"}


def _required(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description, "required": True}


PERIOD_QUERY: dict[str, dict[str, Any]] = {
    "start_date": {"type": "string", "format": "date", "description": "First day, with `end_date`."},
    "end_date": {"type": "string", "format": "date", "description": "Last day, included."},
    "time_zone": {"type": "string", "default": "UTC", "description": "IANA name of the days' time zone."},
    "past_minutes_start": whole_number(1, _LONGEST_MINUTES, description="Begin so many minutes ago."),
    "past_minutes_end": whole_number(0, _LONGEST_MINUTES, description="End so many minutes ago."),
}
"""The query parameters of a period; without any it is all time."""

QUESTION_QUERY: dict[str, dict[str, Any]] = PERIOD_QUERY | {
    "filters": {
        "type": "string",
        "description": "A JSON array of objects with `parameter` (a dimension), `type` (equals, not_equals,"
        " contains, not_contains, regex, not_regex, greater_than, less_than) and `value` (a list; its values"
        " are alternatives). All filters must hold. The whole address must be shorter than 64 KiB, or the"
        " server answers 414 without a body; a few thousand values fit.",
    },
}
"""The query parameters that all statistics have in common."""

BUCKET_QUERY: dict[str, dict[str, Any]] = {
    "bucket": {"type": "string", "enum": ["", *Bucket], "default": Bucket.DAY},
}
PAGES_QUERY: dict[str, dict[str, Any]] = {
    "limit": whole_number(1, 1000, default=100),
    "page": whole_number(1, 1_000_000, default=1),
}
EVENTS_QUERY: dict[str, dict[str, Any]] = QUESTION_QUERY | {
    "page_size": whole_number(1, 1000, default=50),
    "before_timestamp": _MOMENT,
    "since_timestamp": _MOMENT,
}
EXPORT_QUERY: dict[str, dict[str, Any]] = QUESTION_QUERY | {
    "format": {"type": "string", "enum": ["", *Form], "default": Form.CSV},
}
EVENT_NAME_QUERY: dict[str, dict[str, Any]] = {"event_name": _required("Which event.")}
TOP_EVENTS_QUERY: dict[str, dict[str, Any]] = {
    "limit": whole_number(1, 100, default=5, description="So many names."),
}
SESSIONS_QUERY: dict[str, dict[str, Any]] = {
    "user_id": {"type": "string", "description": "Only those of a user."},
    "session_id": {"type": "string"},
    "identified_only": FLAG,
    "min_pageviews": whole_number(0, 2**31),
    "min_events": whole_number(0, 2**31),
    "min_duration": whole_number(0, 2**31, description="In seconds."),
}
SESSION_QUERY: dict[str, dict[str, Any]] = {
    "limit": whole_number(1, 1000, default=100),
    "offset": whole_number(0, 2**31, default=0),
}
USERS_QUERY: dict[str, dict[str, Any]] = {
    "page": whole_number(1, 1_000_000, default=1),
    "page_size": whole_number(1, 1000, default=100),
    "sort_by": {"type": "string", "enum": ["", *SORTS], "default": "last_seen"},
    "sort_order": _ORDER,
    "identified_only": FLAG,
    "search": {"type": "string", "description": "What the user's id contains."},
}
USER_QUERY: dict[str, dict[str, Any]] = {"user_id": _required("Which user.")}
METRIC_QUERY: dict[str, dict[str, Any]] = {
    "parameter": _required(f"One of {', '.join(NAMES)}."),
    "time_on_page": FLAG,
}
RETENTION_QUERY: dict[str, dict[str, Any]] = {
    "mode": {"type": "string", "enum": ["", "day", "week"], "default": "week"},
    "range": whole_number(1, 730, default=90, description="So many days, up to today."),
}
JOURNEYS_QUERY: dict[str, dict[str, Any]] = {
    "steps": whole_number(2, 10, default=3),
    "limit": whole_number(1, 500, default=100),
    "stepFilters": {
        "type": "string",
        "description": "A JSON object: patterns of paths by the number of a step, from 0.",
    },
}
GOALS_QUERY: dict[str, dict[str, Any]] = {
    "page": whole_number(1, 1_000_000, default=1),
    "page_size": whole_number(1, 100, default=10),
    "sort": {"type": "string", "enum": ["", "goalId", "name", "goalType", "createdAt"]},
    "order": _ORDER,
}
MODE_QUERY: dict[str, dict[str, Any]] = {
    "mode": {"type": "string", "enum": ["", "reached", "dropped"], "default": "reached"},
}
VITALS_QUERY: dict[str, dict[str, Any]] = {
    "dimension": _required("A dimension of events."),
    "sort_by": {"type": "string", "description": "A figure, `event_count` (default) or `value`."},
    "sort_order": _ORDER,
}
ERROR_QUERY: dict[str, dict[str, Any]] = {
    "error_message": _required("Which error, by its message."),
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


class OneAnswer(Shown):
    """One thing whose fields the path decides."""

    data: Any


class PageOfRows(Shown):
    """One page of rows, and how many there are on all pages together."""

    data: list[dict[str, Any]]
    total_count: int


class PageAnswer(Shown):
    """One page of rows whose fields the path decides."""

    data: PageOfRows


class UsersAnswer(Rows):
    """One page of users."""

    total_count: int
    page: int
    page_size: int


class TraitKeysAnswer(Shown):
    """Names of traits; rows of `key` and `userCount`."""

    keys: tuple[dict[str, Any], ...] = ()


class TraitValuesAnswer(Shown):
    """A page of the values of a trait; rows of `value` and `userCount`."""

    values: tuple[dict[str, Any], ...] = ()
    total: int = 0
    has_more: bool = False


class TraitUsersAnswer(Shown):
    """A page of the users with a value of a trait."""

    users: tuple[dict[str, Any], ...] = ()
    total: int = 0
    has_more: bool = False


class GoalsAnswer(Rows):
    """One page of goals; `meta` has `total`, `page`, `pageSize` and `totalPages`."""

    meta: dict[str, int]


class GoalDone(Done):
    """A goal was made or changed."""

    goal_id: int


class FunnelDone(Done):
    """A funnel was made or changed."""

    funnel_id: int


class JourneysAnswer(Shown):
    """Ways through a site: rows of `path`, `count` and `percentage`."""

    journeys: list[dict[str, Any]]


class OverviewAnswer(Shown):
    """The headline figures."""

    # The comparison is there only when it was asked for.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    data: dict[str, float | int | None]
    comparison: dict[str, Any] | None = None


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
    events: str


class VersionAnswer(Shown):
    """The version of the server."""

    version: str


class PublicConfigAnswer(Shown):
    """What a client must know before it signs in."""

    disable_signup: bool
