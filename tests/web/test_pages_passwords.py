"""Forgotten passwords, sign-up and invitations: who gets an account, and who gets back into one."""

import re
from typing import Any

import pytest

from rybbit.extensions import db
from rybbit.models import Role
from rybbit.services import accounts, invitations, organizations, password_resets
from tests.conftest import AppMaker
from tests.factories import PASSWORD, make_account, make_organization
from tests.faults.server import wait_until
from tests.smtp import Mailbox, serving
from tests.web.browsing import PARTIAL, Person, make_person, text_of
from tests.web.world import World

NEW = "another long password"
HOSTILE = "<script>alert(1)</script>"


def reset_token(person: Person) -> str:
    """The token of a link for somebody who forgot the password."""
    with person.world.app.app_context():
        token = password_resets.make_reset(accounts.account_for(person.email))
        db.session.commit()
    return token


def invite(world: World, **more: Any) -> tuple[str, str]:
    """The id of an organization, and the token of an invitation to it."""
    with world.app.app_context():
        organization = make_organization(name=HOSTILE)
        _, token = invitations.create_invitation(organization, **more)
        organization_id = organization.id
        db.session.commit()
    return organization_id, token


def role_in(world: World, email: str, organization_id: str) -> Role | None:
    """The role of an account."""
    with world.app.app_context():
        return organizations.role_of(accounts.account_for(email), organization_id)


class TestReset:
    """With the link that was mailed, or that the operator made."""

    def test_a_new_password_ends_sessions_and_signs_nobody_in(self, world: World) -> None:
        person = make_person(world).sign_in()
        stranger, token = Person(world, person.email), reset_token(person)
        assert "New password" in text_of(stranger.get(f"/reset-password/{token}"))
        answer = stranger.post(f"/reset-password/{token}", new_password=NEW)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        assert person.stored_sessions() == []
        stranger.sign_in(NEW)

    @pytest.mark.parametrize("path", ["/reset-password/{}", "/invitation/{}"])
    def test_a_lost_cookie_does_not_lose_the_link(self, world: World, path: str) -> None:
        person = make_person(world)
        link = path.format(reset_token(person) if "reset" in path else invite(world)[1])
        stranger = Person(world, person.email)
        answer = stranger.post(link, new_password=NEW)
        assert (answer.status_code, answer.headers["Location"]) == (303, link)
        assert "open for too long" in text_of(stranger.get(link))

    def test_a_link_works_once(self, world: World) -> None:
        person = make_person(world)
        token = reset_token(person)
        person.get(f"/reset-password/{token}")
        person.post(f"/reset-password/{token}", new_password=NEW)
        assert person.get(f"/reset-password/{token}").status_code == 404
        assert person.post(f"/reset-password/{token}", new_password="yet another one").status_code == 404
        person.sign_in(NEW)

    @pytest.mark.parametrize("headers", [PARTIAL, {}], ids=["part", "page"])
    def test_an_unfit_password_leaves_the_link_as_it_is(self, world: World, headers: dict[str, str]) -> None:
        person = make_person(world)
        token = reset_token(person)
        person.get(f"/reset-password/{token}")
        answer = person.post(f"/reset-password/{token}", new_password="short", headers=headers)
        assert answer.status_code == 422
        assert 'id="new_password-error"' in answer.text
        assert person.post(f"/reset-password/{token}", new_password=NEW).status_code == 303

    def test_wrong_links(self, world: World) -> None:
        person = make_person(world)
        for token in ("wrong", HOSTILE, "%00", "x" * 500):
            answer = person.get(f"/reset-password/{token}")
            assert answer.status_code == 404
            assert HOSTILE not in answer.text

    def test_a_form_without_its_token_is_refused(self, world: World) -> None:
        person = make_person(world)
        token = reset_token(person)
        assert person.post(f"/reset-password/{token}", token="", new_password=NEW).status_code == 303
        person.sign_in(PASSWORD)


class TestForgotten:
    """The answer is the same whoever asks."""

    def test_without_mail_it_says_whom_to_ask(self, world: World) -> None:
        assert "rybbit user reset" in text_of(make_person(world).get("/forgot-password"))

    def test_the_link_is_mailed(self, make_app: AppMaker) -> None:
        with serving(Mailbox()) as mailbox:
            app = make_app(
                RYBBIT_SMTP_HOST="127.0.0.1",
                RYBBIT_SMTP_PORT=mailbox.port,
                RYBBIT_SMTP_FROM="rybbit@example.com",
                RYBBIT_SMTP_TLS="none",
                RYBBIT_BASE_URL="https://stats.example.com",
            )
            person = make_person(World(app))
            person.get("/forgot-password")
            told = [
                text_of(person.post("/forgot-password", email=email)) for email in (person.email, "x@x.x")
            ]
            assert told[0].replace(person.email, "x@x.x") == told[1]
            wait_until(lambda: len(mailbox.messages) == 1, "the mail comes")
        link = re.search(
            r"https://stats\.example\.com(/reset-password/\S+)", mailbox.messages[0].get_content()
        )
        assert link is not None
        assert person.get(link[1]).status_code == 200

    def test_what_is_no_address_comes_back(self, world: World) -> None:
        person = make_person(world)
        person.get("/forgot-password")
        assert person.post("/forgot-password", email="x").status_code == 422


