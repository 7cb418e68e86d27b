"""Whole requests made up by hypothesis: never a 500; refusals say what is wrong, successes are stored."""

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.wrappers import Response

from tests.ingest.test_payload_properties import damaged_bodies, json_values, mutated_events
from tests.web.world import CRAWLER, FIREFOX, PEER, Tenant, World, call

STATUSES = {200, 400, 403, 404, 413, 415}
PATHS = ["/api/track", "/api/track/batch"]
# A busy machine is no failure, and a slow draw is none of ours.
UNTIMED = hypothesis_settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

# Servers hand headers over as Latin-1, and keep line ends out of them.
header_texts = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
lengths = st.sampled_from(["", "0", "-1", "x", "9" * 5000, "65536", "70000"]) | header_texts


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {
        "RYBBIT_TRACK_RATE_LIMIT": "",
        "RYBBIT_BROWSER_RATE_LIMIT": "",
        "RYBBIT_TRUSTED_PROXIES": "192.0.2.1",
    }


@st.composite
def requests(draw: st.DrawFn, tenant: Tenant) -> dict[str, Any]:
    """The parts of an environment that somebody outside decides on; most of them good, most of the time."""
    path = draw(st.sampled_from(PATHS))
    body = draw(_bodies(tenant, in_batch=path.endswith("batch")))
    if not draw(st.integers(0, 5)):
        body = draw(damaged_bodies() | st.binary(max_size=200))
    good = {
        "HTTP_AUTHORIZATION": f"Bearer {tenant.api_key}",
        "HTTP_ORIGIN": tenant.origin,
        "HTTP_REFERER": f"{tenant.origin}/a",
        "HTTP_USER_AGENT": draw(st.sampled_from([FIREFOX, CRAWLER])),
        "HTTP_X_FORWARDED_FOR": draw(st.sampled_from(["203.0.113.5", "[2001:db8::1]:80, x", ",,"])),
        "CONTENT_TYPE": "text/plain;charset=UTF-8",
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": PEER,
    }
    spoiled = draw(st.lists(st.sampled_from(list(good)), max_size=2))
    left_out = draw(st.lists(st.sampled_from(list(good)), max_size=2))
    bad = {name: draw(lengths if name == "CONTENT_LENGTH" else header_texts) for name in spoiled}
    headers = {name: text for name, text in (good | bad).items() if name not in left_out}
    terminated = {"wsgi.input_terminated": True} if draw(st.booleans()) else {}
    return {"PATH_INFO": path, "wsgi.input": io.BytesIO(body), **terminated, **headers}


@st.composite
def _bodies(draw: st.DrawFn, tenant: Tenant, *, in_batch: bool) -> bytes:
    events: list[Any] = draw(st.lists(mutated_events(), min_size=1, max_size=3 if in_batch else 1))
    for event in events:
        event["site_id"] = draw(st.sampled_from([tenant.id, tenant.site_id, str(tenant.site_id)]))
        # The one that all have is of no site.
        event.pop("api_key", None)
    if not draw(st.integers(0, 4)):
        events[0] = draw(mutated_events() | json_values)
    return json.dumps({"events": events} if in_batch else events[0]).encode()


def _assert_says_what_is_wrong(answer: Response) -> Any:
    """Returns the body."""
    assert answer.status_code in STATUSES
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    body = json.loads(answer.data)
    assert body["success"] is (answer.status_code == 200)
    if answer.status_code != 200:
        assert body["error"]
    if answer.status_code == 400:
        assert body["error"] == "Invalid payload"
        _assert_names_something(body["details"])
    for rejected in body.get("rejected", []):
        assert rejected["error"]
        if "details" in rejected:
            _assert_names_something(rejected["details"])
    return body


def _assert_names_something(details: Any) -> None:
    assert set(details) == {"fieldErrors", "formErrors"}
    assert details["fieldErrors"] or details["formErrors"]
    for messages in (*details["fieldErrors"].values(), details["formErrors"] or ["."]):
        assert all(messages)


def test_any_request(world: World, way: str, tenant: Tenant) -> None:
    client = world.client(way)
    accepted = [0]

    @UNTIMED
    @given(requests(tenant))
    def check(parts: dict[str, Any]) -> None:
        body = _assert_says_what_is_wrong(call(client, parts))
        if "accepted" in body:
            accepted[0] += body["accepted"]
        elif body == {"success": True}:
            accepted[0] += 1

    check()
    counts = world.drops(tenant)
    assert len(world.stored(tenant)) == accepted[0] - counts.get(("duplicate", ""), 0)
    assert accepted[0] > 0
    assert all(
        reason in {"invalid_payload", "invalid_key", "origin", "forbidden_field", "bot", "duplicate"}
        for reason, _ in counts
    )


def test_the_two_ways_in_answer_alike(world: World, tenant: Tenant) -> None:
    front, flask = world.client("front"), world.client("flask")

    @UNTIMED
    @given(requests(tenant))
    def check(parts: dict[str, Any]) -> None:
        body = parts["wsgi.input"].getvalue()
        one = call(front, parts | {"wsgi.input": io.BytesIO(body)})
        other = call(flask, parts | {"wsgi.input": io.BytesIO(body)})
        assert one.status_code == other.status_code
        assert one.data == other.data
        assert sorted(one.headers) == sorted(other.headers)

    check()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", [*PATHS, "/api/track/", "/API/track", "/api/track/x", "", "*"])
def test_any_method_and_path(world: World, way: str, method: str, path: str) -> None:
    answer = call(
        world.client(way),
        {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(b""), "CONTENT_LENGTH": "0"},
    )
    # No path is where the pages begin.
    start = {308, 405} if path == "" else set()
    assert answer.status_code in ({204} if method == "OPTIONS" and path in PATHS else {404, 405} | start)
