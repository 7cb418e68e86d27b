"""What events can be grouped and filtered by: the values of `parameter` in the API, and their SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rybbit.errors import InvalidInput
from rybbit.store.event import hash_of_hex
from rybbit.store.visit import MOMENT, ORIGINS, TAGS, TRAITS

_LONGEST_NAME = 256
_URL_PARAM = "url_param:"


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
    `of_visits` is the column of the relation `visits` with the same values, "" if there is none.
    """

    name: str
    sql: str
    level: Level = Level.VISITOR
    is_number: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    of_visits: str = ""


SHOWN_USER = "coalesce(user_id, hex_id(user_hash))"
"""The user as shown: the name somebody gave, else 16 hex digits."""

OF_USER = "(user_id = $user_id or (user_id is null and user_hash = $user_hash))"
"""The events of a user as shown, with `user_values`; by numbers, unlike hex digits, files are passed over."""


def user_values(user_id: str) -> dict[str, Any]:
    """What `OF_USER` refers to; the number is None for a text that is no hex digits."""
    return {"user_id": user_id, "user_hash": hash_of_hex(user_id)}


def of_users(user_ids: Sequence[str], bind: str) -> tuple[str, dict[str, Any]]:
    """SQL for the events of users as shown, any of them, and the values that it refers to.

    Args:
        bind: what their names begin with.
    """
    named = f"user_id in (select unnest(${bind}))"
    numbers = [number for text in user_ids if (number := hash_of_hex(text)) is not None]
    if not numbers:
        return named, {bind: user_ids}
    # To write a number as hex digits takes ten times as long as to look for it.
    unnamed = f"user_id is null and user_hash in (select unnest(${bind}_numbers))"
    return f"{named} or {unnamed}", {bind: user_ids, f"{bind}_numbers": numbers}


WITH_MOMENT = f"select *, {MOMENT} as moment from events"
"""All events with what they are ordered by, for `over_moments`."""


def over_moments(sql: str) -> str:
    """The same over rows of `WITH_MOMENT`, which takes half the time to plan where there are many."""
    return sql.replace(MOMENT, "moment")


def url_parameter(name: str, bind: str) -> str:
    """SQL for a parameter of the page's URL, "" without; its name may be bound as `bind`."""
    # These are kept in columns of their own, and not with the others.
    return f"coalesce({name}, '')" if name in TAGS else f"json_text(url_parameters, ${bind})"


def _plain(level: Level, names: str) -> dict[str, Dimension]:
    return {
        name: Dimension(name, f"coalesce({name}, '')", level, of_visits=name if name in TRAITS else "")
        for name in names.split()
    }


def _origin(name: str, column: str) -> Dimension:
    return Dimension(name, ORIGINS[column], Level.VISIT, of_visits=column)


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
    **{name: _origin(name, f"first_{name}") for name in ("channel", "referrer", *TAGS)},
    **{name: _origin(name, name) for name in ("entry_page", "exit_page")},
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
