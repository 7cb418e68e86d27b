"""What a refused payload is told: one table from kinds of errors to texts.

Every text is safe to show and to send: what it repeats of the input is short and stripped of
control characters and lone surrogates.
"""

from collections.abc import Sequence

from pydantic_core import ErrorDetails, PydanticCustomError

NOT_JSON = "Body must be valid JSON"
NOT_STORABLE = "Must not contain NUL characters or lone surrogates"
UNKNOWN_FIELD = "Unrecognized field"

_SHOWN_CHARACTERS = 64
_SHOWN_NAMES = 20
_OWN_ERROR = "refused"

# By pydantic's error types. `received` is the JSON type of the input; the limits have pydantic's names.
_TEXTS = {
    "missing": "Required",
    "string_type": "Expected string, received {received}",
    "string_unicode": NOT_STORABLE,
    "string_too_long": "String must contain at most {max_length} character(s)",
    "string_too_short": "String must contain at least {min_length} character(s)",
    "int_type": "Expected integer, received {received}",
    "float_type": "Expected number, received {received}",
    "finite_number": "Number must be finite",
    "greater_than": "Number must be greater than {gt}",
    "greater_than_equal": "Number must be greater than or equal to {ge:g}",
    "less_than_equal": "Number must be less than or equal to {le}",
    "list_type": "Expected array, received {received}",
    "too_short": "Array must contain at least {min_length} element(s)",
    "too_long": "Array must contain at most {max_length} element(s)",
}


def refused(*messages: str) -> PydanticCustomError:
    """The error for a field validator to raise, with one or more messages of its own."""
    return PydanticCustomError(_OWN_ERROR, "refused", {"messages": messages})


def messages_of(error: ErrorDetails) -> list[str]:
    """The texts for one error that pydantic found."""
    context = error.get("ctx", {})
    if error["type"] == _OWN_ERROR:
        return list(context["messages"])
    if error["type"] == "literal_error":
        expected = context["expected"].replace(" or ", ", ").replace(", ", " | ")
        return [f"Invalid enum value. Expected {expected}, received {_shown_value(error['input'])}"]
    template = _TEXTS.get(error["type"], "Invalid value")
    return [template.format(received=json_type(error["input"]), **context)]


def unknown_fields(names: Sequence[object]) -> tuple[dict[str, list[str]], str]:
    """Field errors and the form error for names that the schema does not have; a few stand for many."""
    listed = [shorten(str(name)) for name in names[:_SHOWN_NAMES]]
    more = len(names) - len(listed)
    quoted = ", ".join(f"'{name}'" for name in listed)
    rest = f" and {more} more" if more else ""
    return {name: [UNKNOWN_FIELD] for name in listed}, f"Unrecognized key(s) in object: {quoted}{rest}"


def shorten(text: str) -> str:
    """The start of a text from outside, with every character that does not print as `?`."""
    start = "".join(char if char.isprintable() else "?" for char in text[:_SHOWN_CHARACTERS])
    return start if len(text) <= _SHOWN_CHARACTERS else f"{start}…"


def json_type(value: object) -> str:
    """What JSON calls the type of a decoded value."""
    if value is None:
        return "null"
    return next((name for kinds, name in _JSON_TYPES if isinstance(value, kinds)), "unknown")


# bool comes first: to Python it is an int as well.
_JSON_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (str, "string"),
    ((int, float), "number"),
    (dict, "object"),
    (list, "array"),
)


def _shown_value(value: object) -> str:
    return f"'{shorten(value)}'" if isinstance(value, str) else json_type(value)
