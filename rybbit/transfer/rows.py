"""Events as other files have them, one by one, on their way to be columns of ours.

They are held to the rules of events that are tracked: what could not have come in over the API is refused
with the reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from rybbit.errors import InvalidInput, RybbitError
from rybbit.ingest.channel import CHANNELS
from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.enrich import sent_columns, source_columns
from rybbit.ingest.payload import Event, validate_event
from rybbit.ingest.payload_fields import EventType
from rybbit.ingest.visitor import hash_named, hash_visitor
from rybbit.store.event import hash_of_hex, is_readable

Columns = dict[str, Any]


class NoExport(RybbitError):
    """A file that is none of those that can be imported."""


class BadRow(Exception):
    """A row that is no event; the message says why, without what it holds."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: where it stands (`line 7`), how far the file is read by then, what it holds.

    `problem` says why it cannot even be read.
    """

    place: str
    progress: int
    fields: Mapping[str, Any]
    problem: str = ""


class Source(Protocol):
    """A file of a known format."""

    size: int
    """What `Row.progress` is at the end."""

    def rows(self) -> Iterator[Row]:
        """Every row, good or bad, in the order of the file."""

    def columns(self, fields: Mapping[str, Any], site: TrackedSite, now_ms: int) -> Columns:
        """The columns of an event of the site, less those that are given later (ids and sessions).

        Raises:
            BadRow: it is no event.
        """


_FIELDS = (
    *("type", "event_name", "properties", "hostname", "pathname", "querystring", "page_title", "referrer"),
    *("language", "user_id", "event_id", "timestamp", "lcp", "cls", "inp", "fcp", "ttfb"),
)
_FOUND = (
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("country", "region", "city", "timezone", "lat", "lon"),
)
_LONGEST_FOUND = 255
_TYPES = get_args(EventType)
_TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


def event_columns(
    fields: Mapping[str, Any], site: TrackedSite, *, user_hash: int | None, now_ms: int
) -> Columns:
    """The columns of an event with fields by the names of our own columns.

    Args:
        user_hash: the visitor, where nobody gave them a name.

    Raises:
        BadRow: a field is unfit, or nothing says whose event it is.
    """
    event = _checked(fields, now_ms)
    if event.timestamp is None:
        raise BadRow("timestamp: Required")
    if event.user_id is not None:
        user_hash = hash_named(site, event.user_id)
    if user_hash is None:
        raise BadRow("nothing says whose event it is")
    columns: Columns = {
        "site_id": site.site_id,
        "user_hash": user_hash,
        "timestamp": event.timestamp,
        "type": event.type,
    }
    columns |= sent_columns(event) | source_columns(event, site)
    columns |= {name: fields.get(name) for name in _FOUND}
    columns |= {name: fields[name] for name in _TAGS if fields.get(name) and not columns[name]}
    if fields.get("channel") in CHANNELS:
        columns["channel"] = fields["channel"]
    if site.track_ip:
        columns["ip"] = fields.get("ip")
    filled = {name: value for name, value in columns.items() if value is not None and value != ""}
    _check_found(filled)
    return filled


def _checked(fields: Mapping[str, Any], now_ms: int) -> Event:
    given = {name: fields[name] for name in _FIELDS if fields.get(name) not in (None, "")}
    for name, outside in (("screen_width", "screenWidth"), ("screen_height", "screenHeight")):
        if fields.get(name):
            given[outside] = fields[name]
    kind = given.get("type", _TYPES[0])
    if kind not in _TYPES:
        # The rules of tracking would quote it, and a note of an import outlives an erasure.
        raise BadRow(f"type: Expected one of {', '.join(_TYPES)}")
    try:
        return validate_event({**given, "site_id": "1"}, now_ms=now_ms)
    except InvalidInput as error:
        raise BadRow(str(error)) from error


def _check_found(columns: Columns) -> None:
    long = [name for name in (*_FOUND, *_TAGS, "ip") if len(str(columns.get(name, ""))) > _LONGEST_FOUND]
    if long:
        raise BadRow(f"{long[0]}: String must contain at most {_LONGEST_FOUND} character(s)")
    if not is_readable({**columns, "id": 1, "session_id": 1}):
        raise BadRow("a field is of the wrong type")


def own_columns(fields: Mapping[str, Any], site: TrackedSite, now_ms: int) -> Columns:
    """The columns of a row of our own export; event ids that were made up for showing are left out.

    Raises:
        BadRow: it is no event.
    """
    given = dict(fields)
    visitor = given.get("visitor_id")
    if given.get("user_id") == visitor:
        given["user_id"] = None
    event_id = given.get("event_id")
    if isinstance(event_id, str) and hash_of_hex(event_id) is not None:
        given["event_id"] = None
    return event_columns(given, site, user_hash=_number_of(visitor, site), now_ms=now_ms)


def _number_of(visitor: object, site: TrackedSite) -> int | None:
    if not isinstance(visitor, str) or not visitor:
        return None
    number = hash_of_hex(visitor)
    return hash_visitor(site.secret, "imported", visitor) if number is None else number
