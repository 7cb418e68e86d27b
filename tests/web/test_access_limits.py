"""What is limited against guessing: passwords, reset links, private links; and who may read with a link."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from rybbit import clock
from rybbit.extensions import db, limiter
from rybbit.models import Account
from tests.factories import PASSWORD
from tests.web.people import Cast, make_cast
from tests.web.world import World

TRIES = 3
BY_ADDRESS = 8


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Limits that are soon reached."""
    return {
        "RYBBIT_LOGIN_RATE_LIMIT": f"{TRIES}/hour",
        "RYBBIT_LOGIN_ADDRESS_RATE_LIMIT": f"{BY_ADDRESS}/hour",
        "RYBBIT_LINK_RATE_LIMIT": f"{TRIES}/minute",
        "RYBBIT_TRUSTED_PROXIES": "192.0.2.200",
    }


@pytest.fixture(autouse=True)
def _own_counts(api_world: World) -> None:
    with api_world.app.app_context():
        limiter.limiter.storage.reset()


def content(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)


def sign_in(
    world: World, email: str, password: str, *, peer: str = "192.0.2.1", via: str = ""
) -> TestResponse:
    """Try to sign in from an address, perhaps through a proxy."""
    return world.client().post(
        "/api/auth/sign-in",
        json={"email": email, "password": password},
        headers={"X-Forwarded-For": via} if via else {},
        environ_overrides={"REMOTE_ADDR": peer},
    )


def email_of(cast: Cast) -> str:
    """The owner's address."""
    with cast.world.app.app_context():
        return db.session.get_one(Account, cast.accounts["owner"]).email


@pytest.mark.parametrize("exists", [True, False])
def test_an_account_is_guessed_at_a_few_times_only(cast: Cast, exists: bool) -> None:
    email = email_of(cast) if exists else "nobody@example.com"
    for number in range(TRIES):
        assert sign_in(cast.world, email, "wrong", peer=f"198.51.100.{number}").status_code == 401
    answer = sign_in(cast.world, email.upper(), PASSWORD, peer="198.51.100.99")
    assert answer.status_code == 429
    assert content(answer) == {"success": False, "error": "Too many attempts; try again later"}
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert not answer.headers.getlist("Set-Cookie")


def test_the_right_password_begins_the_count_anew(cast: Cast) -> None:
    email = email_of(cast)
    for number in range(3):
        for guess in range(TRIES - 1):
            answer = sign_in(cast.world, email, "wrong", peer=f"198.51.100.{10 * number + guess}")
            assert answer.status_code == 401
        assert sign_in(cast.world, email, PASSWORD, peer=f"203.0.113.{number}").status_code == 200


def test_an_address_tries_a_few_accounts_only(cast: Cast) -> None:
    for number in range(BY_ADDRESS):
        assert sign_in(cast.world, f"person{number}@example.org", "wrong").status_code == 401
    assert sign_in(cast.world, email_of(cast), PASSWORD).status_code == 429
    body = {"token": "x", "newPassword": "a long password"}
    client = cast.world.client()
    reset = client.post("/api/auth/reset-password", json=body, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert reset.status_code == 429
    assert sign_in(cast.world, email_of(cast), PASSWORD, peer="192.0.2.2").status_code == 200


def test_an_address_is_not_made_up_by_who_asks(cast: Cast) -> None:
    for number in range(BY_ADDRESS):
        sign_in(cast.world, f"person{number}@example.net", "wrong", via=f"203.0.113.{number}")
    assert sign_in(cast.world, email_of(cast), PASSWORD, via="203.0.113.77").status_code == 429
    through_proxy = sign_in(cast.world, email_of(cast), PASSWORD, peer="192.0.2.200", via="203.0.113.77")
    assert through_proxy.status_code == 200, "a trusted proxy is believed"


def test_a_password_is_not_guessed_in_a_stolen_session(cast: Cast) -> None:
    body = {"currentPassword": "wrong", "newPassword": "a long password"}
    for _ in range(TRIES):
        assert cast.call("owner in a browser", "PUT", "/api/auth/password", body).status_code == 400
    assert cast.call("owner in a browser", "PUT", "/api/auth/password", body).status_code == 429


def make_link(cast: Cast) -> str:
    """The key of a private link of the site."""
    body = {"action": "generate_private_link_key"}
    answer = cast.call("owner", "POST", "/api/sites/{site}/private-link-config", body)
    return str(content(answer)["data"]["privateLinkKey"])


def read(
    cast: Cast, link: str, *, peer: str = "192.0.2.1", site: int | str = "", caller: str = "nobody"
) -> int:
    """The status for who shows a key of a private link."""
    answer = cast.world.client().get(
        f"/api/sites/{site or cast.site_id}/overview",
        headers={"X-Private-Key": link} | cast.headers(cast.client(caller), caller, "GET"),
        environ_overrides={"REMOTE_ADDR": peer},
    )
    return answer.status_code


def test_a_private_link_is_guessed_at_a_few_times_only(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    link = make_link(cast)
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    assert read(cast, link) == 200
    # Wrong keys, keys of no form, sites that do not exist: each is a guess.
    for guess, site in (("0" * 12, ""), ("nonsense", ""), (link, 999_999)):
        assert read(cast, guess, site=site) == 401
    assert read(cast, link) == 429, "the right one is not told either"
    assert read(cast, "", caller="member") == 200, "who may read anyway does not guess"
    assert read(cast, link, peer="192.0.2.2") == 200, "others may"
    monkeypatch.setattr(clock, "monotonic", lambda: now + 61)
    assert read(cast, link) == 200


def test_a_private_link_opens_one_site_for_reading_statistics(cast: Cast) -> None:
    other = make_cast(cast.world)
    link = make_link(cast)
    assert read(other, link, peer="192.0.2.3") == 401
    assert read(cast, link, peer="192.0.2.4", caller="stranger") == 200
    shown = {"X-Private-Key": link}
    for path in ("overview", "events", "has-data", "live-user-count"):
        assert cast.call("nobody", "GET", "/api/sites/{site}/" + path, headers=shown).status_code == 200
    for path in ("", "/drops", "/audit", "/excluded-ips", "/private-link-config", "/members"):
        assert cast.call("nobody", "GET", "/api/sites/{site}" + path, headers=shown).status_code == 401
    assert cast.call("nobody", "DELETE", "/api/sites/{site}", headers=shown).status_code == 401


def test_a_public_site_is_read_by_anybody_and_changed_by_nobody_else(cast: Cast) -> None:
    assert cast.call("nobody", "GET", "/api/sites/{site}/overview").status_code == 401
    cast.call("owner", "PUT", "/api/sites/{site}/config", {"public": True, "trackIp": True})
    for path in ("overview", "events", "has-data", "live-user-count"):
        for caller in ("nobody", "stranger", "other member", "ended session"):
            assert cast.call(caller, "GET", "/api/sites/{site}/" + path).status_code == 200
        assert cast.call("wrong key", "GET", "/api/sites/{site}/" + path).status_code == 401
    assert cast.call("nobody", "GET", "/api/sites/{site}").status_code == 401
    assert cast.call("nobody", "GET", "/api/sites/{site}/drops").status_code == 401
    cast.call("owner", "PUT", "/api/sites/{site}/config", {"public": False})
    assert cast.call("nobody", "GET", "/api/sites/{site}/overview").status_code == 401
