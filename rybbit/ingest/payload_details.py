"""The field `properties`: a text that must itself be JSON, with known members for two types of events."""

import json
import math
import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from rybbit.ingest.payload_messages import NOT_STORABLE, json_type, refused

ERROR_LIMIT = 4096
USUAL_LIMIT = 2048

# What the WHATWG URL standard forbids in a host, less the brackets and the colon that `urlsplit` has judged.
_FORBIDDEN_IN_HOST = re.compile(r"[\s#%/<>?@\\^|\x00-\x1f\x7f]")


class _Member(NamedTuple):
    expected: str
    fits: Callable[[object], bool]
    required: bool = False


def check_properties(text: str, event_type: str | None) -> None:
    """Raise pydantic's error unless `text` may be the `properties` of an event of this type.

    `event_type` is None where the type itself was refused; then only what holds for every type is checked.
    """
    limit = ERROR_LIMIT if event_type in ("error", None) else USUAL_LIMIT
    if len(text) > limit:
        raise refused(f"String must contain at most {limit} character(s)")
    members = _MEMBERS.get(event_type or "")
    value = _decoded(text, _ANY_JSON if members is None else _UNAMBIGUOUS_JSON)
    # Raw ones are found in the event's own text; an escape can hide them one level deeper.
    if "\\u" in text and not _is_storable_throughout(value):
        raise refused(NOT_STORABLE)
    if members is not None:
        _check_members(value, members, str(event_type))


def needs_properties(event_type: object) -> bool:
    """Whether an event of this type says nothing without `properties`."""
    return isinstance(event_type, str) and event_type in _MEMBERS


def is_storable(text: str) -> bool:
    """Whether a text has neither NUL characters nor lone surrogates, which no engine of ours can keep."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _object_without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("repeated key")
    return members


_ANY_JSON = json.JSONDecoder(parse_constant=_refuse_constant)
# Of two equal keys Python reads the last and DuckDB the first: the URL that is checked must be the one shown.
_UNAMBIGUOUS_JSON = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_object_without_doubles
)


def read_json(text: str) -> object:
    """Decode JSON as `JSON.parse` does: the last of equal keys wins, NaN and Infinity are no numbers.

    Raises ValueError, also for numbers of thousands of digits, and RecursionError for deep nesting.
    """
    return _ANY_JSON.decode(text)


def _decoded(text: str, decoder: json.JSONDecoder) -> object:
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        unique = " without repeated keys" if decoder is _UNAMBIGUOUS_JSON else ""
        raise refused(f"Must be valid JSON{unique}") from None


def _is_storable_throughout(value: object) -> bool:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if not is_storable(node):
                return False
        elif isinstance(node, dict):
            waiting.extend(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return True


def _check_members(value: object, members: dict[str, _Member], event_type: str) -> None:
    if not isinstance(value, dict):
        raise refused(f"Expected object, received {json_type(value)}")
    problems = [
        problem
        for name, member in members.items()
        if (problem := _problem_with(value.get(name), name, member, event_type))
    ]
    if problems:
        raise refused(*problems)


def _problem_with(value: object, name: str, member: _Member, event_type: str) -> str | None:
    if value is None:
        return f"{name} is required for {event_type} events" if member.required else None
    return None if member.fits(value) else f"{name} must be {member.expected}"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _is_url(value: object) -> bool:
    """Whether a value is an absolute URL of any scheme; those of the web need a host."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port  # judged by being read
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(host) and not _FORBIDDEN_IN_HOST.search(str(host))
    return bool(parts.scheme) and bool(parts.netloc or parts.path)


_MEMBERS = {
    "outbound": {
        "url": _Member("a valid URL", _is_url, required=True),
        "text": _Member("a string", _is_text),
        "target": _Member("a string", _is_text),
    },
    "error": {
        "message": _Member("a string", _is_text, required=True),
        "stack": _Member("a string", _is_text),
        "fileName": _Member("a string", _is_text),
        "lineNumber": _Member("a number", _is_number),
        "columnNumber": _Member("a number", _is_number),
    },
}
