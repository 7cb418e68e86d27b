"""The properties of an event, from the text that it was sent with."""

import json
import math
from typing import Any

# What is nested deeper than anybody means it would break whatever reads or writes it.
_DEEPEST = 100


def read_properties(text: str | None) -> dict[str, Any]:
    """The properties by their keys; none if they are no JSON object, or one that is nested too deeply.

    Numbers too large for a floating point number stay the text that they were, so that JSON can be made of
    what is answered.
    """
    try:
        found = json.loads(text or "{}", parse_float=_number, parse_constant=str)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and not _is_too_deep(found) else {}


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _is_too_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level if isinstance(outer, list | dict) for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: list[Any] | dict[str, Any]) -> list[Any]:
    return outer if isinstance(outer, list) else list(outer.values())
