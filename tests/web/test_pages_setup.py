"""The first run in a browser: for whoever has the link, and for nobody else."""

from typing import Any

import pytest

from rybbit.extensions import db
from rybbit.models import Key, Role
from rybbit.services import accounts, organizations, setup_token
from rybbit.services.actor import actor_of_account
from rybbit.services.site_access import accessible_sites
from tests.conftest import AppMaker
from tests.factories import make_account
from tests.web.browsing import PARTIAL, Person, text_of
from tests.web.world import World

FORM = {
    "email": "ann@example.com",
    "owner_name": "Ann",
    "password": "a long password",
    "domain": "https://Example.com/",
}


@pytest.fixture
def make_visitor(make_app: AppMaker) -> Any:
    """Makes somebody who comes to an empty server, with the token of its link."""

    def make(**settings: Any) -> tuple[Person, str]:
        world = World(make_app(**settings))
        return Person(world), setup_token.make_setup_token(world.runtime.config.instance_path)

    return make


def test_the_link_leads_to_an_owner_who_is_signed_in(make_visitor: Any) -> None:
    visitor, token = make_visitor()
    assert visitor.get("/").headers["Location"] == "/login"
    assert visitor.get("/login").headers["Location"] == "/setup"
    page = visitor.get(f"/setup?token={token}")
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    answer = visitor.post("/setup", setup_token=token, **FORM)
    assert answer.status_code == 303
    assert "Welcome. example.com is ready" in text_of(visitor.get("/account"))
    with visitor.world.app.app_context():
        owner = accounts.account_for("ann@example.com")
        assert owner.name == "Ann"
        [membership] = organizations.organizations_of(owner)
        assert (membership.role, membership.organization.name) == (Role.OWNER, "example.com")
        [site] = accessible_sites(actor_of_account(owner), membership.organization.id)
        assert site.domain == "example.com"
        # A key that nobody has seen would be of use to nobody.
        assert db.session.query(Key).count() == 0
    assert list(visitor.world.runtime.config.instance_path.glob("setup_token*")) == []


def test_it_works_once(make_visitor: Any) -> None:
    visitor, token = make_visitor()
    visitor.get(f"/setup?token={token}")
    visitor.post("/setup", setup_token=token, **FORM)
    other = Person(visitor.world)
    assert other.get(f"/setup?token={token}").headers["Location"] == "/login"
    other.get("/login")
    answer = other.post("/setup", setup_token=token, **FORM | {"email": "eve@example.com"})
    assert answer.headers["Location"] == "/login"
    with visitor.world.app.app_context():
        assert len(accounts.list_accounts()) == 1


def test_a_lost_cookie_does_not_lose_the_link(make_visitor: Any) -> None:
    visitor, token = make_visitor()
    answer = visitor.post("/setup", setup_token=token, **FORM)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/setup?token={token}")


@pytest.mark.parametrize(("query", "status"), [("", 200), ("?token=", 200), ("?token=wrong", 403)])
def test_without_the_link_it_says_where_that_is(make_visitor: Any, query: str, status: int) -> None:
    visitor, token = make_visitor()
    page = visitor.get(f"/setup{query}")
    assert page.status_code == status
    assert "rybbit serve" in text_of(page)
    assert 'name="password"' not in page.text
    for wrong in ("", token[:-1], "\0", "é"):
        assert visitor.post("/setup", setup_token=wrong, **FORM).status_code in (200, 403)
    with visitor.world.app.app_context():
        assert not accounts.has_accounts()


@pytest.mark.parametrize("headers", [PARTIAL, {}], ids=["part", "page"])
def test_everything_that_is_unfit_is_named_at_once(make_visitor: Any, headers: dict[str, str]) -> None:
    visitor, token = make_visitor()
    visitor.get(f"/setup?token={token}")
    answer = visitor.post(
        "/setup", headers=headers, setup_token=token, email="x", domain="x", password="short"
    )
    assert answer.status_code == 422
    for name in ("email", "password", "domain"):
        assert f'id="{name}-error"' in answer.text
    assert "short" not in answer.text
    assert token in answer.text
    assert visitor.post("/setup", setup_token=token, **FORM).status_code == 303


def test_tokens_are_guessed_at_a_few_times_only(make_visitor: Any) -> None:
    visitor, token = make_visitor(RYBBIT_LOGIN_ADDRESS_RATE_LIMIT="3/minute")
    answers = [visitor.get("/setup?token=wrong").status_code for _ in range(4)]
    assert answers == [403, 403, 403, 429]
    assert visitor.get(f"/setup?token={token}").status_code == 429


def test_a_form_from_elsewhere_is_refused(make_visitor: Any) -> None:
    visitor, token = make_visitor()
    answer = visitor.client.post("/setup", data={"setup_token": token, **FORM})
    assert answer.status_code == 303
    with visitor.world.app.app_context():
        assert not accounts.has_accounts()


def test_where_there_are_accounts_it_leads_to_the_sign_in(world: World) -> None:
    with world.app.app_context():
        make_account()
        db.session.commit()
    assert Person(world).get("/setup").headers["Location"] == "/login"
