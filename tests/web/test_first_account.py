"""The first account of an instance, open sign-up, and the API below a prefix of a host app."""

import json
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import Client, TestResponse

from rybbit.extension import Rybbit
from tests.conftest import AppMaker

PASSWORD = "a long password"


def content(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)


def sign_up(client: Client, user: str, **more: Any) -> TestResponse:
    """Ask for an account."""
    body = {"email": f"{user}@example.com", "password": PASSWORD, **more}
    return client.post("/api/auth/sign-up", json=body)


def test_the_first_account_is_for_whoever_comes_first(make_app: AppMaker) -> None:
    client = Client(make_app().wsgi_app)
    assert content(client.get("/api/config")) == {"disableSignup": False}
    answer = sign_up(client, "first")
    assert answer.status_code == 201
    assert content(client.get("/api/config")) == {"disableSignup": True}
    assert sign_up(client, "second").status_code == 403
    csrf = {"X-CSRFToken": content(answer)["csrfToken"]}
    made = client.post("/api/organizations", json={"name": " Mine "}, headers=csrf)
    assert made.status_code == 201
    organization = content(made)
    assert organization == {
        "id": organization["id"],
        "name": "Mine",
        "slug": organization["id"],
        "role": "owner",
        "members": organization["members"],
        "sites": [],
    }
    (member,) = organization["members"]
    assert (member["role"], member["userId"]) == ("owner", member["user"]["id"])
    site = client.post(
        f"/api/sites/{organization['id']}", json={"name": "S", "domain": "example.com"}, headers=csrf
    )
    assert site.status_code == 201
    assert content(client.get(f"/api/sites/{content(site)['id']}"))["isOwner"] is True


def test_nobody_signs_up_where_the_operator_says_so(make_app: AppMaker) -> None:
    client = Client(make_app(RYBBIT_DISABLE_SIGNUP="true").wsgi_app)
    assert content(client.get("/api/config")) == {"disableSignup": True}
    answer = sign_up(client, "first")
    assert (answer.status_code, content(answer)) == (403, {"error": "Sign-up is disabled"})


def test_strangers_sign_up_where_they_may(make_app: AppMaker) -> None:
    client = Client(make_app(RYBBIT_DISABLE_SIGNUP="false").wsgi_app)
    for name in ("first", "second"):
        assert content(client.get("/api/config")) == {"disableSignup": False}
        assert sign_up(client, name).status_code == 201
    again = sign_up(client, "second")
    assert (again.status_code, content(again)["error"]) == (409, "Email already in use")
    for body in ({"password": "short"}, {"email": "none"}, {"name": "x" * 256}, {"admin": True}):
        refused = sign_up(client, "third", **body)
        assert refused.status_code == 400
        assert list(content(refused)["details"]["fieldErrors"]) == list(body)


def test_the_api_works_below_a_prefix(tmp_path: Path) -> None:
    host = Flask("host")
    host.secret_key = "the host's own"
    mounted = Rybbit(
        host, url_prefix="/analytics", config={"RYBBIT_INSTANCE_PATH": str(tmp_path / "instance")}
    )
    client = Client(host)
    try:
        answer = client.post(
            "/analytics/api/auth/sign-up", json={"email": "a@example.com", "password": PASSWORD}
        )
        assert answer.status_code == 201
        cookies = answer.headers.getlist("Set-Cookie")
        assert len(cookies) == 2
        assert all("Path=/analytics" in cookie for cookie in cookies)
        assert client.get("/analytics/api/auth/session").status_code == 200
        document = content(client.get("/analytics/api/openapi.json"))
        assert document["servers"] == [{"url": "/analytics"}]
        page = client.get("/analytics/docs/api").get_data(as_text=True)
        assert 'href="/analytics/static/dist/docs-' in page
        assert client.get("/docs/api").status_code == 404
    finally:
        mounted.app.extensions["rybbit"].stop()
