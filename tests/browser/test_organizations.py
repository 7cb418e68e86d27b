"""What owners and admins do with an organization, and what a member who may only look sees of it."""

import json
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import find_violations
from tests.browser.conftest import PageMaker
from tests.browser.server import Server
from tests.browser.stage import sign_in

WAYS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;"

_numbers = count(1)

BossMaker = Callable[..., Page]


@pytest.fixture
def boss_email(server: Server) -> str:
    """Who owns an organization of the test's own."""
    email = f"boss{next(_numbers)}@example.com"
    server.command("user", "create", "--email", email, "--password", server.password)
    return email


@pytest.fixture
def organization(server: Server, boss_email: str) -> Iterator[str]:
    """The path of that organization, to which a member belongs as well."""
    made = server.command("org", "create", "Acme", "--owner", boss_email, "--json")
    organization_id = json.loads(made)["id"]
    server.command("org", "member", "add", server.reader, "--org", organization_id)
    yield f"/organizations/{organization_id}"
    server.command("org", "member", "remove", server.reader, "--org", organization_id)


@pytest.fixture
def new_boss_page(new_page: PageMaker, server: Server, boss_email: str, organization: str) -> BossMaker:
    """Makes pages on which the owner of that organization looks at it."""

    def make(*, javascript: bool = True, width: int = 1280) -> Page:
        page = new_page(javascript=javascript, width=width)
        sign_in(page, server, email=boss_email)
        page.goto(organization)
        return page

    return make


@WAYS
def test_roles(new_boss_page: BossMaker, server: Server, javascript: bool) -> None:
    page = new_boss_page(javascript=javascript, width=360)
    page.evaluate("window.untouched = true")
    role = page.get_by_label(f"Role of {server.reader}", exact=True)
    role.select_option("admin")
    page.get_by_role("button", name=f"Change the role of {server.reader}").click()
    expect(page.get_by_role("status")).to_contain_text(f"{server.reader} is admin now")
    expect(role).to_have_value("admin")
    assert page.evaluate("window.untouched === true") == javascript
    page.get_by_role("link", name="Audit log").click()
    entry = page.get_by_role("row").filter(has_text=f"changed the role of {server.reader}")
    expect(entry).to_contain_text("Role: member → became admin")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@WAYS
def test_removing_somebody(
    new_boss_page: BossMaker, server: Server, organization: str, javascript: bool
) -> None:
    page = new_boss_page(javascript=javascript)
    organization_id = organization.rpartition("/")[2]
    row = page.get_by_role("row").filter(has_text=server.reader)
    row.get_by_text("Remove", exact=True).first.click()
    page.get_by_role("button", name="Remove member").click()
    expect(page.get_by_role("status")).to_contain_text(f"{server.reader} was removed")
    expect(row).to_have_count(0)
    server.command("org", "member", "add", server.reader, "--org", organization_id)


def test_the_only_owner_stays(new_boss_page: BossMaker, boss_email: str) -> None:
    page = new_boss_page()
    expect(page.get_by_text("You are the only owner")).to_be_visible()
    expect(page.get_by_label(f"Role of {boss_email}", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Leave")).to_have_count(0)


@WAYS
def test_inviting(new_boss_page: BossMaker, new_page: PageMaker, javascript: bool) -> None:
    page = new_boss_page(javascript=javascript)
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("Email (optional)").fill("nobody")
    page.get_by_role("button", name="Make link").click()
    expect(page.locator("#email-error")).to_have_text("Must be an email address")
    page.get_by_label("Email (optional)").fill("zoe@example.com")
    page.get_by_role("button", name="Make link").click()
    link = page.get_by_label("Invitation link").input_value()
    guest = new_page()
    guest.goto(link)
    expect(guest.get_by_role("heading", level=1)).to_have_text("Join Acme")
    page.get_by_text("Revoke", exact=True).first.click()
    page.get_by_role("button", name="Revoke invitation").click()
    expect(page.get_by_role("status")).to_contain_text("Invitation revoked")
    expect(page.get_by_role("heading", name="No open invitations")).to_be_visible()
    answer = new_page(javascript=False).request.get(link)
    assert answer.status == 404


@WAYS
def test_keys(new_boss_page: BossMaker, server: Server, javascript: bool) -> None:
    page = new_boss_page(javascript=javascript)
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_role("button", name="Make key").click()
    token = page.get_by_label("New key", exact=True).input_value()
    headers = {"Authorization": f"Bearer {token}"}
    assert page.request.get("/api/organizations", headers=headers).status == 200
    page.reload() if javascript else page.goto(page.url)
    expect(page.get_by_label("New key", exact=True)).to_have_count(0)
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    row.get_by_text("Revoke", exact=True).first.click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("status")).to_contain_text("Key revoked")
    assert page.request.get("/api/organizations", headers=headers).status == 401


@WAYS
def test_the_name_by_keyboard(new_boss_page: BossMaker, javascript: bool) -> None:
    page = new_boss_page(javascript=javascript)
    page.get_by_role("link", name="Name", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    page.get_by_label("Name").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    expect(page.locator("#name-error")).to_have_text("Must have 1 to 255 characters")
    page.get_by_label("Name").focus()
    page.keyboard.type(HOSTILE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Name saved")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    page.get_by_role("link", name="Members").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Members")).to_be_visible()


@WAYS
def test_a_member_may_only_look_and_leave(
    new_page: PageMaker, server: Server, organization: str, javascript: bool
) -> None:
    page = new_page(javascript=javascript)
    sign_in(page, server, email=server.reader)
    page.goto("/organizations")
    expect(page.get_by_role("row")).to_have_count(3)
    if javascript:
        assert find_violations(page) == []
    page.get_by_role("link", name="Acme").click()
    expect(page).to_have_url(f"{server.url}{organization}")
    expect(page.get_by_text("may look but not change")).to_be_visible()
    expect(page.get_by_role("navigation", name="Organization")).to_have_count(0)
    expect(page.get_by_role("combobox")).to_have_count(0)
    if javascript:
        assert find_violations(page) == []
    page.get_by_text("Leave", exact=True).first.click()
    page.get_by_role("button", name="Leave organization").click()
    expect(page.get_by_role("status")).to_contain_text("You left Acme")
    server.command("org", "member", "add", server.reader, "--org", organization.rpartition("/")[2])


@WAYS
def test_a_new_organization(new_boss_page: BossMaker, javascript: bool) -> None:
    page = new_boss_page(javascript=javascript)
    page.get_by_role("link", name="New organization").click()
    page.get_by_role("button", name="Make organization").click()
    expect(page.locator("#name-error")).to_be_visible()
    page.get_by_label("Name").fill("Second")
    page.get_by_role("button", name="Make organization").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second")
    page.get_by_role("link", name="Organizations").click()
    expect(page.get_by_role("row")).to_have_count(3)
