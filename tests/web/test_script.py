"""The tracking script as pages of sites load it."""

import gzip
import json
from pathlib import Path

import pytest

from tests.web.host_app import PREFIX, Host
from tests.web.world import World

LARGEST = 5 * 1024
NAMES = pytest.mark.parametrize("name", ["script.js", "vitals.js"])


@NAMES
def test_any_page_may_load_it_and_keep_it_for_an_hour(world: World, name: str) -> None:
    answer = world.client().get(f"/api/{name}", headers={"Origin": "https://anywhere.example"})
    assert answer.status_code == 200
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert (answer.cache_control.public, answer.cache_control.max_age) == (True, 3600)
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    assert len(gzip.compress(answer.data)) < LARGEST


@NAMES
def test_what_a_browser_has_is_not_sent_again(world: World, name: str) -> None:
    tag = world.client().get(f"/api/{name}").headers["ETag"]
    again = world.client().get(f"/api/{name}", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert again.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_it_is_there_below_a_prefix(world: World, host: Host) -> None:
    for answer in (
        world.client().get("/api/script.js", environ_overrides={"SCRIPT_NAME": "/stats"}),
        host.app.test_client().get(f"{PREFIX}/api/script.js"),
    ):
        assert answer.status_code == 200
        assert answer.data.startswith(b"(()=>{")


def test_no_other_file_is(world: World) -> None:
    for name in ("app.js", "manifest.json", "script.css"):
        assert world.client().get(f"/api/{name}").status_code == 404


def test_a_server_without_a_front_end_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = world.app.extensions["rybbit_assets"]
    monkeypatch.setattr(assets, "folder", tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"app.js": "app-1.js"}))
    answer = world.client().get("/api/script.js")
    expected = {"success": False, "error": "The front end of this server has not been built"}
    assert (answer.status_code, answer.json) == (503, expected)
    assert answer.headers["Retry-After"] == "60"
    assert "max-age" not in answer.headers.get("Cache-Control", "")
