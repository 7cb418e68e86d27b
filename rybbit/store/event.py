"""The columns of an event, once, for every engine."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a column holds; each engine maps these to its own types."""

    IDENTIFIER = "identifier"  # signed 64-bit number
    INTEGER = "integer"  # signed 32-bit number
    NUMBER = "number"  # 64-bit floating point
    TEXT = "text"
    TIME = "time"  # UTC; whole milliseconds since 1970 in the journal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the relation `events`."""

    name: str
    kind: Kind


def _columns(kind: Kind, names: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name in names.split())


# `id` grows in the order of receipt and carries the moment of it; `session_id` is the id of the
# event that began the session; `user_hash` stands for the visitor wherever visitors are counted,
# and `user_id` is there only when the sender named one.
COLUMNS: tuple[Column, ...] = (
    *_columns(Kind.IDENTIFIER, "id site_id session_id user_hash"),
    *_columns(Kind.TIME, "timestamp"),
    *_columns(Kind.TEXT, "type user_id event_id hostname pathname querystring url_parameters page_title"),
    *_columns(Kind.TEXT, "referrer referrer_domain channel"),
    *_columns(Kind.TEXT, "utm_source utm_medium utm_campaign utm_term utm_content"),
    *_columns(Kind.TEXT, "browser browser_version operating_system operating_system_version device_type"),
    *_columns(Kind.TEXT, "language country region city timezone"),
    *_columns(Kind.NUMBER, "lat lon"),
    *_columns(Kind.INTEGER, "screen_width screen_height"),
    *_columns(Kind.TEXT, "event_name properties"),
    *_columns(Kind.NUMBER, "lcp cls inp fcp ttfb"),
    *_columns(Kind.TEXT, "ip"),
)

REQUIRED = frozenset({"id", "site_id", "session_id", "user_hash", "timestamp", "type"})

_LIMITS = {Kind.IDENTIFIER: 2**63, Kind.INTEGER: 2**31}
# The end of the year 9999: beyond it Python has no dates.
LAST_MS = 253_402_300_799_999


def read_line(line: bytes) -> dict[str, Any] | None:
    """The event of a journal line, None if the line is none that every engine can hold."""
    try:
        row = json.loads(line.decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        return None
    return row if is_readable(row) else None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values under one name, engines take different ones.
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("A name occurs twice")
    return row


def is_readable(row: Any) -> bool:
    """Whether a parsed journal line is an event that every engine can hold."""
    if not isinstance(row, dict):
        return False
    return all(_fits(row.get(column.name), column) for column in COLUMNS)


def _fits(value: object, column: Column) -> bool:
    if value is None:
        return column.name not in REQUIRED
    if column.kind is Kind.TEXT:
        return isinstance(value, str) and "\0" not in value and _is_encodable(value)
    if isinstance(value, bool):
        return False
    if column.kind is Kind.NUMBER:
        return isinstance(value, int | float) and abs(value) < float("inf")
    if not isinstance(value, int):
        return False
    if column.kind is Kind.TIME:
        return 0 <= value <= LAST_MS
    limit = _LIMITS[column.kind]
    return -limit <= value < limit


def _is_encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


_HEX_ID = re.compile(r"[0-9a-f]{16}")


def hash_of_hex(text: str) -> int | None:
    """The signed number that 16 hex digits show; None if it is not that."""
    return (int(text, 16) ^ 1 << 63) - (1 << 63) if _HEX_ID.fullmatch(text) else None


EPOCH_MS = 1_577_836_800_000  # 2020-01-01
SEQUENCE_BITS = 22


def first_id_at(milliseconds: int) -> int:
    """The smallest id that an event received at this moment (ms since 1970) can have."""
    return (milliseconds - EPOCH_MS) << SEQUENCE_BITS


def received_ms(event_id: int) -> int:
    """The moment of receipt (ms since 1970) that an id carries."""
    return (event_id >> SEQUENCE_BITS) + EPOCH_MS


# Ids of events that are loaded from elsewhere have this bit: those given on receipt never get so far, since
# no millisecond brings two million events. Each load has a thousand ids of a millisecond to itself.
_LOADED = 1 << (SEQUENCE_BITS - 1)
_LOAD_STEP = 1 << 10
_LOADS = _LOADED // _LOAD_STEP


def loaded_id_at(milliseconds: int, load: int) -> int:
    """The smallest id for an event of this moment (ms since 1970) that load number `load` brings.

    Such an event counts as received when it happened, so that it is no news to anybody who asks what came in
    lately. The loader counts on from here, and makes sure that its ids grow.
    """
    return first_id_at(max(milliseconds, earliest_of(load))) + _LOADED + load % _LOADS * _LOAD_STEP


RECEIVED_BITS = SEQUENCE_BITS - 1
"""Below this many bits lie the ids that a millisecond can have on receipt."""


def earliest_of(load: int) -> int:
    """The moment (ms since 1970) in the ids of those events of a load that are from before 2020."""
    return EPOCH_MS + 1 + load % 100_000 * 1000
