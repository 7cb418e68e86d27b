"""The server mounted in somebody else's Flask app."""

import json
from pathlib import Path

import pytest
from flask import Flask

from rybbit import Rybbit
from tests.web.host_app import PREFIX, Host, host_db, make_host_app
from tests.web.world import FIREFOX, World, prepare


class TestMounted:
    """The server below its prefix."""

    def test_events_come_in_and_can_be_read(self, host: Host) -> None:
        client = host.client()
        event = {"site_id": host.tenant.site_id, "api_key": host.tenant.api_key, "pathname": "/p" * 100}
        assert client.post(f"{PREFIX}/api/track", json=event).json == {"success": True}
        batch = client.post(f"{PREFIX}/api/track/batch", json={"events": [event]})
        assert (batch.status_code, batch.json) == (
            200,
            {"success": True, "accepted": 1, "rejected": [], "filtered": {}},
        )
        headers = {"Authorization": f"Bearer {host.tenant.account_key}"}
        answer = client.get(f"{PREFIX}/api/sites/{host.tenant.id}/events", headers=headers)
        assert [event["pathname"] for event in json.loads(answer.data)["data"]] == ["/p" * 100] * 2

    def test_from_a_page(self, host: Host) -> None:
        client = host.client()
        headers = {"Origin": host.tenant.origin, "User-Agent": FIREFOX}
        event = json.dumps({"site_id": host.tenant.id})
        answer = client.post(
            f"{PREFIX}/api/track", data=event, content_type="text/plain;charset=UTF-8", headers=headers
        )
        assert answer.json == {"success": True}
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Set-Cookie" not in answer.headers
        assert client.options(f"{PREFIX}/api/track", headers=headers).status_code == 204
        refused = client.post(f"{PREFIX}/api/track", json={"site_id": "99999999"})
        assert (refused.status_code, refused.json) == (404, {"success": False, "error": "Site not found"})

    def test_health(self, host: Host) -> None:
        assert host.client().get(f"{PREFIX}/api/health").status_code == 200

    def test_what_is_not_there(self, host: Host) -> None:
        answer = host.client().get(f"{PREFIX}/api/nothing")
        assert answer.status_code == 404
        assert answer.json is not None and answer.json["success"] is False
        assert host.client().get(f"{PREFIX}/nothing").status_code == 404

    def test_the_prefix_leads_to_the_pages(self, host: Host) -> None:
        answer = host.client().get(PREFIX)
        assert (answer.status_code, answer.headers["Location"]) == (308, f"http://localhost{PREFIX}/")
        answer = host.client().get(f"{PREFIX}/")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{PREFIX}/login")

    def test_nothing_of_it_is_above_the_prefix(self, host: Host) -> None:
        for path in ("/api/health", "/api/track", f"{PREFIX}x/api/health", "/nothing"):
            answer = host.client().get(path)
            assert (answer.status_code, answer.text) == (404, "the host's own page")

    def test_any_prefix(self, tmp_path: Path, migrated_file: Path) -> None:
        config = prepare(tmp_path / "instance", migrated_file)
        app = Flask("plain")
        world = World(Rybbit(app, url_prefix="stats/inner/", config=config).app)
        assert app.test_client().get("/stats/inner/api/version").status_code == 200
        assert app.test_client().get("/stats/api/version").status_code == 404
        world.close()

    @pytest.mark.parametrize("prefix", ["", "/", "//"])
    def test_the_root_is_the_hosts(self, tmp_path: Path, migrated_file: Path, prefix: str) -> None:
        config = prepare(tmp_path / "instance", migrated_file)
        with pytest.raises(ValueError, match="url_prefix"):
            Rybbit(Flask("plain"), url_prefix=prefix, config=config)

    def test_later(self, tmp_path: Path, migrated_file: Path) -> None:
        rybbit = Rybbit(config=prepare(tmp_path / "instance", migrated_file), site=1)
        with pytest.raises(RuntimeError, match="init_app"):
            rybbit.track("too early")
        app = Flask("plain")
        rybbit.init_app(app)
        assert app.extensions["rybbit"] is rybbit
        assert app.test_client().get("/analytics/api/version").status_code == 200
        World(rybbit.app).close()


class TestUntouched:
    """The host, as if nothing were mounted in it."""

    def test_its_database_and_its_session(self, host: Host) -> None:
        client = host.client()
        assert [client.get("/").text for _ in range(2)] == ["1 1", "2 2"]
        cookie = client.get_cookie("host_session")
        assert cookie is not None
        client.post(f"{PREFIX}/api/track", json={"site_id": host.tenant.id, "api_key": host.tenant.api_key})
        client.get(f"{PREFIX}/api/nothing")
        assert client.get("/").text == "3 3"
        names = host_db.metadata.tables.keys()
        assert set(names) == {"note"}

    def test_its_forms(self, host: Host) -> None:
        assert host.client().post("/form").status_code == 400
        host.app.config["WTF_CSRF_ENABLED"] = False
        assert host.client().post("/form").text == "no token was asked for"

    def test_its_error_pages_and_messages(self, host: Host) -> None:
        assert host.client().get("/teapot").text == "the host's own teapot"
        assert host.client().get("/flash").text == "['hello']"

    def test_its_limits(self, host: Host) -> None:
        event = {"site_id": host.tenant.id, "api_key": host.tenant.api_key}
        client = host.client()
        for _ in range(10):
            assert client.post(f"{PREFIX}/api/track", json=event).status_code == 200
            assert client.get(f"{PREFIX}/api/version").status_code == 200
        assert [client.get("/").status_code for _ in range(6)] == [200] * 5 + [429]
        assert client.post(f"{PREFIX}/api/track", json=event).status_code == 200

    def test_its_configuration_and_routes(self, tmp_path: Path, migrated_file: Path) -> None:
        app = make_host_app(tmp_path)
        before = dict(app.config), [str(rule) for rule in app.url_map.iter_rules()], set(app.blueprints)
        config = prepare(tmp_path / "instance", migrated_file)
        rybbit = Rybbit(app, config=config)
        rules = [str(rule) for rule in app.url_map.iter_rules()]
        assert (dict(app.config), rules, set(app.blueprints)) == before
        World(rybbit.app).close()
        with app.app_context():
            host_db.engine.dispose()
