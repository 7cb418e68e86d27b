"""What nobody sends by mistake: no answer is a 500, refusals name the field, and nothing odd is kept."""

import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from rybbit.extensions import db
from rybbit.models import Site
from rybbit.services.goals import create_goal
from rybbit.web import api
from rybbit.web.api.openapi_document import Endpoint, endpoints_of
from tests.web.people import Cast, everything
from tests.web.world import PEER

FIT_NOWHERE: list[Any] = [10**400, {"": {"": []}}]
HOSTILE: list[Any] = [
    *FIT_NOWHERE,
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    1e308,
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "é" * 70_000,
    "'; drop table rybbit_site; --",
    "${7*7}{{7*7}}",
    [],
    [[]],
    [None],
    ["\ud800"],
    ["\0"],
    ["x"] * 300,
    {},
    {"a": 1},
]
IDS = ["%00", "a%00b", "%ED%A0%80", "%FF", "..%2F..", "%25", "-1", "9" * 5000, "x" * 20_000, "'--"]
TEXTS = ("%00", "%ED%A0%80", "%FF", "-1", "9" * 5000, "1e9", "NaN", "%D9%A1", "0001-01-01", "[]", "'--")


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Without limits on guessing."""
    return {f"RYBBIT_{name}_RATE_LIMIT": "" for name in ("LOGIN", "LOGIN_ADDRESS", "LINK")}


def described() -> list[Endpoint]:
    """Every call but tracking, which has tests of its own."""
    app = Flask(__name__)
    api.register(app)
    found = endpoints_of(app.url_map, app.view_functions)
    return [each for each in found if not each.path.startswith("/api/track")]


@pytest.fixture
def cast(cast: Cast) -> Cast:
    """With a goal to be changed."""
    with cast.world.app.app_context():
        site = db.session.get_one(Site, cast.site_id)
        goal = create_goal(site, {"goalType": "path", "config": {"pathPattern": "/"}})
        cast.things["goal"] = str(goal.id)
        db.session.commit()
    return cast


def path_in(cast: Cast, endpoint: Endpoint, **ids: str) -> str:
    """The path with ids that exist, or with those that are given."""
    site = cast.organization_id if endpoint.name == "sites.create_site" else str(cast.site_id)
    names = {"siteId": site, "organizationId": cast.organization_id, "accountId": cast.accounts["member"]}
    places = dict.fromkeys(("keyId", "invitationId", "sessionId", "funnelId", "userId"), "none")
    places |= {"goalId": cast.things["goal"], "stepNumber": "1"}
    return endpoint.path.format_map(places | names | ids)


def ask(cast: Cast, endpoint: Endpoint, path: str, data: bytes | None = None, **headers: str) -> TestResponse:
    """Ask as the owner."""
    shown = {"Authorization": f"Bearer {cast.keys['owner']}"} | headers
    return cast.world.client().open(
        path,
        method=endpoint.method,
        data=data,
        headers=shown,
        content_type="application/json",
        environ_overrides={"REMOTE_ADDR": PEER},
    )


def named(endpoints: list[Endpoint]) -> list[Any]:
    """The calls as parameters."""
    return [pytest.param(each, id=f"{each.method} {each.path}") for each in endpoints]


WITH_BODY = named([each for each in described() if each.operation.body])
WITH_IDS = named([each for each in described() if "{" in each.path])
WITH_QUERY = named([each for each in described() if each.operation.query])


def assert_refused_or_done(answer: TestResponse, sent: object) -> None:
    """No 500; a 400 says what is wrong."""
    assert answer.status_code < 500, (sent, answer.data)
    if answer.status_code == 400:
        refusal = json.loads(answer.data)
        assert refusal["success"] is False
        assert refusal["error"] == "No fields to update" or texts_of(refusal), (sent, refusal)


def texts_of(refusal: dict[str, Any]) -> list[Any]:
    """What a refusal says, in whichever place."""
    details = refusal["details"]
    return details if isinstance(details, list) else [*details["fieldErrors"], *details["formErrors"]]


@pytest.mark.parametrize("endpoint", WITH_BODY)
def test_values_of_every_kind_in_every_field(cast: Cast, endpoint: Endpoint) -> None:
    path = path_in(cast, endpoint)
    for field, schema in endpoint.operation.body.model_json_schema()["properties"].items():
        for value in HOSTILE:
            answer = ask(cast, endpoint, path, json.dumps({field: value}).encode())
            assert_refused_or_done(answer, {field: str(value)[:50]})
            # What has no type is taken along unread, since programs send it.
            if value in FIT_NOWHERE and {"type", "anyOf", "$ref"} & set(schema):
                assert answer.status_code == 400
                assert field in json.loads(answer.data)["details"]["fieldErrors"]


@pytest.mark.parametrize("endpoint", WITH_BODY)
def test_what_is_no_object_and_what_is_unknown(cast: Cast, endpoint: Endpoint) -> None:
    before = everything(cast.world)
    path = path_in(cast, endpoint)
    for value in HOSTILE:
        if not isinstance(value, dict):
            answer = ask(cast, endpoint, path, json.dumps(value).encode())
            assert answer.status_code in (400, 413), (value, answer.data)
            assert json.loads(answer.data)["details"]["formErrors"]
    for data in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":1,"a":', b"\0", b'"\\ud800"'):
        assert ask(cast, endpoint, path, data).status_code == 400, data
    for name in ("unknown", "__proto__", "", "\0", "\ud800", "x" * 10_000):
        answer = ask(cast, endpoint, path, json.dumps({name: 1}).encode())
        assert answer.status_code == 400, name
        assert texts_of(json.loads(answer.data)), name
    assert everything(cast.world) == before


@pytest.mark.parametrize("endpoint", WITH_IDS)
def test_ids_of_every_kind(cast: Cast, endpoint: Endpoint) -> None:
    before = everything(cast.world)
    for name in ("siteId", "organizationId", "accountId", "keyId", "invitationId", "sessionId"):
        if f"{{{name}}}" not in endpoint.path:
            continue
        for odd in IDS:
            answer = ask(cast, endpoint, path_in(cast, endpoint, **{name: odd}), b'{"no such": 1}')
            assert answer.status_code in (404, 405), (odd[:20], answer.status_code, answer.data)
    assert everything(cast.world) == before


@pytest.mark.parametrize("endpoint", WITH_QUERY)
def test_parameters_of_every_kind(cast: Cast, endpoint: Endpoint) -> None:
    path = path_in(cast, endpoint)
    for name in endpoint.operation.query or {}:
        for text in (
            "%00",
            "%ED%A0%80",
            "%FF",
            "-1",
            "9" * 5000,
            "1e9",
            "NaN",
            "%D9%A1",
            "0001-01-01",
            "[]",
            "'--",
        ):
            assert_refused_or_done(ask(cast, endpoint, f"{path}?{name}={text}"), (name, text))
            assert_refused_or_done(ask(cast, endpoint, f"{path}?{name}={text}&{name}={text}"), (name, text))


@pytest.mark.parametrize("value", ["\x80", "é", "x" * 60_000, "rb_" + "é" * 32, "\x7f", "Bearer", ",", ""])
@pytest.mark.parametrize(
    "header", ["Authorization", "Cookie", "X-Private-Key", "X-CSRFToken", "X-Forwarded-For"]
)
def test_headers_of_every_kind(cast: Cast, header: str, value: str) -> None:
    shown = {"Authorization": f"Bearer {value}", "Cookie": f"rybbit_session={value}; rybbit_state={value}"}
    headers = {header: shown.get(header, value)}
    for method, path in (("GET", "/api/sites/{site}/overview"), ("PUT", "/api/sites/{site}/config")):
        client = cast.world.client()
        answer = client.open(cast.fill(path), method=method, json={}, headers=headers)
        assert answer.status_code == 401, answer.data


@pytest.mark.parametrize("kind", ["", "text/plain", "text/html", "multipart/form-data", "x"])
def test_a_body_is_json_whatever_it_is_called(cast: Cast, kind: str) -> None:
    """Keys cannot be shown by a form, and a browser's session needs its token: the type decides nothing."""
    client = cast.world.client()
    headers = {"Authorization": f"Bearer {cast.keys['owner']}", "Content-Type": kind}
    answer = client.put(cast.fill("/api/sites/{site}/config"), data=b'{"name": "N"}', headers=headers)
    assert answer.status_code == 200
    answer = client.put(cast.fill("/api/sites/{site}/config"), data=b"name=N", headers=headers)
    assert answer.status_code == 400
