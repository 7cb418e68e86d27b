"""From described views to an OpenAPI 3.1 document."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.alias_generators import to_camel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Map

from rybbit.models import Scope
from rybbit.web.api.description import Caller, Operation, Refusal, operation_of

_PLACE = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
_WRITING = {"POST", "PUT", "DELETE"}
# What these allow only reads, also where it takes a body.
_READING_SCOPES = {Scope.STATS_READ, Scope.SITES_READ}
_REF = "#/components/schemas/{model}"
# One path may not be there under two names, so this one is described where sites are shown.
_SAME_PATH = {"/api/sites/{organizationId}": "/api/sites/{siteId}"}
_PATH_PARAMETERS = {
    "siteId": "Number or 12-hex id of the site; id of the organization where a site is made.",
    "organizationId": "Id of the organization, such as `org_1f…`.",
    "accountId": "Id of the account, such as `user_1f…`.",
    "keyId": "Id of the key, such as `key_1f…`.",
    "invitationId": "Id of the invitation, such as `inv_1f…`.",
    "sessionId": "Id of the session: of a browser such as `ses_1f…`, of a visitor a number.",
    "userId": "The user as sent, or 16 hex digits of a visitor whom nobody named.",
    "goalId": "Number of the goal.",
    "funnelId": "Number of the funnel.",
    "stepNumber": "Which step, from 1.",
}
_REFUSALS = {
    400: "What was sent does not fit; nothing was changed",
    401: "No credential, or one that does not count",
    403: "The role, or the scope of the key, is too small",
    404: "It does not exist, or is none of the caller's business",
    409: "It contradicts something that is there; nothing was changed",
    413: "The body is too large",
    415: "The content type is not that of JSON",
    429: "Too many requests; `Retry-After` says when to come back",
    503: "The server cannot do it now, and nothing was changed",
}
SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of an account or an organization: `rb_` and 32 hex digits.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rybbit_session",
        "description": "The session of a browser that is signed in.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "What `GET /api/auth/session` calls `csrfToken`; needed with the session for writes.",
    },
    "privateLink": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Private-Key",
        "description": "The key of the site's private link.",
    },
}


@dataclass(frozen=True)
class Endpoint:
    """A method of a path, and what is said of it."""

    path: str
    method: str
    name: str
    operation: Operation


def endpoints_of(url_map: Map, views: Mapping[str, Callable[..., Any]]) -> list[Endpoint]:
    """The described methods of every path, in the order of the paths."""
    found = []
    for rule in url_map.iter_rules():
        operation = operation_of(views[rule.endpoint])
        if operation is None:
            continue
        path = _PLACE.sub(lambda place: f"{{{to_camel(place[1])}}}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(Endpoint(_SAME_PATH.get(path, path), method, rule.endpoint, operation))
    return sorted(found, key=lambda endpoint: (endpoint.path, endpoint.method))


def build_document(endpoints: Iterable[Endpoint], *, version: str) -> dict[str, object]:
    """The document of these endpoints."""
    endpoints = list(endpoints)
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _describe(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rybbit", "version": version, "summary": "Events, statistics, sites and accounts."},
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": SECURITY_SCHEMES},
    }


class _Schemas:
    """The models of all endpoints under one set of names."""

    def __init__(self, endpoints: list[Endpoint]) -> None:
        wanted = [
            *((_model_of(endpoint.operation.answer), "serialization") for endpoint in endpoints),
            *((endpoint.operation.body, "validation") for endpoint in endpoints if endpoint.operation.body),
            # As it is read: which of its fields are there depends on the refusal.
            (Refusal, "validation"),
        ]
        unique: list[Any] = list(dict.fromkeys(wanted))
        self._refs, whole = models_json_schema(unique, ref_template=_REF)
        self.refusal = dict(self._refs[Refusal, "validation"])
        self.definitions: dict[str, object] = {
            name: _first_sentence(schema) for name, schema in whole.get("$defs", {}).items()
        }

    def answer(self, kind: Any) -> dict[str, object]:
        """The schema of an answer: a model, or a bare list of one."""
        ref = dict(self._refs[_model_of(kind), "serialization"])
        return {"type": "array", "items": ref} if get_origin(kind) is list else ref

    def body(self, model: Any) -> dict[str, object]:
        """The schema of a body."""
        return dict(self._refs[model, "validation"])


def _first_sentence(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the part of its description that speaks to those who read the code."""
    text = schema.get("description")
    return schema if text is None else schema | {"description": text.partition("\n\n")[0]}


def _model_of(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _describe(endpoint: Endpoint, schemas: _Schemas) -> dict[str, object]:
    operation = endpoint.operation
    described: dict[str, object] = {
        "operationId": _operation_id(endpoint),
        "tags": [endpoint.name.partition(".")[0].replace("_", " ")],
        "summary": operation.summary,
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, schemas),
        "security": _security(endpoint),
    }
    if operation.details:
        described["description"] = operation.details
    if operation.scope:
        described["x-required-scope"] = operation.scope
    if operation.body:
        content = {"application/json": {"schema": schemas.body(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _operation_id(endpoint: Endpoint) -> str:
    """The view's name; a second path to the same view is told apart by its first folder."""
    blueprint, _, view = endpoint.name.partition(".")
    folder = endpoint.path.split("/")[2]
    return f"{blueprint}_{view}" + ("_in_organization" if folder == "organizations" != blueprint else "")


def _parameters(endpoint: Endpoint) -> list[dict[str, object]]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    in_query = [
        {"name": name, "in": "query", **_parted(schema)}
        for name, schema in (endpoint.operation.query or {}).items()
    ]
    return in_path + in_query


def _parted(schema: dict[str, Any]) -> dict[str, object]:
    """Whether a parameter has to be there is said beside its schema."""
    is_required = schema.get("required", False)
    return {
        "required": is_required,
        "schema": {name: value for name, value in schema.items() if name != "required"},
    }


def _responses(endpoint: Endpoint, schemas: _Schemas) -> dict[str, object]:
    operation = endpoint.operation
    refusal = {"application/json": {"schema": schemas.refusal}}
    content: dict[str, object] = {kind: {"schema": {"type": "string"}} for kind in operation.files}
    if not content:
        content = {"application/json": {"schema": schemas.answer(operation.answer)}}
    answers: dict[str, object] = {
        str(operation.status): {"description": operation.summary, "content": content}
    }
    for status in _refusals(endpoint):
        answers.setdefault(str(status), {"description": _REFUSALS[status], "content": refusal})
    return answers


def _refusals(endpoint: Endpoint) -> list[int]:
    operation = endpoint.operation
    statuses = {503, *operation.refusals}
    if operation.caller is not Caller.ANYBODY:
        statuses |= {401, 403}
    if operation.caller is Caller.VIEWER:
        statuses |= {429}
    if "{" in endpoint.path:
        statuses |= {404}
    if operation.body:
        statuses |= {400, 413}
    if operation.query:
        statuses |= {400}
    return sorted(statuses)


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.operation.caller is Caller.ANYBODY:
        return []
    session: dict[str, list[str]] = {"session": []}
    if endpoint.method in _WRITING and endpoint.operation.scope not in _READING_SCOPES:
        session["csrf"] = []
    ways: list[dict[str, list[str]]] = [{"key": []}, session]
    return [*ways, {"privateLink": []}, {}] if endpoint.operation.caller is Caller.VIEWER else ways
