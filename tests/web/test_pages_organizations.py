"""The pages of an organization: who sees them, who may change what, and what is written down."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from rybbit.extensions import db
from rybbit.models import Invitation, Key, Role
from rybbit.security import hash_key
from rybbit.services import invitations, keys, organizations
from rybbit.services.accounts import account_for
from rybbit.services.sign_in import start_session
from tests.factories import make_account, make_member, make_organization
from tests.web.browsing import PARTIAL, Person, text_of
from tests.web.people import everything
from tests.web.world import World

HOSTILE = "<script>alert(1)</script>\"'"
NAMES = ("owner", "admin", "member", "stranger")
ADMINS = ("owner", "admin")

# Of an organization: pages, and forms with fields that would do something.
MEMBER_PAGES = ["", "/leave"]
ADMIN_PAGES = [
    *("/invitations", "/invitations/{invitation}/revoke", "/keys", "/keys/{key}/revoke"),
    *("/audit", "/settings", "/members/{other}/remove"),
]
FORMS: list[tuple[str, dict[str, str]]] = [
    ("/invitations", {"role": "member"}),
    ("/invitations/{invitation}/revoke", {}),
    ("/keys", {"name": "Backup", "access": "all"}),
    ("/keys/{key}/revoke", {}),
    ("/settings", {"name": "Other"}),
    ("/members/{other}/role", {"role": "admin"}),
    ("/members/{other}/remove", {}),
]


@dataclass
class Company:
    """An organization, everybody around it, and things to be changed in it."""

    world: World
    id: str
    people: dict[str, Person] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def path(self, template: str) -> str:
        """The address of one of its pages."""
        return f"/organizations/{self.id}{template.format_map(self.ids)}"

    def role(self, name: str) -> Role | None:
        """What somebody is there now."""
        with self.world.app.app_context():
            account = account_for(self.people[name].email)
            return organizations.role_of(account, self.id)

    def rows(self, model: type[Any]) -> list[Any]:
        """What there is of a kind."""
        with self.world.app.app_context():
            return db.session.query(model).filter_by(organization_id=self.id).all()


@pytest.fixture
def company(world: World) -> Company:
    """An organization whose people are signed in."""
    with world.app.app_context():
        owner = make_account()
        organization = make_organization(owner=owner, name=HOSTILE)
        accounts = {
            "owner": owner,
            "admin": make_member(organization, Role.ADMIN),
            "member": make_member(organization),
            "other": make_member(organization),
            "stranger": make_account(),
        }
        invitation, _ = invitations.create_invitation(organization)
        key, _ = keys.create_organization_key(organization, name=HOSTILE)
        company = Company(world, organization.id)
        company.ids = {name: account.id for name, account in accounts.items()}
        company.ids |= {"invitation": invitation.id, "key": key.id}
        company.people = {name: Person(world, account.email) for name, account in accounts.items()}
        # Without the form, which may be sent from one address only so often.
        for name in NAMES:
            _, token = start_session(accounts[name], address="", user_agent="")
            company.people[name].client.set_cookie("rybbit_session", token)
        db.session.commit()
    for name in NAMES:
        company.people[name].get("/account")
    return company


class TestAccess:
    """Owner, admin, member, stranger, nobody."""

    @pytest.mark.parametrize("page", [*MEMBER_PAGES, *ADMIN_PAGES])
    def test_pages(self, company: Company, page: str) -> None:
        path = company.path(page)
        seen = {name: company.people[name].get(path) for name in NAMES}
        assert {name: answer.status_code for name, answer in seen.items()} == {
            "owner": 200,
            "admin": 200,
            "member": 403 if page in ADMIN_PAGES else 200,
            "stranger": 404,
        }
        assert all("<script>alert" not in answer.text for answer in seen.values())
        assert {answer.headers["Cache-Control"] for answer in seen.values()} == {"no-store"}
        nobody = Person(company.world).get(path)
        assert (nobody.status_code, nobody.headers["Location"]) == (303, f"/login?next={path}")

    @pytest.mark.parametrize(("form", "fields"), FORMS)
    def test_forms_of_those_who_may_not(self, company: Company, form: str, fields: dict[str, str]) -> None:
        path, before = company.path(form), everything(company.world)
        assert company.people["member"].post(path, **fields).status_code == 403
        assert company.people["stranger"].post(path, **fields).status_code == 404
        assert company.people["owner"].post(path, token="", **fields).status_code in (400, 403)
        nobody = Person(company.world)
        nobody.get("/login")
        assert nobody.post(path, **fields).headers["Location"].startswith("/login")
        assert everything(company.world) == before

    @pytest.mark.parametrize("name", ADMINS)
    @pytest.mark.parametrize(("form", "fields"), FORMS)
    def test_forms_of_those_who_may(
        self, company: Company, name: str, form: str, fields: dict[str, str]
    ) -> None:
        path, before = company.path(form), everything(company.world)
        assert company.people[name].post(path, **fields).status_code in (200, 303)
        assert everything(company.world) != before

    def test_other_organizations_things_are_not_there(self, company: Company) -> None:
        with company.world.app.app_context():
            other = make_organization()
            key, _ = keys.create_organization_key(other)
            invitation, _ = invitations.create_invitation(other)
            ids = {"key": key.id, "invitation": invitation.id, "other": make_account().id}
            db.session.commit()
        company.ids |= ids
        for form, fields in FORMS:
            if "{" in form:
                assert company.people["owner"].post(company.path(form), **fields).status_code == 404

    def test_a_member_sees_no_forms(self, company: Company) -> None:
        page = company.people["member"].get(company.path(""))
        for path in ("/role", "/remove", "/invitations", "/keys", "/audit"):
            assert f"{path}" not in page.text.replace("/account/keys", "")
        assert "may look but not change" in text_of(page)


class TestMembers:
    """Roles, and who goes."""

    def test_the_last_owner_stays(self, company: Company) -> None:
        owner = company.people["owner"]
        assert "You are the only owner" in text_of(owner.get(company.path("")))
        for form, fields in (("/leave", {}), ("/members/{owner}/role", {"role": "member"})):
            for headers in ({}, PARTIAL):
                answer = owner.post(company.path(form), headers=headers, **fields)
                assert answer.status_code == 422
                assert "An organization needs an owner" in text_of(answer)
        assert company.role("owner") is Role.OWNER

    def test_leaving(self, company: Company) -> None:
        member = company.people["member"]
        answer = member.post(company.path("/leave"))
        assert answer.headers["Location"] == "/organizations"
        assert company.role("member") is None
        assert member.get(company.path("")).status_code == 404

    def test_admins_make_no_owners_and_touch_none(self, company: Company) -> None:
        admin = company.people["admin"]
        assert 'value="owner"' not in admin.get(company.path("")).text
        for form, fields in (
            ("/members/{admin}/role", {"role": "owner"}),
            ("/members/{owner}/role", {"role": "member"}),
            ("/members/{owner}/remove", {}),
            ("/members/{member}/role", {"role": "emperor"}),
            ("/members/{member}/role", {}),
        ):
            assert admin.post(company.path(form), **fields).status_code == 422
        assert (company.role("owner"), company.role("admin")) == (Role.OWNER, Role.ADMIN)

    def test_a_role_with_htmx(self, company: Company) -> None:
        answer = company.people["owner"].post(
            company.path("/members/{member}/role"), role="owner", headers=PARTIAL
        )
        assert answer.text.startswith('<div class="stack" id="members-part">')
        assert "is owner now" in answer.text
        assert company.role("member") is Role.OWNER

    def test_ones_own_role_loads_the_page_anew(self, company: Company) -> None:
        admin = company.people["admin"]
        answer = admin.post(company.path("/members/{admin}/role"), role="member", headers=PARTIAL)
        assert answer.headers["HX-Redirect"] == company.path("")
        assert admin.get(company.path("/keys")).status_code == 403


class TestInvitations:
    """Shown once, and taken back."""

    def test_a_link_is_shown_once_and_works(self, company: Company) -> None:
        answer = company.people["owner"].post(company.path("/invitations"), role="admin", email="")
        link = answer.text.partition('id="new-invitation" readonly value="')[2].partition('"')[0]
        assert link.startswith("http://localhost/invitation/")
        assert link not in company.people["owner"].get(company.path("/invitations")).text
        path = link.removeprefix("http://localhost")
        assert "You are invited as an admin" in text_of(Person(company.world).get(path))

    def test_admins_invite_no_owner(self, company: Company) -> None:
        before = len(company.rows(Invitation))
        admin = company.people["admin"]
        for fields in ({"role": "owner"}, {"role": "x"}, {"role": "member", "email": "x"}, {}):
            answer = admin.post(company.path("/invitations"), **fields, headers=PARTIAL)
            assert answer.status_code == 422 if fields else answer.status_code == 200
        assert len(company.rows(Invitation)) == before + 1


class TestKeys:
    """Shown once, limited as asked."""

    def test_a_limited_key(self, company: Company) -> None:
        form = {"name": "Reader", "access": "limited", "scopes": ["stats:read"], "ends": "30"}
        answer = company.people["admin"].post(company.path("/keys"), **form)
        token = answer.text.partition('id="new-key" readonly value="')[2].partition('"')[0]
        key = next(each for each in company.rows(Key) if each.name == "Reader")
        assert (key.scopes, key.token_hash, key.account_id) == (["stats:read"], hash_key(token), None)
        assert key.expires_at is not None
        assert token not in company.people["admin"].get(company.path("/keys")).text

    @pytest.mark.parametrize(
        "form", [{"name": ""}, {"name": "x", "access": "limited"}, {"name": "x", "ends": "-1"}]
    )
    def test_unfit_forms_make_none(self, company: Company, form: dict[str, str]) -> None:
        before = len(company.rows(Key))
        fields = {"access": "all", **form}
        assert company.people["owner"].post(company.path("/keys"), **fields).status_code == 422
        assert len(company.rows(Key)) == before


class TestAudit:
    """Sentences, page by page."""

    def test_what_was_changed_from_what_to_what(self, company: Company) -> None:
        owner = company.people["owner"]
        owner.post(company.path("/members/{member}/role"), role="admin")
        owner.post(company.path("/settings"), name="New name")
        owner.post(company.path("/invitations"), role="member", email="eve@example.com")
        said = text_of(owner.get(company.path("/audit")))
        assert f"{owner.email} changed the role of {company.people['member'].email}" in said
        assert "Role: member → became admin" in said
        assert f"Name: {HOSTILE} → became New name" in said
        assert f"{owner.email} invited eve@example.com" in said
        assert f"The operator made the organization {HOSTILE}" in said

    def test_pages(self, company: Company) -> None:
        with company.world.app.app_context():
            organization = organizations.organization_for(company.id)
            for number in range(60):
                organizations.rename_organization(organization, f"Name {number}")
            db.session.commit()
        owner = company.people["owner"]
        first = owner.get(company.path("/audit"))
        assert first.text.count("<tr>") == 51
        older = first.text.partition("/audit?before=")[2].partition('"')[0]
        second = owner.get(company.path(f"/audit?before={older}"))
        assert "became Name 9" in text_of(second)
        assert "became Name 10" not in text_of(second)
        assert "Older" not in text_of(second)
        assert "There is nothing older" in text_of(owner.get(company.path("/audit?before=1")))
        assert owner.get(company.path("/audit?before=x")).status_code == 400


class TestList:
    """What one belongs to."""

    def test_a_single_one_is_led_to(self, company: Company) -> None:
        answer = company.people["member"].get("/organizations")
        assert answer.headers["Location"] == company.path("")

    def test_several_are_listed(self, company: Company) -> None:
        owner = company.people["owner"]
        owner.get("/organizations/new")
        assert owner.post("/organizations/new", name=" ").status_code == 422
        answer = owner.post("/organizations/new", name="Second")
        assert owner.get(answer.headers["Location"]).status_code == 200
        listed = text_of(owner.get("/organizations"))
        assert "Second" in listed
        assert HOSTILE in listed
