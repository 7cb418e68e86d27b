"""A PostgreSQL that goes away while the server runs, and comes back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from werkzeug.test import TestResponse

from tests.faults.relay import Relay
from tests.web.people import Cast, make_cast
from tests.web.world import running

AWAY = {"success": False, "error": "The control database does not answer"}
ASKED = [
    ("GET", "/api/sites/{site}", None),
    ("PUT", "/api/sites/{site}/config", {"name": "Changed"}),
    ("POST", "/api/sites/{org}", {"name": "New", "domain": "new.example.com"}),
    ("DELETE", "/api/sites/{site}", None),
    ("GET", "/api/organizations", None),
    ("GET", "/api/auth/sessions", None),
    ("GET", "/api/config", None),
]


@pytest.fixture
def relay(postgres_server: str) -> Iterator[Relay]:
    url = make_url(postgres_server)
    relay = Relay(url.host or "127.0.0.1", url.port or 5432)
    yield relay
    relay.close()


@pytest.fixture
def cast(
    tmp_path: Path, migrated_file: Path, relay: Relay, new_postgres_database: Callable[[], str]
) -> Iterator[Cast]:
    """A site and everybody around it, in a database behind the relay."""
    url = make_url(new_postgres_database()).set(host="127.0.0.1", port=relay.port)
    uri = url.render_as_string(hide_password=False)
    with running(tmp_path / "instance", migrated_file, RYBBIT_SQLALCHEMY_DATABASE_URI=uri) as world:
        yield make_cast(world)


def health(cast: Cast) -> TestResponse:
    return cast.world.client().get("/api/health")


def assert_away(answer: TestResponse) -> None:
    assert (answer.status_code, json.loads(answer.data)) == (503, AWAY)
    assert int(answer.headers["Retry-After"]) > 0


def assert_well(cast: Cast) -> None:
    assert health(cast).status_code == 200
    answer = cast.call("owner", "GET", "/api/sites/{site}")
    assert answer.status_code == 200
    assert json.loads(answer.data)["name"] != "Changed"


@pytest.mark.parametrize("caller", ["owner", "nobody"])
def test_while_it_is_away_the_answer_is_to_try_later(cast: Cast, relay: Relay, caller: str) -> None:
    assert_well(cast)
    with relay.cut():
        for method, path, body in ASKED:
            if caller == "owner" or path == "/api/config":
                assert_away(cast.call(caller, method, path, body))
        answer = health(cast)
        assert answer.status_code == 503
        parts = {"database": "failing", "journal": "ok", "events": "ok"}
        assert json.loads(answer.data) == {"status": "failing", **parts}
        assert int(answer.headers["Retry-After"]) > 0
    assert_well(cast)


def test_a_browser_is_told_the_same(cast: Cast, relay: Relay) -> None:
    client = cast.client("owner in a browser")
    headers = cast.headers(client, "owner in a browser", "PUT")
    with relay.cut():
        assert_away(client.get(cast.fill("/api/sites/{site}")))
        changed = client.put(cast.fill("/api/sites/{site}/config"), json={"name": "Changed"}, headers=headers)
        assert_away(changed)
    assert_well(cast)


def test_connections_that_the_server_ended_are_opened_anew(cast: Cast, postgres_server: str) -> None:
    """As when PostgreSQL is restarted between two requests: nobody notices."""
    assert_well(cast)
    name = make_url(cast.world.app.config["SQLALCHEMY_DATABASE_URI"]).database
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{name}'"
        )
    engine.dispose()
    assert_well(cast)
