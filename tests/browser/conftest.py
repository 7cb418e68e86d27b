"""A server and a browser for all tests, and for each test a page of its own that is watched."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState

from tests.browser.chromium import Watch, running_browser
from tests.browser.server import Server, running_server
from tests.browser.shop import Shop, new_shop

PageMaker = Callable[..., Page]

# Long enough for a busy machine; nothing waits this long that works.
_TIMEOUT_MS = 15_000


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an owner and a site, shared by all tests: leave the owner's password as it is."""
    with running_server(tmp_path_factory.mktemp("browser") / "instance") as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, shared by all tests."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def shop(server: Server, browser: Browser) -> Iterator[Shop]:
    """A site of the test's own, with default settings."""
    with new_shop(server, browser) as shop:
        yield shop


@pytest.fixture(scope="session")
def owner_state(browser: Browser, server: Server) -> StorageState:
    """The cookies of the owner, signed in once."""
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    sign_in(page, server)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    """What the browser complained of; checked at the end of each test that opens a page."""
    watch = Watch(server.url)
    yield watch
    watch.check()


@pytest.fixture
def new_page(
    browser: Browser, server: Server, watch: Watch, request: pytest.FixtureRequest
) -> Iterator[PageMaker]:
    """Makes pages, each in a browser of its own: `new_page(signed_in=True, dark=True, width=360)`."""
    contexts = []

    def make(
        *,
        signed_in: bool = False,
        javascript: bool = True,
        dark: bool = False,
        width: int = 1280,
        **more: Any,
    ) -> Page:
        context = browser.new_context(
            base_url=server.url,
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 800},
            storage_state=request.getfixturevalue("owner_state") if signed_in else None,
            **more,
        )
        context.set_default_timeout(_TIMEOUT_MS)
        contexts.append(context)
        watch.attach(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: PageMaker) -> Page:
    """A page of somebody who is not signed in."""
    return new_page()


@pytest.fixture
def owner_page(new_page: PageMaker) -> Page:
    """A page of the owner."""
    return new_page(signed_in=True)


def sign_in(page: Page, server: Server, *, email: str = "", password: str = "") -> None:
    """Sign somebody in with the form, by default the owner."""
    page.goto("/login")
    page.get_by_label("Email").fill(email or server.owner)
    page.get_by_label("Password").fill(password or server.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)
