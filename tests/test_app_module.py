"""`app.py` under the servers that people have: Flask's own, gunicorn, granian's command."""

import http.client
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server import PATIENCE, Instance, Server, make_instance, running

REPOSITORY = Path(__file__).parent.parent
# No socket in the home of whoever runs this; and a worker that is told to stop while it starts is deaf.
GUNICORN = (
    *("-m", "gunicorn", "--no-control-socket", "--graceful-timeout", "5"),
    *("--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
)
SERVERS: dict[str, Sequence[str]] = {
    "flask": ("-m", "flask", "--app", "app", "run", "--port", "{port}"),
    "gunicorn": (*GUNICORN, "app:app"),
    "gunicorn, threads, loaded before the fork": (*GUNICORN, "--threads", "4", "--preload", "app:app"),
    "granian": (
        *("-m", "granian", "--interface", "wsgi", "--port", "{port}", "--workers", "{workers}"),
        *("--blocking-threads", "4", "app:app"),
    ),
}
KINDS = ["one piece", "chunks"]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        instance = make_instance(tmp_path_factory.mktemp("served") / "instance")
        with running(Server(instance, workers=2, arguments=SERVERS[request.param])) as server:
            yield server


def _ask(
    server: Server, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, http.client.HTTPMessage]:
    """The answer; a body that is a list of pieces goes over in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, answer.headers
    finally:
        connection.close()


def _event(instance: Instance, **fields: Any) -> bytes:
    event = {"site_id": instance.site_id, "api_key": instance.tracking_key, **fields}
    return json.dumps(event).encode()


def _in(kind: str, body: bytes) -> Any:
    return (
        body
        if kind == "one piece"
        else iter([body[start : start + 1000] for start in range(0, len(body), 1000)])
    )


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_taken_in_and_can_be_read(server: Server, kind: str) -> None:
    before = set(server.event_ids())
    for number in range(6):
        body = _event(server.instance, event_id=f"{kind} {number}", page_title="ä" * 500)
        status, told, headers = _ask(server, "POST", "/api/track", _in(kind, body))
        assert (status, told) == (200, {"success": True})
        assert headers["Access-Control-Allow-Origin"] == "*"
    batch = {
        "site_id": server.instance.site_id,
        "api_key": server.instance.tracking_key,
        "events": [{"event_id": f"{kind} of a batch {number}"} for number in range(100)],
    }
    status, told, _ = _ask(server, "POST", "/api/track/batch", _in(kind, json.dumps(batch).encode()))
    assert (status, told) == (200, {"success": True, "accepted": 100, "rejected": [], "filtered": {}})
    assert len(set(server.event_ids()) - before) == 106


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("path", "limit"), [("/api/track", 65_536), ("/api/track/batch", 1_048_576)])
def test_what_is_too_long_is_refused(server: Server, path: str, limit: int, kind: str) -> None:
    status, told, headers = _ask(server, "POST", path, _in(kind, _event(server.instance).ljust(limit + 1)))
    assert (status, told) == (413, {"success": False, "error": f"The body is larger than {limit} bytes"})
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_preflight(server: Server) -> None:
    asked = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"}
    status, _, headers = _ask(server, "OPTIONS", "/api/track", **asked)
    assert status == 204
    assert "Content-Type" in headers["Access-Control-Allow-Headers"]


def test_refusals(server: Server) -> None:
    status, told, _ = _ask(server, "POST", "/api/track", b"{")
    assert (status, told["error"]) == (400, "Invalid payload")
    status, told, _ = _ask(
        server, "POST", "/api/track", _event(server.instance), Authorization="Bearer other"
    )
    assert (status, told) == (403, {"success": False, "error": "Invalid API key"})
    status, told, _ = _ask(server, "GET", f"/api/sites/{server.instance.site_id}/events")
    assert (status, told) == (401, {"error": "Unauthorized"})
    status, told, _ = _ask(server, "GET", "/api/track")
    assert (status, told["success"]) == (405, False)


@pytest.mark.parametrize("name", ["flask", "gunicorn, threads, loaded before the fork"])
def test_events_outlive_the_server(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    instance = make_instance(tmp_path / "instance")
    for stay in range(2):
        with running(Server(instance, workers=2, arguments=SERVERS[name])) as server:
            for number in range(5):
                body = _event(instance, event_id=f"{stay}-{number}")
                assert _ask(server, "POST", "/api/track", body)[1] == {"success": True}
            server.stop()
    with running(Server(instance, workers=1)) as server:
        assert sorted(server.event_ids()) == [f"{stay}-{number}" for stay in range(2) for number in range(5)]
