"""A newcomer's first minutes in one go: from the link that `rybbit serve` prints to the first event seen."""

import json
import subprocess
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Watch
from tests.browser.server import PASSWORD, Server, running_empty_server

_SECONDS = 30


def test_from_an_empty_instance_to_the_first_event(browser: Browser, tmp_path: Path) -> None:
    with running_empty_server(tmp_path / "instance") as server:
        watch = Watch(server.url)
        context = browser.new_context(base_url=server.url)
        watch.attach(context)
        page = context.new_page()
        _set_up(page, server)
        _make_a_site(page)
        site = page.url.split("/sites/")[1].split("/")[0]
        _send_what_the_page_shows(page)
        # The page was not touched meanwhile.
        expect(page.get_by_text("Events are arriving.")).to_be_visible()
        page.get_by_role("link", name="See it in the event inspector").click()
        page.wait_for_url(f"**/sites/{site}/inspector")
        row = page.locator("#entries > li")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("Kept")
        expect(row).to_contain_text("pageview /")
        page.get_by_role("link", name="Sites").click()
        row = page.get_by_role("row").filter(has_text="shop.example.com")
        expect(row.get_by_role("cell").last).to_have_text("1")
        context.close()
        watch.check()


def _set_up(page: Page, server: Server) -> None:
    page.goto("/")
    expect(page.get_by_text("rybbit serve")).to_be_visible()
    page.goto(server.setup_path)
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Domain of your first site").fill("blog.example.com")
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url("**/install")
    expect(page.get_by_role("status").filter(has_text="blog.example.com is ready")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ann")


def _make_a_site(page: Page) -> None:
    page.get_by_role("link", name="Sites").click()
    page.get_by_role("link", name="New site").click()
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Domain").fill("shop.example.com")
    page.get_by_role("button", name="Make site").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Send events of Shop")
    expect(page.locator("#tag")).to_contain_text("/api/script.js")
    expect(page.get_by_text("Waiting for the first event.")).to_be_visible()


def _send_what_the_page_shows(page: Page) -> None:
    """Make a key, copy the command and run it in a shell, as it stands there."""
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("is shown this once")).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("region", name="Or send one event now").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator("#command").text_content()
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=_SECONDS, check=True
    )
    assert json.loads(done.stdout) == {"success": True}
