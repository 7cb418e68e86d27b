"""Query parameters, read and checked."""

import json
from collections.abc import Sequence

from flask import request

from rybbit.errors import InvalidInput
from rybbit.stats.period import parse_moment


def whole_number(*names: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds; of several names for it the first that is there counts.

    Raises:
        InvalidInput: it is none, or out of bounds.
    """
    for name in names:
        if text := request.args.get(name):
            if text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most:
                return int(text)
            raise InvalidInput({name: [f"Must be a whole number from {least} to {most}"]})
    return default


def entry(name: str) -> int | None:
    """The number of an entry in a list that is read page by page.

    Raises:
        InvalidInput: it is no number.
    """
    number = whole_number(name, default=0, least=1, most=2**31 - 1)
    return number or None


def moment(*names: str) -> int | None:
    """A moment in ISO 8601 (UTC unless it says otherwise) or milliseconds since 1970; in milliseconds.

    Of several names for the same, the first that is there counts.

    Raises:
        InvalidInput: it is neither.
    """
    for name in names:
        if text := request.args.get(name):
            try:
                return parse_moment(text)
            except ValueError as error:
                raise InvalidInput({name: ["Must be a time in ISO 8601"]}) from error
    return None


def flag(name: str) -> bool:
    """Whether something is switched on: `true` or `1`.

    Raises:
        InvalidInput: it is neither that nor `false`, `0` or empty.
    """
    text = request.args.get(name, "").lower()
    if text not in ("", "0", "1", "false", "true"):
        raise InvalidInput({name: ["Must be true or false"]})
    return text in ("1", "true")


def choice(name: str, known: Sequence[str], *, default: str) -> str:
    """One of several words.

    Raises:
        InvalidInput: it is none of them.
    """
    text = request.args.get(name) or default
    if text not in known:
        raise InvalidInput({name: [f"Must be one of {', '.join(known)}"]})
    return text


def text(*names: str) -> str:
    """A text that has to be there; of several names for it the first that is there counts.

    Raises:
        InvalidInput: it is not there.
    """
    for name in names:
        if found := request.args.get(name):
            return found
    raise InvalidInput({names[0]: ["Required"]})


def optional_text(name: str) -> str | None:
    """A text; None if it is left out or empty."""
    return request.args.get(name) or None


def json_object(name: str) -> dict[str, object]:
    """An object, as JSON; empty if it is left out.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = json.loads(request.args.get(name) or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidInput({name: ["Must be a JSON object"]}) from error
    if not isinstance(found, dict):
        raise InvalidInput({name: ["Must be a JSON object"]})
    return found
