"""Signing in and out, sessions, passwords, sign-up, invitations."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from rybbit import clock
from rybbit.extensions import db
from rybbit.models import Account
from rybbit.services import password_resets
from rybbit.services.accounts import account_by_email
from tests.factories import PASSWORD
from tests.smtp import Mailbox, serving
from tests.web.people import Cast, everything, make_cast
from tests.web.world import World, running

NEW = "another long password"


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Limits that this module does not reach."""
    return {"RYBBIT_LOGIN_RATE_LIMIT": "", "RYBBIT_LOGIN_ADDRESS_RATE_LIMIT": ""}


@pytest.fixture
def client(api_world: World) -> Client:
    """A browser that knows nothing yet."""
    return api_world.client()


def content(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)


def email_of(cast: Cast, name: str) -> str:
    """The address with which somebody signs in."""
    with cast.world.app.app_context():
        return db.session.get_one(Account, cast.accounts[name]).email


def sign_in(client: Client, email: str, password: str = PASSWORD) -> TestResponse:
    """Sign in."""
    return client.post("/api/auth/sign-in", json={"email": email, "password": password})


def signed_in(world: World, email: str, password: str = PASSWORD) -> tuple[Client, dict[str, str]]:
    """A browser that is signed in, and the header for its writes."""
    client = world.client()
    answer = sign_in(client, email, password)
    assert answer.status_code == 200
    return client, {"X-CSRFToken": content(answer)["csrfToken"]}


def test_signing_in_sets_a_cookie_that_opens_the_api(cast: Cast, client: Client) -> None:
    email = email_of(cast, "member")
    assert client.get(cast.fill("/api/sites/{site}")).status_code == 401
    answer = sign_in(client, f" {email.upper()} ")
    assert answer.status_code == 200
    assert content(answer)["account"] == {
        "id": cast.accounts["member"],
        "email": email,
        "name": email.partition("@")[0],
    }
    (cookie,) = [line for line in answer.headers.getlist("Set-Cookie") if "rybbit_session=" in line]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"):
        assert part in cookie
    assert "Secure" not in cookie, "this test is on http"
    assert client.get(cast.fill("/api/sites/{site}")).status_code == 200


def test_the_cookie_is_for_https_where_the_server_is(cast: Cast, client: Client) -> None:
    body = {"email": email_of(cast, "owner"), "password": PASSWORD}
    answer = client.post("/api/auth/sign-in", json=body, base_url="https://example.com")
    assert any(
        "rybbit_session=" in line and "Secure" in line for line in answer.headers.getlist("Set-Cookie")
    )


