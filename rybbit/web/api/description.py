"""What a route takes and answers, said once beside it: the source of the OpenAPI document."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from flask import Response
from pydantic import AliasGenerator, BaseModel, ConfigDict, PlainSerializer, TypeAdapter, WithJsonSchema
from pydantic.alias_generators import to_camel

from rybbit import clock

_View = TypeVar("_View", bound=Callable[..., Any])

Moment = Annotated[
    datetime,
    PlainSerializer(clock.to_iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment as the API shows it: ISO 8601 in UTC with milliseconds and `Z`."""


class Shown(BaseModel):
    """Something that is answered: made from objects by their attributes, shown in camelCase."""

    model_config = ConfigDict(
        from_attributes=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
        alias_generator=AliasGenerator(serialization_alias=to_camel),
    )


class Done(Shown):
    """It was done, and there is nothing to add."""

    success: bool = True


class Refusal(Shown):
    """Why something was not done; nothing was changed.

    `details` has `fieldErrors` by field and `formErrors`, or a list of texts; `required` is the scope
    that the key lacks.
    """

    success: bool = False
    error: str
    details: dict[str, Any] | list[Any] | None = None
    required: str | None = None


class Caller(StrEnum):
    """Who may call a route."""

    ANYBODY = "anybody"
    VIEWER = "viewer"
    KNOWN = "known"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    `query` is a JSON schema by parameter; `refusals` are the statuses beside those that the caller,
    the path and the body bring along anyway. `files` are the content types of an answer that is a file.
    """

    summary: str
    answer: Any
    status: int = 200
    body: Any = None
    caller: Caller = Caller.KNOWN
    scope: str | None = None
    query: dict[str, dict[str, Any]] | None = None
    refusals: tuple[int, ...] = ()
    details: str = ""
    files: tuple[str, ...] = ()


def describe(
    summary: str,
    *,
    answer: Any,
    status: int = 200,
    body: Any = None,
    caller: Caller = Caller.KNOWN,
    scope: str | None = None,
    query: dict[str, dict[str, Any]] | None = None,
    refusals: tuple[int, ...] = (),
    details: str = "",
    files: tuple[str, ...] = (),
) -> Callable[[_View], _View]:
    """Say what a view takes and answers; changes nothing about it."""
    operation = Operation(
        summary=summary,
        answer=answer,
        status=status,
        body=body,
        caller=caller,
        scope=scope,
        query=query,
        refusals=refusals,
        details=details,
        files=files,
    )

    def note(view: _View) -> _View:
        view.__dict__["operation"] = operation
        return view

    return note


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """What was said of a view; None for one that was not described."""
    found: Operation | None = getattr(view, "operation", None)
    return found


def shown(value: Shown | list[Any], *, status: int = 200) -> Response:
    """The answer that carries a model, or a bare list of models."""
    body = value.model_dump_json() if isinstance(value, Shown) else _LIST.dump_json(value)
    return Response(body, status, mimetype="application/json")


_LIST = TypeAdapter(list[Any])