class TestSignUp:
    """Open only where the operator says so."""

    def test_it_is_closed_by_default(self, world: World) -> None:
        person = make_person(world)
        assert "by invitation only" in text_of(person.get("/signup"))
        person.get("/login")
        form = {"email": "eve@example.com", "password": NEW}
        assert person.post("/signup", **form).status_code == 403
        with world.app.app_context():
            assert accounts.account_by_email("eve@example.com") is None

    def test_where_it_is_open(self, make_app: AppMaker) -> None:
        world = World(make_app(RYBBIT_DISABLE_SIGNUP="false"))
        taken = make_person(world).email
        person = Person(world)
        assert "/signup" in person.get("/login").text
        person.get("/signup")
        refused = person.post("/signup", email=taken, password=NEW)
        assert refused.status_code == 422
        assert "Sign in instead" in text_of(refused)
        assert person.post("/signup", email="x", password="short").status_code == 422
        assert person.post("/signup", email="eve@example.com", password=NEW, name="Eve").status_code == 303
        assert person.get("/account").status_code == 200
        assert person.get("/organizations").status_code == 200
        assert person.get("/signup").status_code == 303

    def test_on_an_empty_server_the_first_account_needs_the_link(self, make_app: AppMaker) -> None:
        person = Person(World(make_app(RYBBIT_DISABLE_SIGNUP="false")))
        assert person.get("/signup").headers["Location"] == "/setup"
        person.get("/setup")
        person.get("/forgot-password")
        answer = person.post("/signup", email="eve@example.com", password=NEW)
        assert answer.headers["Location"] == "/setup"
        with person.world.app.app_context():
            assert not accounts.has_accounts()


class TestInvitation:
    """To join with an account that is there, or with a new one."""

    def test_a_new_account(self, world: World) -> None:
        organization_id, token = invite(world, role=Role.ADMIN)
        person = Person(world)
        page = person.get(f"/invitation/{token}")
        assert f"Join {HOSTILE}" in text_of(page)
        assert HOSTILE not in page.text
        assert person.post(f"/invitation/{token}", email="x", password="short").status_code == 422
        answer = person.post(f"/invitation/{token}", email="eve@example.com", password=NEW)
        assert answer.headers["Location"] == f"/organizations/{organization_id}"
        assert person.get(f"/organizations/{organization_id}/keys").status_code == 200
        assert Person(world).get(f"/invitation/{token}").status_code == 404

    def test_one_that_names_an_address_is_for_that_address(self, world: World) -> None:
        organization_id, token = invite(world, email="zoe@example.com")
        person = Person(world)
        person.get(f"/invitation/{token}")
        person.post(f"/invitation/{token}", email="mallory@example.com", password=NEW)
        assert role_in(world, "zoe@example.com", organization_id) is Role.MEMBER
        with world.app.app_context():
            assert accounts.account_by_email("mallory@example.com") is None

    def test_with_the_account_that_is_signed_in(self, world: World) -> None:
        organization_id, token = invite(world)
        person = make_person(world).sign_in()
        assert person.email in text_of(person.get(f"/invitation/{token}"))
        answer = person.post(f"/invitation/{token}/accept")
        assert answer.headers["Location"] == f"/organizations/{organization_id}"
        assert role_in(world, person.email, organization_id) is Role.MEMBER
        assert person.post(f"/invitation/{token}/accept").status_code == 404

    def test_whoever_has_an_account_signs_in_first(self, world: World) -> None:
        person = make_person(world)
        organization_id, token = invite(world, email=person.email)
        page = person.get(f"/invitation/{token}")
        assert f"/login?next=/invitation/{token}" in page.text
        person.get("/login")
        person.post("/login", email=person.email, password=PASSWORD, next=f"/invitation/{token}")
        person.get(f"/invitation/{token}")
        person.post(f"/invitation/{token}/accept")
        assert role_in(world, person.email, organization_id) is Role.MEMBER

    def test_of_somebody_else(self, world: World) -> None:
        organization_id, token = invite(world, email="eve@example.com")
        person = make_person(world).sign_in()
        assert "Sign out, then open the link again" in text_of(person.get(f"/invitation/{token}"))
        assert person.post(f"/invitation/{token}/accept").headers["Location"] == f"/invitation/{token}"
        assert role_in(world, person.email, organization_id) is None

    def test_an_email_that_is_taken(self, world: World) -> None:
        organization_id, token = invite(world)
        with world.app.app_context():
            taken = make_account().email
            db.session.commit()
        person = Person(world)
        person.get(f"/invitation/{token}")
        assert person.post(f"/invitation/{token}", email=taken, password=NEW).status_code == 422
        assert role_in(world, taken, organization_id) is None

    def test_without_the_forms_token_nothing_happens(self, world: World) -> None:
        organization_id, token = invite(world)
        person = make_person(world).sign_in()
        assert person.post(f"/invitation/{token}/accept", token="").status_code in (400, 403)
        assert role_in(world, person.email, organization_id) is None

    @pytest.mark.parametrize("token", ["wrong", "%00", "x" * 500])
    def test_wrong_links(self, world: World, token: str) -> None:
        person = make_person(world)
        assert person.get(f"/invitation/{token}").status_code == 404
        person.get("/login")
        answer = person.post(f"/invitation/{token}", email="eve@example.com", password=NEW)
        assert answer.status_code == 404
