"""Whether the server is well, its version, and what anybody may know of its configuration."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.web.world import World, broken_database, broken_journal, running


@pytest.fixture
def world(tmp_path: Path, migrated_file: Path) -> Iterator[World]:
    """An app of the test's own: these tests break it."""
    with running(tmp_path / "instance", migrated_file) as world:
        yield world


def _health(world: World) -> tuple[int, object]:
    answer = world.client().get("/api/health")
    assert answer.headers.get("Retry-After") == (None if answer.status_code == 200 else "1")
    return answer.status_code, answer.json


def _parts(*, database: str = "ok", journal: str = "ok") -> tuple[int, dict[str, str]]:
    well = database == journal == "ok"
    status = "ok" if well else "failing"
    parts = {"database": database, "journal": journal, "events": "ok"}
    return 200 if well else 503, {"status": status, **parts}


def test_well(world: World) -> None:
    assert _health(world) == _parts()
    tenant = world.add_tenant()
    world.client().post("/api/track", json={"site_id": tenant.id, "api_key": tenant.api_key})
    assert _health(world) == _parts()


def test_nothing_is_left_in_the_journal(world: World) -> None:
    for _ in range(3):
        _health(world)
    assert [path.name for path in world.runtime.journal_folder.path.iterdir()] == ["quarantine"]


def test_a_journal_that_cannot_be_written(world: World) -> None:
    assert _health(world) == _parts()
    with broken_journal(world):
        assert _health(world) == _parts(journal="failing")
    assert _health(world) == _parts()


def test_a_journal_that_is_gone(world: World) -> None:
    assert _health(world) == _parts()
    folder = world.runtime.journal_folder.path
    folder.rename(folder.with_name("elsewhere"))
    assert _health(world) == _parts(journal="failing")


def test_a_database_that_does_not_answer(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert _health(world) == _parts()
    with broken_database(world):
        assert _health(world) == _parts(database="failing")
    assert _health(world) == _parts()
    assert "does not answer" in caplog.text


def test_both(world: World) -> None:
    assert _health(world) == _parts()
    with broken_database(world), broken_journal(world):
        assert _health(world) == _parts(database="failing", journal="failing")
    assert _health(world) == _parts()


def test_reading_while_the_database_does_not_answer_is_no_500(world: World) -> None:
    tenant = world.add_tenant()
    assert world.read(tenant, "overview").status_code == 200
    with broken_database(world):
        answer = world.read(tenant, "overview")
        assert (answer.status_code, answer.json) == (
            503,
            {"success": False, "error": "The control database does not answer"},
        )
        assert int(answer.headers["Retry-After"]) > 0
    assert world.read(tenant, "overview").status_code == 200


def _assert_plain(answer: TestResponse, body: object) -> None:
    assert (answer.status_code, answer.json) == (200, body)
    assert answer.content_type == "application/json"
    assert "Set-Cookie" not in answer.headers


def test_version(world: World) -> None:
    _assert_plain(world.client().get("/api/version"), {"version": version("rybbit")})


@pytest.mark.parametrize(("written", "disabled"), [(None, False), ("false", False), ("1", True)])
def test_config(tmp_path: Path, migrated_file: Path, written: str | None, disabled: bool) -> None:
    """Sign-up is disabled after the first account, unless the operator says otherwise."""
    given = {} if written is None else {"RYBBIT_DISABLE_SIGNUP": written}
    with running(tmp_path / "instance", migrated_file, **given) as world:
        _assert_plain(world.client().get("/api/config"), {"disableSignup": disabled})
        world.add_tenant()
        _assert_plain(world.client().get("/api/config"), {"disableSignup": written != "false"})


@pytest.mark.parametrize("path", ["/api/nothing", "/api/", "/api/sites/1/nothing", "/api/health/x"])
def test_what_is_not_there_is_json_too(world: World, path: str) -> None:
    answer = world.client().get(path)
    assert answer.status_code == 404
    assert answer.json is not None
    assert answer.json["success"] is False
    assert answer.json["error"]
