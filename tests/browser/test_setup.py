"""From an empty server to its first site, with the link that `rybbit serve` prints."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import Watch, find_violations
from tests.browser.server import running_empty_server


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_the_first_run_with_the_keyboard(browser: Browser, tmp_path: Path, javascript: bool) -> None:
    with running_empty_server(tmp_path / "instance") as server:
        url = server.url
        watch = Watch(url)
        context = browser.new_context(
            base_url=url,
            java_script_enabled=javascript,
            viewport={"width": 360, "height": 800},
            # Colours that are still changing are no colours to judge.
            reduced_motion="reduce",
        )
        watch.attach(context)
        page = context.new_page()
        page.goto("/")
        expect(page).to_have_url(f"{url}/setup")
        expect(page.get_by_text("rybbit serve")).to_be_visible()
        page.goto(server.setup_path)
        # The first field has the focus.
        page.keyboard.type("ann@example.com")
        for text in ("Ann", "short", "blog.example"):
            page.keyboard.press("Tab")
            page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(page.locator("#password-error")).to_be_visible()
        if javascript:
            for colours in ("light", "dark"):
                page.emulate_media(color_scheme=colours)
                assert find_violations(page) == []
            expect(page.get_by_label("Password")).to_be_focused()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_label("Password").fill("correct horse battery")
        page.keyboard.press("Enter")
        expect(page.locator("#toasts")).to_contain_text("blog.example is ready")
        page.goto("/setup")
        expect(page).not_to_have_url(f"{url}/setup")
        page.goto("/account")
        expect(page.get_by_label("Name", exact=True)).to_have_value("Ann")
        context.close()
        watch.check()
