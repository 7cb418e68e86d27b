"""Bodies of requests, read and checked."""

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from rybbit.errors import Forbidden, InvalidInput
from rybbit.ingest.payload_details import read_json
from rybbit.ingest.payload_messages import NOT_JSON
from rybbit.services.validation import validate

_Body = TypeVar("_Body", bound="Body")


class Body(BaseModel):
    """What a request carries: names in camelCase, no unknown fields, no conversion of types."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


def json_body() -> object:
    """The body as JSON, whatever its content type says.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return read_json(request.get_data().decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(form_errors=[NOT_JSON]) from error


def body_as(model: type[_Body]) -> _Body:
    """The body as a model.

    Raises:
        InvalidInput: it is no JSON, or does not fit.
    """
    return validate(model, json_body())


def require_json() -> None:
    """Refuse what a form of a foreign page could send: such a page must not sign anybody in.

    Raises:
        Forbidden: the content type is not that of JSON, which a foreign page cannot send unasked.
    """
    if not request.is_json:
        raise Forbidden("Content-Type must be application/json")
