"""Query parameters, read and checked."""

from datetime import UTC, datetime

from flask import request

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.stats.period import Period, parse_period


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


def moment(name: str) -> int | None:
    """A moment in ISO 8601 (UTC unless it says otherwise) or milliseconds since 1970; in milliseconds.

    Raises:
        InvalidInput: it is neither.
    """
    text = request.args.get(name)
    if not text:
        return None
    try:
        if text.isascii() and text.isdigit() and len(text) < 16:
            milliseconds = int(text)
        else:
            # A plus sign that was not escaped arrives as a space.
            parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
            milliseconds = round(aware.timestamp() * 1000)
        clock.from_ms(milliseconds)  # raises for a moment that no calendar has
    except (ValueError, OverflowError) as error:
        raise InvalidInput({name: ["Must be a time in ISO 8601"]}) from error
    return milliseconds
