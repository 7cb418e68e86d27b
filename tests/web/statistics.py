"""A site whose few visits can be counted by hand, and what the answers of its statistics look like."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from tests.store.parts import REPOSITORY
from tests.web.world import BRITISH, FIREFOX, GERMAN, Sender, Tenant, World

on_both_engines = pytest.mark.parametrize("events_url", ["lake", "clickhouse"], indirect=True)
"""Has every test of a module run with the lake and with ClickHouse."""

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.5 Mobile/15E148 Safari/604.1"
)
_DESK = {"user_agent": FIREFOX, "ip_address": BRITISH, "screenWidth": 1920, "screenHeight": 1080}
_ADA = {**_DESK, "user_id": "ada", "language": "en-GB", "hostname": "shop.example"}
_SOMEBODY = {"user_agent": PHONE, "ip_address": GERMAN, "language": "de", "hostname": "shop.example"}
_BOB = {**_SOMEBODY, "user_id": "bob"}
_ERROR = {"message": "x is undefined", "stack": "at f (app.js:1:2)", "fileName": "app.js", "lineNumber": 1}
_PRO = {"plan": "pro", "seats": 3, "new": True, "note": None, "tags": ["a", {"b": 1}]}


def _event(moment: str, who: Mapping[str, Any], pathname: str = "", **fields: Any) -> dict[str, Any]:
    return {"timestamp": f"2026-03-{moment}Z", **who, "pathname": pathname, **fields}


def _custom(moment: str, who: Mapping[str, Any], name: str, properties: object, path: str) -> dict[str, Any]:
    text = json.dumps(properties)
    return _event(moment, who, path, type="custom_event", event_name=name, properties=text)


# Two visits of Ada, of five minutes and half a minute, and a bounce of somebody between them.
VISITS = (
    _event(
        "01T09:00:00",
        _ADA,
        "/",
        page_title="Home",
        referrer="https://www.google.com/",
        querystring="?utm_source=letter&utm_medium=email&q=red%20shoes",
    ),
    _event("01T09:01:00", _ADA, "/pricing", page_title="Pricing"),
    _custom("01T09:02:00", _ADA, "signup", _PRO, "/pricing"),
    _event("01T09:03:00", _ADA, "/thanks", page_title="Thanks"),
    _event(
        "01T09:03:30", _ADA, "/thanks", type="performance", lcp=1200.5, cls=0.1, inp=None, fcp=800, ttfb=90
    ),
    _event(
        "01T09:04:00",
        _ADA,
        "/thanks",
        type="outbound",
        properties='{"url": "https://example.org/x", "text": "Go"}',
    ),
    _event(
        "01T09:05:00",
        _ADA,
        "/thanks",
        type="error",
        event_name="TypeError",
        properties=json.dumps(_ERROR),
    ),
    _event("01T10:00:00", _SOMEBODY, "/", page_title="Home"),
    _event("02T09:00:00", _ADA, "/pricing", page_title="Pricing"),
    _custom("02T09:00:30", _ADA, "signup", {"plan": "basic", "seats": 3.5}, "/pricing"),
)

# A visit shortly before midnight, with another one of whatever the visits above have but one of.
BOBS_VISIT = (
    _event("02T23:30:00", _BOB, "/", page_title="Home"),
    _event("02T23:30:10", _BOB, "/", type="performance", lcp=400),
    _event("02T23:31:00", _BOB, "/pricing", page_title="Pricing"),
    _event("02T23:31:10", _BOB, "/pricing", type="performance", lcp=600),
    _custom("02T23:32:00", _BOB, "buy", {}, "/pricing"),
    *(
        _event(
            f"02T23:3{minute}:00",
            _BOB,
            "/pricing",
            type="error",
            event_name="RangeError",
            properties=json.dumps({**_ERROR, "message": "y is too long", "lineNumber": minute}),
        )
        for minute in (3, 4)
    ),
)


def fill(world: World, tenant: Tenant, *events: Mapping[str, Any]) -> None:
    """Send events, the visits above unless others are given, as a server does, and wait till they are in."""
    sent = list(events or VISITS)
    answer = Sender(world.client(), tenant).post(
        {"site_id": tenant.id, "events": sent},
        path="/api/track/batch",
        headers={"Authorization": f"Bearer {tenant.api_key}"},
    )
    told = json.loads(answer.data)
    assert (answer.status_code, told["accepted"], told["rejected"]) == (200, len(sent), []), told


def fill_with_demo(world: World, tenant: Tenant, *, events: int) -> None:
    """Fill a site with demo traffic of March 2026, a goal of each kind and a funnel, by the command."""
    command = ["demo", "--site", tenant.id, "--events", str(events), "--days", "20", "--until", "2026-03-25"]
    subprocess.run(
        [sys.executable, "-m", "rybbit", *command],
        cwd=REPOSITORY,
        env={"RYBBIT_INSTANCE_PATH": str(world.runtime.config.instance_path), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )


def asked(world: World, tenant: Tenant, question: str, *, key: str | None = "") -> Any:
    """The answer to a question of the site, which has to be one."""
    answer = world.read(tenant, question, key=key)
    assert answer.status_code == 200, (question, answer.data)
    assert answer.headers["Content-Type"] == "application/json"
    return json.loads(answer.data, parse_constant=_refuse)


def picked(world: World, tenant: Tenant, question: str, *names: str) -> list[tuple[Any, ...]]:
    """These fields of the rows that a question is answered with."""
    answer = asked(world, tenant, question)
    found = answer["journeys" if "journeys" in answer else "data"]
    rows = found["data"] if isinstance(found, dict) else found
    return [tuple(row[name] for name in names) for row in rows]


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def filters(*each: tuple[str, str, Any]) -> str:
    """Filters as a query parameter; a value that is no list stands for a list of it."""
    named = [
        {"parameter": name, "type": kind, "value": value if isinstance(value, list) else [value]}
        for name, kind, value in each
    ]
    return f"filters={quote(json.dumps(named))}"


Shape = Any
"""What an answer looks like: a test of a value, a dict of such by the names there must be, a list of one."""


def text(value: object) -> bool:
    """A text, which may be empty."""
    return isinstance(value, str)


def count(value: object) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: object) -> bool:
    """Any number."""
    return isinstance(value, float) or count(value)


def flag(value: object) -> bool:
    """True or false."""
    return isinstance(value, bool)


def nothing(value: object) -> bool:
    """Null."""
    return value is None


def either(*tests: Callable[[object], bool]) -> Callable[[object], bool]:
    """What one of several tests takes."""
    return lambda value: any(test(value) for test in tests)


def _like(pattern: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


moment = _like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
"""A moment in UTC."""
local = _like(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
"""When a bucket begins, by the clock of its zone."""
day = _like(r"\d{4}-\d\d-\d\d")
"""A day of the calendar."""
identifier = _like(r"\d{10,19}")
"""A number that JavaScript would cut, as text."""


def mismatches(value: object, shape: Shape, place: str = "answer") -> Iterator[str]:
    """Where an answer does not look like its shape; a list has to hold something."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            names = sorted(set(value) ^ set(shape)) if isinstance(value, dict) else value
            yield f"{place} has other fields: {names}"
            return
        for name, inner in shape.items():
            yield from mismatches(value[name], inner, f"{place}.{name}")
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield f"{place} is no list of anything: {value!r}"
            return
        for position, inner in enumerate(value):
            yield from mismatches(inner, shape[0], f"{place}[{position}]")
    elif not shape(value):
        yield f"{place} is {value!r}"


def call(world: World, tenant: Tenant, method: str, path: str, body: object = None) -> TestResponse:
    """Ask as the owner of the site."""
    return world.client().open(
        f"/api/sites/{tenant.id}/{path}",
        method=method,
        data=None if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {tenant.account_key}"},
    )


def done(answer: TestResponse, status: int) -> Any:
    """The answer, which has to have that status."""
    assert answer.status_code == status, answer.data
    return json.loads(answer.data)


def fields(answer: TestResponse) -> dict[str, list[str]]:
    """What a refusal says of each field; under "" what it says of none."""
    told = done(answer, 400)
    assert (told["success"], told["error"]) == (False, "Invalid request data")
    named: dict[str, list[str]] = told["details"]["fieldErrors"]
    return named or {"": told["details"]["formErrors"]}
