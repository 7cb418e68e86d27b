"""Whatever is sent to a form's address, it is answered, and no address that opens something is in the log."""

import io
import json
import logging
from typing import Any

import pytest
from flask import Flask

from rybbit.web import pages
from tests.web.people import Cast, make_cast
from tests.web.world import PEER, World

NAMES = [
    "email",
    "password",
    "name",
    "domain",
    "patterns",
    "country",
    "pattern",
    "token",
    "setup_token",
    "typed_domain",
]


def _forms() -> list[str]:
    app = Flask(__name__)
    pages.register(app)
    rules = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    return sorted({rule.rule for rule in rules if rule.rule != "/logout"})


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Without limits on guessing, which whoever tries everything reaches."""
    return {f"RYBBIT_{name}_RATE_LIMIT": "" for name in ("LOGIN", "LOGIN_ADDRESS", "LINK")}


@pytest.fixture(scope="module")
def cast(api_world: World) -> Cast:
    """An owner, a site and an organization."""
    api_world.runtime.start()
    return make_cast(api_world)


def _bodies() -> dict[str, dict[str, Any]]:
    texts = dict.fromkeys(NAMES, "�x")
    return {
        "numbers": {"data": json.dumps(dict.fromkeys(NAMES, 5)), "content_type": "application/json"},
        "a list": {"data": "[1]", "content_type": "application/json"},
        "surrogates": {"data": json.dumps(texts), "content_type": "application/json"},
        "files": {"data": {name: (io.BytesIO(b"x"), "x.txt") for name in NAMES}},
        "nothing": {"data": {}},
        "NUL": {"data": dict.fromkeys(NAMES, "\0")},
    }


@pytest.mark.parametrize("kind", list(_bodies()))
@pytest.mark.parametrize("path", _forms())
def test_a_form_takes_nothing_but_a_form(path: str, kind: str, cast: Cast) -> None:
    client = cast.client("owner in a browser")
    token = json.loads(client.get("/api/auth/session").data)["csrfToken"]
    filled = path.replace("<site>", str(cast.site_id)).replace("<organization>", cast.organization_id)
    filled = filled.replace("<", "").replace(">", "")
    answer = client.post(
        filled,
        **_bodies()[kind],
        headers={"X-CSRFToken": token},
        environ_overrides={"REMOTE_ADDR": PEER},
    )
    assert answer.status_code < 500


def test_a_failure_is_logged_without_its_address(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_token: str) -> None:
        raise RuntimeError("broken")

    app = cast.world.app
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    monkeypatch.setattr("rybbit.services.invitations.find_invitation", fail)
    with caplog.at_level(logging.ERROR):
        answer = cast.world.client().get("/invitation/secret-token-of-a-link")
    assert answer.status_code == 500
    assert "public.joining.index" in caplog.text
    assert "secret-token-of-a-link" not in caplog.text
