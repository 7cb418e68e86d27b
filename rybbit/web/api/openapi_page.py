"""The OpenAPI document, arranged for people to read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """A field of a body or an answer, or a parameter."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True)
class Call:
    """A method of a path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    credentials: list[str]
    parameters: list[Field]
    body: list[Field]
    answers: list[tuple[str, str, list[Field]]]


@dataclass(frozen=True)
class Section:
    """The calls about one topic."""

    name: str
    calls: list[Call]


def sections_of(document: Mapping[str, Any]) -> list[Section]:
    """The calls of a document by topic, in the order of the paths."""
    sections: dict[str, list[Call]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append(_call(document, path, method, operation))
    return [Section(name, calls) for name, calls in sorted(sections.items())]


def _call(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Call:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        scope=operation.get("x-required-scope", ""),
        credentials=[" and ".join(way) or "none" for way in operation["security"]] or ["none"],
        parameters=[_parameter(document, each) for each in operation["parameters"]],
        body=_fields(document, body) if body else [],
        answers=[_answer(document, status, each) for status, each in operation["responses"].items()],
    )


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Field:
    return Field(
        parameter["name"],
        f"{_type(document, parameter['schema'])} in the {parameter['in']}",
        parameter["required"],
        parameter.get("description", ""),
    )


def _answer(
    document: Mapping[str, Any], status: str, answer: Mapping[str, Any]
) -> tuple[str, str, list[Field]]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    # Every refusal has the same few fields; they are told once, above.
    fields = _fields(document, schema.get("items", schema)) if status < "300" else []
    return status, answer["description"], fields


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Field]:
    whole = _resolved(document, schema)
    required = whole.get("required", [])
    return [
        Field(name, _type(document, each), name in required, _limits(each))
        for name, each in whole.get("properties", {}).items()
    ]


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        resolved = _resolved(document, schema)
        return _type(document, resolved) if "properties" not in resolved else str(resolved["title"])
    if "anyOf" in schema:
        return " or ".join(_type(document, each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"array of {_type(document, schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


_LIMITS = ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "default")


def _limits(schema: Mapping[str, Any]) -> str:
    limits = [f"{name} {json.dumps(schema[name])}" for name in _LIMITS if schema.get(name) is not None]
    return ", ".join([*([schema["description"]] if "description" in schema else []), *limits])


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
