"""Query parameters, read and checked."""

from datetime import UTC, datetime

from flask import request

from rybbit.errors import InvalidInput
from rybbit.stats.period import Period, parse_period

# The years 6 to 9986: what lies beyond falls off the calendar in some time zone.
_EARLIEST_MS = -62_000_000_000_000
_LATEST_MS = 253_000_000_000_000


def period() -> Period:
    """The period that the request is about."""
    return parse_period(request.args)


def whole_number(name: str, *, default: int, least: int, most: int) -> int:
    """A whole number within bounds.

    Raises:
        InvalidInput: it is none, or out of bounds.
    """
    text = request.args.get(name)
    if text is None or text == "":
        return default
    if text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most:
        return int(text)
    raise InvalidInput({name: [f"Must be a whole number from {least} to {most}"]})


def entry(name: str) -> int | None:
    """The number of an entry in a list that is read page by page.

    Raises:
        InvalidInput: it is no number.
    """
    number = whole_number(name, default=0, least=1, most=2**31 - 1)
    return number or None


def moment(name: str) -> int | None:
    """A moment in ISO 8601 (UTC unless it says otherwise) or milliseconds since 1970; in milliseconds.

    Raises:
        InvalidInput: it is neither.
    """
    text = request.args.get(name)
    if not text:
        return None
    try:
        milliseconds = _to_ms(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput({name: ["Must be a time in ISO 8601"]}) from error
    if not _EARLIEST_MS <= milliseconds <= _LATEST_MS:
        raise InvalidInput({name: ["Must be a time in ISO 8601"]})
    return milliseconds


def _to_ms(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    # A plus sign that was not escaped arrives as a space.
    parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
