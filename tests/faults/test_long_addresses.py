"""How long an address may be on a real server: filters with many values make it long."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.faults.server import PATIENCE, Instance, Server, serving


@pytest.fixture
def server(site: Instance) -> Iterator[Server]:
    with serving(site, workers=1) as server:
        yield server


def ask(server: Server, values: int) -> tuple[int, int, bytes]:
    """The length of the address with so many values, and the status and body that are answered."""
    each = {"parameter": "pathname", "type": "not_equals", "value": [f"/p/{each}" for each in range(values)]}
    path = f"/api/sites/{server.instance.site_id}/overview?filters={quote(json.dumps([each]))}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {server.instance.account_key}"})
        answer = connection.getresponse()
        return len(path), answer.status, answer.read()
    finally:
        connection.close()


def test_some_thousand_values_fit_and_more_are_refused(server: Server) -> None:
    length, status, body = ask(server, 3_000)
    assert 50_000 < length < 64 * 1024
    assert (status, json.loads(body)["data"]["sessions"]) == (200, 0)
    length, status, body = ask(server, 10_000)
    assert length > 64 * 1024
    # Refused before it reaches the app, which could say why; so it is said where filters are described.
    assert (status, body) == (414, b"")
    assert ask(server, 1)[1] == 200
