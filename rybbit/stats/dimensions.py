"""What events can be grouped and filtered by: the values of `parameter` in the API, and their SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rybbit.errors import InvalidInput

_LONGEST_NAME = 256
_URL_PARAM = "url_param:"
_TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


class Level(StrEnum):
    """What a dimension is a property of, which decides what a filter on it does to a visit.

    A filter on a visitor's property narrows visits to the events that have it. One on a page, or on the name
    of an event, chooses visits: what else happened in them still counts for their length and bounces. What a
    visit has as a whole (where it came from, where it began) never cuts a visit into pieces.
    """

    VISITOR = "visitor"
    PAGE = "page"
    EVENT = "event"
    VISIT = "visit"


@dataclass(frozen=True)
class Dimension:
    """One of them: `sql` is its value for a row of `events`, for `VISIT` for a group of rows, one visit's.

    Texts are "" where there is none, numbers null. `values` are bound under the names that `sql` mentions.
    """

    name: str
    sql: str
    level: Level = Level.VISITOR
    is_number: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


SHOWN_USER = "coalesce(user_id, hex_id(user_hash))"
"""The user as shown: the name somebody gave, else 16 hex digits."""

_MOMENT = "moment(timestamp, id)"
WITH_MOMENT = f"select *, {_MOMENT} as moment from events"
"""All events with what they are ordered by, for `over_moments`."""


def first_of(column: str) -> str:
    """SQL for the value of a visit's first event that has one, "" without."""
    return f"coalesce(min_by({column}, {_MOMENT}), '')"


def last_of(column: str) -> str:
    """SQL for the value of a group's last event that has one, null without."""
    return f"max_by({column}, {_MOMENT})"


def over_moments(sql: str) -> str:
    """The same over rows of `WITH_MOMENT`, which takes half the time to plan where there are many."""
    return sql.replace(_MOMENT, "moment")


# Both engines pass over rows whose first argument is null, so that this is about those that have one.
_PAGE = "case when type = 'pageview' then pathname end"
ENTRY_PAGE = first_of(_PAGE)
EXIT_PAGE = f"coalesce({last_of(_PAGE)}, '')"

# Later pages of a visit are reached from the site itself and have no source, so the first source counts.
_UNATTRIBUTED = "('', 'Direct', 'Internal')"
CHANNEL = (
    f"coalesce(min_by(case when channel not in {_UNATTRIBUTED} then channel end, {_MOMENT}),"
    f" min_by(channel, {_MOMENT}), '')"
)


def url_parameter(name: str, bind: str) -> str:
    """SQL for a parameter of the page's URL, "" without; its name may be bound as `bind`."""
    # These are kept in columns of their own, and not with the others.
    return f"coalesce({name}, '')" if name in _TAGS else f"json_text(url_parameters, ${bind})"


def _plain(level: Level, names: str) -> dict[str, Dimension]:
    return {name: Dimension(name, f"coalesce({name}, '')", level) for name in names.split()}


_SIZE = "concat(cast(screen_width as varchar), 'x', cast(screen_height as varchar))"
_DIMENSIONS = {
    **_plain(Level.VISITOR, "browser browser_version operating_system operating_system_version"),
    **_plain(Level.VISITOR, "language country region city timezone device_type"),
    **_plain(Level.PAGE, "hostname pathname page_title querystring"),
    **_plain(Level.EVENT, "event_name"),
    "dimensions": Dimension(
        "dimensions", f"case when screen_width is null or screen_height is null then '' else {_SIZE} end"
    ),
    "user_id": Dimension("user_id", SHOWN_USER),
    "lat": Dimension("lat", "lat", is_number=True),
    "lon": Dimension("lon", "lon", is_number=True),
    "channel": Dimension("channel", CHANNEL, Level.VISIT),
    "referrer": Dimension("referrer", first_of("referrer_domain"), Level.VISIT),
    **{name: Dimension(name, first_of(name), Level.VISIT) for name in _TAGS},
    "entry_page": Dimension("entry_page", ENTRY_PAGE, Level.VISIT),
    "exit_page": Dimension("exit_page", EXIT_PAGE, Level.VISIT),
}

NAMES = (*sorted(_DIMENSIONS), f"{_URL_PARAM}NAME")
"""What `parameter` may be."""


def find_dimension(name: str, *, field_name: str = "parameter", bind: str = "dimension") -> Dimension:
    """The dimension of that name.

    Args:
        field_name: what the error names.
        bind: the name under which a value that the SQL needs is bound.

    Raises:
        InvalidInput: there is no such dimension.
    """
    if found := _DIMENSIONS.get(name):
        return found
    parameter = name.removeprefix(_URL_PARAM)
    if parameter != name and 0 < len(parameter) <= _LONGEST_NAME and is_plain(parameter):
        return Dimension(name, url_parameter(parameter, bind), Level.PAGE, values={bind: parameter})
    raise InvalidInput({field_name: [f"Must be one of {', '.join(NAMES)}"]})


def is_plain(text: str) -> bool:
    """Whether a text can be in an event at all: no NUL, no lone surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
