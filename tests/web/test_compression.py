"""What is sent compressed: what is the same for everybody, and nothing else."""

import gzip
import json
from pathlib import Path

import pytest
from werkzeug.test import Client, TestResponse

from rybbit.web.assets import Assets
from tests.web.browsing import make_person
from tests.web.host_app import PREFIX, Host
from tests.web.world import World

FILES = ["app.js", "app.css", "docs.css"]
PUBLIC = ["/api/script.js", "/api/vitals.js", "/api/openapi.json", "/docs/api"]
PERSONAL = ["/", "/login", "/sites", "/account", "/account/keys", "/organizations/new", "/nothing-here"]


def _path(world: World, name: str) -> str:
    assets: Assets = world.app.extensions["rybbit_assets"]
    return f"/static/dist/{assets.name_of(name)}"


def _get(client: Client, path: str, accepted: str | None, **headers: str) -> TestResponse:
    """An answer with its body read, so that no file stays open."""
    shown = headers | ({} if accepted is None else {"Accept-Encoding": accepted})
    answer = client.get(path, headers=shown)
    answer.get_data()
    answer.close()
    return answer


def _assert_twins(client: Client, path: str) -> TestResponse:
    """The compressed answer, which says the same as the plain one."""
    plain, packed = _get(client, path, None), _get(client, path, "gzip, deflate, br")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    assert plain.content_type == packed.content_type
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert "Set-Cookie" not in answer.headers
    return packed


class TestFiles:
    """Those that the front-end build made."""

    @pytest.mark.parametrize("name", FILES)
    def test_they_are_kept_for_good_in_either_form(self, world: World, name: str) -> None:
        packed = _assert_twins(world.client(), _path(world, name))
        assert packed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert packed.headers["X-Content-Type-Options"] == "nosniff"

    def test_what_is_small_is_sent_as_it_is(self, world: World) -> None:
        answer = _get(world.client(), _path(world, "favicon.svg"), "gzip")
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
        assert "Content-Encoding" not in answer.headers

    def test_a_build_without_twins_is_sent_as_it_is(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world.app.extensions["rybbit_assets"], "folder", tmp_path)
        (tmp_path / "app-AAAAAAAA.js").write_text("1")
        answer = _get(world.client(), "/static/dist/app-AAAAAAAA.js", "gzip")
        assert (answer.data, answer.headers.get("Content-Encoding")) == (b"1", None)

    @pytest.mark.parametrize("path", ["../package.json", "..%2fpackage.json", "none.js", ""])
    def test_nothing_outside_of_the_folder(self, world: World, path: str) -> None:
        assert _get(world.client(), f"/static/dist/{path}", "gzip").status_code == 404

    @pytest.mark.parametrize("accepted", ["gzip", None])
    def test_what_a_browser_has_is_not_sent_again(self, world: World, accepted: str | None) -> None:
        for path in (_path(world, "app.js"), "/api/script.js"):
            tag = _get(world.client(), path, accepted).headers["ETag"]
            again = _get(world.client(), path, accepted, **{"If-None-Match": tag})
            assert (again.status_code, again.data) == (304, b"")
            other = _get(world.client(), path, None if accepted else "gzip", **{"If-None-Match": tag})
            # What is kept under one name is not the other form.
            assert other.status_code == 200


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_public(world: World, path: str) -> None:
    _assert_twins(world.client(), path)


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [("gzip;q=0", False), ("br", False), ("*", True), ("*, gzip;q=0", False), ("gzip;q=0.1", True)],
)
def test_what_the_browser_takes(world: World, accepted: str, is_packed: bool) -> None:
    for path in (_path(world, "app.css"), *PUBLIC):
        answer = _get(world.client(), path, accepted)
        assert ("Content-Encoding" in answer.headers) == is_packed


def test_each_prefix_has_its_own(world: World, host: Host) -> None:
    below = json.loads(gzip.decompress(_get(Client(host.app), f"{PREFIX}/api/openapi.json", "gzip").data))
    assert below["servers"] == [{"url": PREFIX}]
    # One app that is reached in two ways, and one of them in far too many.
    for number in range(40):
        answer = world.client().get("/docs/api", environ_overrides={"SCRIPT_NAME": f"/p{number}"})
        assert f'href="/p{number}/api/openapi.json"' in answer.text
    assert 'href="/api/openapi.json"' in world.client().get("/docs/api").text


@pytest.mark.parametrize("path", PERSONAL)
def test_pages_with_tokens_are_not(world: World, path: str) -> None:
    """Their length would tell the token to whoever can put a text of their own beside it."""
    person = make_person(world).sign_in()
    for client in (person.client, world.client()):
        assert "Content-Encoding" not in _get(client, path, "gzip").headers
