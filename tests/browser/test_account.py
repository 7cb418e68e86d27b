"""Signing in, and what people change about their own account, with scripts and without."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker, sign_in
from tests.browser.pages import make_key
from tests.browser.server import Server

WAYS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])


@pytest.fixture
def guest(new_page: PageMaker, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of somebody with an account of their own, signed in; `javascript` of the test counts."""
    email = f"{re.sub('[^a-z]', '-', request.node.name.lower())}@example.com"
    server.command("user", "create", "--email", email, "--password", server.password)
    page = new_page(javascript=request.node.callspec.params.get("javascript", True))
    page.goto("/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(server.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account")
    yield page
    server.command("user", "delete", email, "--yes")
