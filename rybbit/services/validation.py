"""From what pydantic finds to the errors that every surface shows alike."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rybbit.errors import InvalidInput
from rybbit.ingest.payload_details import is_storable
from rybbit.ingest.payload_messages import NOT_STORABLE, json_type, messages_of, shorten, unknown_fields

_Model = TypeVar("_Model", bound=BaseModel)

LONGEST_NAME = 255

# What the table of event payloads has no text for, since events have no such fields.
_OWN_TEXTS = {
    "bool_type": "Expected boolean, received {received}",
    "model_type": "Expected object, received {received}",
}


def validate(model: type[_Model], data: object) -> _Model:
    """Read data from outside into `model`.

    Raises:
        InvalidInput: with every message, by the field's outside name.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)) from None


def check_name(text: str) -> str:
    """A name as people give one to a thing: trimmed, 1 to 255 characters.

    Raises:
        InvalidInput: naming `name`.
    """
    name = text.strip()
    if not is_storable(name):
        raise InvalidInput({"name": [NOT_STORABLE]})
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidInput({"name": [f"Must have 1 to {LONGEST_NAME} characters"]})
    return name


def check_all(*checks: Callable[[], object]) -> None:
    """Run several checks, so that whoever fills in a form hears of everything at once.

    Raises:
        InvalidInput: with all that they refused.
    """
    fields: dict[str, list[str]] = {}
    form: list[str] = []
    for check in checks:
        try:
            check()
        except InvalidInput as error:
            for name, texts in error.field_errors.items():
                fields.setdefault(name, []).extend(texts)
            form += error.form_errors
    if fields or form:
        raise InvalidInput(fields, form)


def _refusal(errors: Sequence[ErrorDetails]) -> InvalidInput:
    # One that lies deeper is told of with the field that it lies in.
    unknown = [error["loc"][0] for error in errors if _is_unknown(error)]
    fields, form_error = unknown_fields(unknown) if unknown else ({}, "")
    form = [form_error] if form_error else []
    for error in errors:
        if _is_unknown(error):
            continue
        if error["loc"]:
            fields.setdefault(shorten(str(error["loc"][0])), []).extend(_texts(error))
        else:
            form += _texts(error)
    return InvalidInput(fields, form)


def _is_unknown(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden" and len(error["loc"]) == 1


def _texts(error: ErrorDetails) -> list[str]:
    own = _OWN_TEXTS.get(error["type"])
    texts = [own.format(received=json_type(error["input"]))] if own else messages_of(error)
    place = _place(error["loc"][1:])
    return [place + text for text in texts]


def _place(inner: Sequence[Any]) -> str:
    """Where in the field: `[2]: ` for the third element of a list, nothing for the field itself."""
    return "".join(f"[{shorten(str(step))}]" for step in inner) + ": " if inner else ""