@pytest.mark.parametrize("password", ["wrong password", "", "x" * 2000])
def test_wrong_credentials_look_alike(cast: Cast, client: Client, password: str) -> None:
    before = everything(cast.world)
    for email in (email_of(cast, "owner"), "nobody@example.com", "no address", ""):
        answer = sign_in(client, email, password)
        assert answer.status_code == 401
        assert content(answer) == {"success": False, "error": "Wrong email or password"}
        assert not answer.headers.getlist("Set-Cookie")
    assert everything(cast.world) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "a@example.com"}, "password"),
        ({"password": "x"}, "email"),
        ({"email": 5, "password": "x"}, "email"),
        ({"email": "a@example.com", "password": None}, "password"),
        ({"email": "a@example.com", "password": "x", "remember": True}, "remember"),
    ],
)
def test_an_unfit_sign_in_names_the_field(client: Client, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/auth/sign-in", json=body)
    assert answer.status_code == 400
    assert list(content(answer)["details"]["fieldErrors"]) == [field]


@pytest.mark.parametrize("path", ["sign-in", "sign-up", "reset-password"])
def test_a_form_of_a_foreign_page_signs_nobody_in(cast: Cast, client: Client, path: str) -> None:
    body = json.dumps({"email": email_of(cast, "owner"), "password": PASSWORD})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post(f"/api/auth/{path}", data=body, content_type=kind)
        assert answer.status_code == 403
        assert not answer.headers.getlist("Set-Cookie")


def test_a_session_shows_itself_and_ends(cast: Cast) -> None:
    client, csrf = signed_in(cast.world, email_of(cast, "admin"))
    shown = content(client.get("/api/auth/session"))
    assert shown["account"]["id"] == cast.accounts["admin"]
    assert (
        client.put(
            cast.fill("/api/sites/{site}/config"),
            json={"name": "N"},
            headers={"X-CSRFToken": shown["csrfToken"]},
        ).status_code
        == 200
    )
    assert client.post("/api/auth/sign-out").status_code == 403, "without the token"
    cookie = client.get_cookie("rybbit_session")
    assert cookie is not None
    assert client.post("/api/auth/sign-out", headers=csrf).status_code == 200
    assert client.get_cookie("rybbit_session") is None
    client.set_cookie("rybbit_session", cookie.value)
    assert client.get("/api/auth/session").status_code == 401, "the old cookie is worth nothing"


def test_the_token_of_an_earlier_session_is_worth_nothing(cast: Cast) -> None:
    client, old = signed_in(cast.world, email_of(cast, "owner"))
    assert sign_in(client, email_of(cast, "admin")).status_code == 200
    answer = client.put(cast.fill("/api/sites/{site}/config"), json={"name": "N"}, headers=old)
    assert (answer.status_code, content(answer)) == (403, {"error": "CSRF token missing or wrong"})


def test_sessions_are_listed_and_ended(cast: Cast) -> None:
    email = email_of(cast, "admin")
    first, first_csrf = signed_in(cast.world, email)
    second, _ = signed_in(cast.world, email)
    rows = content(second.get("/api/auth/sessions"))
    assert len(rows) == 3, "the cast has one as well"
    assert [row["current"] for row in rows].count(True) == 1
    assert all(
        set(row) >= {"id", "createdAt", "lastSeenAt", "expiresAt", "address", "userAgent"} for row in rows
    )
    (here,) = [row["id"] for row in rows if row["current"]]
    assert first.delete(f"/api/auth/sessions/{here}", headers=first_csrf).status_code == 200
    assert second.get("/api/auth/sessions").status_code == 401
    assert first.delete("/api/auth/sessions", headers=first_csrf).status_code == 200
    assert [row["current"] for row in content(first.get("/api/auth/sessions"))] == [True]


def test_nobody_ends_the_session_of_another(cast: Cast) -> None:
    theirs = content(cast.call("owner in a browser", "GET", "/api/auth/session"))["sessionId"]
    before = everything(cast.world)
    for caller in ("admin in a browser", "admin"):
        answer = cast.call(caller, "DELETE", f"/api/auth/sessions/{theirs}")
        assert (answer.status_code, content(answer)) == (404, {"error": "Session not found"})
    assert everything(cast.world) == before


def test_a_session_in_use_lasts_on(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = signed_in(cast.world, email_of(cast, "member"))
    ends = [content(client.get("/api/auth/session"))["expiresAt"]]
    start = clock.now_ms()
    for day in (20, 40, 60):
        monkeypatch.setattr(clock, "now_ms", lambda day=day: start + day * 86_400_000)
        answer = client.get("/api/auth/session")
        assert answer.status_code == 200
        assert any("rybbit_session=" in line for line in answer.headers.getlist("Set-Cookie"))
        ends.append(content(answer)["expiresAt"])
    assert ends == sorted(set(ends))
    monkeypatch.setattr(clock, "now_ms", lambda: start + 91 * 86_400_000)
    assert client.get("/api/auth/session").status_code == 401


def test_a_password_is_changed_by_who_knows_it(cast: Cast) -> None:
    email = email_of(cast, "member")
    client, csrf = signed_in(cast.world, email)
    other, _ = signed_in(cast.world, email)
    wrong = {"currentPassword": "wrong password", "newPassword": NEW}
    answer = client.put("/api/auth/password", json=wrong, headers=csrf)
    assert answer.status_code == 400
    assert list(content(answer)["details"]["fieldErrors"]) == ["currentPassword"]
    right = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert client.put("/api/auth/password", json=right, headers=csrf).status_code == 200
    assert client.get("/api/auth/session").status_code == 200, "this session goes on"
    assert other.get("/api/auth/session").status_code == 401, "the others end"
    assert sign_in(cast.world.client(), email).status_code == 401
    assert sign_in(cast.world.client(), email, NEW).status_code == 200


def test_a_reset_link_works_once(cast: Cast, client: Client) -> None:
    email = email_of(cast, "member")
    other, _ = signed_in(cast.world, email)
    with cast.world.app.app_context():
        account = account_by_email(email)
        assert account is not None
        token = password_resets.make_reset(account)
        db.session.commit()
    short = client.post("/api/auth/reset-password", json={"token": token, "newPassword": "short"})
    assert short.status_code == 400
    body = {"token": token, "newPassword": NEW}
    assert client.post("/api/auth/reset-password", json=body).status_code == 200
    assert other.get("/api/auth/session").status_code == 401
    assert sign_in(client, email, NEW).status_code == 200
    for used in (token, "wrong", "x" * 43):
        answer = client.post("/api/auth/reset-password", json={"token": used, "newPassword": NEW})
        assert answer.status_code == 400
        assert list(content(answer)["details"]["fieldErrors"]) == ["token"]


def test_an_account_is_renamed(cast: Cast) -> None:
    answer = cast.call("member in a browser", "PUT", "/api/auth/account", {"name": " Ada "})
    assert (answer.status_code, content(answer)["name"]) == (200, "Ada")
    assert cast.call("member", "PUT", "/api/auth/account", {"name": ""}).status_code == 400


def test_sign_up_is_for_the_invited_where_strangers_may_not(cast: Cast, client: Client) -> None:
    assert content(client.get("/api/config")) == {"disableSignup": True}
    body = {"email": f"new{cast.site_id}@example.com", "password": NEW}
    before = everything(cast.world)
    answer = client.post("/api/auth/sign-up", json=body)
    assert (answer.status_code, content(answer)) == (403, {"error": "Sign-up is disabled"})
    assert everything(cast.world) == before
    made = content(cast.call("admin", "POST", "/api/organizations/{org}/invitations", {"role": "member"}))
    assert made["url"].endswith(made["token"])
    answer = client.post("/api/auth/sign-up", json=body | {"invitation": made["token"]})
    assert answer.status_code == 201
    assert [row["id"] for row in content(client.get("/api/organizations"))] == [cast.organization_id]
    again = client.post(
        "/api/auth/sign-up", json=body | {"invitation": made["token"], "email": "z@example.com"}
    )
    assert again.status_code == 404, "an invitation is used once"


def test_an_invitation_is_accepted_once_and_revoked(cast: Cast) -> None:
    path = "/api/organizations/{org}/invitations"
    first = content(cast.call("owner", "POST", path, {"role": "admin"}))
    listed = content(cast.call("owner", "GET", path))
    assert [row["id"] for row in listed] == [first["id"]]
    assert "token" not in listed[0]
    accept = {"token": first["token"]}
    answer = cast.call("stranger", "POST", "/api/invitations/accept", accept)
    assert (answer.status_code, content(answer)["role"]) == (200, "admin")
    assert cast.call("stranger", "GET", "/api/sites/{site}").status_code == 200
    other = make_cast(cast.world)
    assert other.call("stranger", "POST", "/api/invitations/accept", accept).status_code == 404
    second = content(cast.call("owner", "POST", path, {}))
    assert (
        cast.call("owner", "POST", "/api/invitations/accept", {"token": second["token"]}).status_code == 409
    )
    assert cast.call("owner", "DELETE", path + "/" + second["id"]).status_code == 200
    revoked = {"token": second["token"]}
    assert other.call("stranger", "POST", "/api/invitations/accept", revoked).status_code == 404


def test_only_owners_make_and_change_owners(cast: Cast) -> None:
    members = "/api/organizations/{org}/members/"
    before = everything(cast.world)
    for caller in ("admin", "organization key"):
        for method, path, body in (
            ("PUT", members + "{member}", {"role": "owner"}),
            ("PUT", members + "{owner}", {"role": "member"}),
            ("DELETE", members + "{owner}", None),
            ("POST", "/api/organizations/{org}/invitations", {"role": "owner"}),
        ):
            assert cast.call(caller, method, path, body).status_code == 403, (caller, method, path)
    assert everything(cast.world) == before


def test_the_last_owner_stays(cast: Cast) -> None:
    own = "/api/organizations/{org}/members/{owner}"
    before = everything(cast.world)
    assert cast.call("owner", "DELETE", own).status_code == 409
    assert cast.call("owner", "PUT", own, {"role": "admin"}).status_code == 409
    assert everything(cast.world) == before
    assert (
        cast.call("owner", "PUT", "/api/organizations/{org}/members/{admin}", {"role": "owner"}).status_code
        == 200
    )
    assert cast.call("owner", "DELETE", own).status_code == 200
    assert cast.call("owner", "GET", "/api/sites/{site}").status_code == 404, "true at the next request"


def test_a_member_leaves_and_removes_nobody_else(cast: Cast) -> None:
    members = "/api/organizations/{org}/members/"
    assert cast.call("member", "DELETE", members + "{other member}").status_code == 403
    assert cast.call("member", "DELETE", members + "{member}").status_code == 200
    assert cast.call("member", "GET", "/api/organizations/{org}/members").status_code == 404


def test_links_are_mailed_to_who_has_an_account(
    tmp_path: Path, migrated_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Mailbox()) as mailbox:
        mail = {
            "RYBBIT_SMTP_HOST": "127.0.0.1",
            "RYBBIT_SMTP_PORT": mailbox.port,
            "RYBBIT_SMTP_FROM": "server@example.com",
            "RYBBIT_SMTP_TLS": "none",
            "RYBBIT_BASE_URL": "https://stats.example.com/a/",
        }
        with running(tmp_path / "instance", migrated_file, **mail) as world:
            cast = make_cast(world)
            client = world.client()
            for email in ("nobody@example.com", email_of(cast, "owner")):
                answer = client.post(
                    "/api/auth/forgot-password", json={"email": email}, headers={"Host": "evil.example.com"}
                )
                assert (answer.status_code, content(answer)) == (200, {"success": True})
            wait_until(lambda: len(mailbox.messages) == 1)
            (message,) = mailbox.messages
            assert message["To"] == email_of(cast, "owner")
            found = re.search(r"https://stats\.example\.com/a/reset-password/(\S+)", message.get_content())
            assert found
            assert "evil" not in message.as_string()
            body = {"token": found[1], "newPassword": NEW}
            assert client.post("/api/auth/reset-password", json=body).status_code == 200

            invited = {"email": "new@example.com"}
            made = content(cast.call("owner", "POST", "/api/organizations/{org}/invitations", invited))
            assert made["mailed"] is True
            assert made["url"] in mailbox.messages[1].get_content()
            mailbox.refuses = True
            made = content(cast.call("owner", "POST", "/api/organizations/{org}/invitations", invited))
            assert made["mailed"] is False
            assert "not mailed" in caplog.text


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something that a thread does."""
    give_up = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < give_up
        time.sleep(0.02)
