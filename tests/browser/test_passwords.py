"""Into an account without its password: with a reset link, and with an invitation."""

from itertools import count

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Watch
from tests.browser.conftest import PageMaker
from tests.browser.server import Server
from tests.browser.stage import sign_in

WAYS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
NEW = "another long password"

_numbers = count(1)


def path_of(link: str) -> str:
    """The path of a link that a command printed."""
    return "/" + link.strip().split("/", 3)[3]


@WAYS
def test_a_forgotten_password(new_page: PageMaker, server: Server, javascript: bool) -> None:
    email = f"forgetful{next(_numbers)}@example.com"
    server.command("user", "create", "--email", email, "--password", server.password)
    page = new_page(javascript=javascript)
    page.goto("/login")
    page.get_by_role("link", name="Forgotten your password?").click()
    expect(page.get_by_text("rybbit user reset")).to_be_visible()
    path = path_of(server.command("user", "reset", email, "--show"))
    page.goto(path)
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("#new_password-error")).to_be_visible()
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page).to_have_url(f"{server.url}/login")
    expect(page.get_by_role("status")).to_contain_text("Password changed")
    sign_in(page, server, email=email, password=NEW)


def test_a_used_link(new_page: PageMaker, server: Server, watch: Watch) -> None:
    watch.allow("status of 404")
    page = new_page()
    path = path_of(server.command("user", "reset", server.reader, "--show"))
    page.goto(path)
    # Another one is made meanwhile.
    server.command("user", "reset", server.reader, "--show")
    page.get_by_label("New password").fill(NEW)
    with page.expect_response(lambda answer: answer.status == 404):
        page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("does not work any more")).to_be_visible()
    expect(page.get_by_role("link", name="Ask for another link")).to_be_visible()


@WAYS
def test_joining_with_a_new_account(new_page: PageMaker, server: Server, javascript: bool) -> None:
    path = path_of(server.command("org", "invite", "--org", server.organization_id, "--show"))
    page = new_page(javascript=javascript, width=360)
    email = f"joiner{next(_numbers)}@example.com"
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_have_text("Join Example")
    page.get_by_label("Email").fill(server.owner)
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Make an account and join").click()
    expect(page.locator("#email-error")).to_contain_text("Sign in instead")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Make an account and join").click()
    expect(page).to_have_url(f"{server.url}/organizations/{server.organization_id}")
    expect(page.get_by_role("row").filter(has_text=email)).to_contain_text("You")
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)
    server.command("user", "delete", email, "--yes")


@WAYS
def test_joining_with_the_account_there_is(new_page: PageMaker, server: Server, javascript: bool) -> None:
    email = f"known{next(_numbers)}@example.com"
    server.command("user", "create", "--email", email, "--password", server.password)
    path = path_of(
        server.command(*("org", "invite", "--org", server.organization_id), "--email", email, "--show")
    )
    page = new_page(javascript=javascript)
    page.goto(path)
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(server.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{server.url}{path}")
    page.get_by_role("button", name="Join Example").click()
    expect(page.get_by_role("status")).to_contain_text("You belong to Example now")
    server.command("user", "delete", email, "--yes")
