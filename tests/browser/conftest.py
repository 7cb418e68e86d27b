"""A server and a browser for all tests, and for each test a page of its own that is watched."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Watch, running_browser
from tests.browser.own_site import OwnSite, new_site
from tests.browser.server import Server
from tests.browser.shop import Shop, new_shop
from tests.browser.stage import Stage, Who, staged

PageMaker = Callable[..., Page]

# Long enough for a busy machine; nothing waits this long that works.
_TIMEOUT_MS = 15_000


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The servers of all tests: leave the passwords on them as they are."""
    with staged(tmp_path_factory.mktemp("browser")) as stage:
        yield stage


@pytest.fixture(scope="session")
def server(stage: Stage) -> Server:
    """The usual server, with an owner and a site."""
    return stage.server()


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


@pytest.fixture
def site(server: Server) -> Iterator[OwnSite]:
    """A site of the test's own, of the owner's organization."""
    with new_site(server) as site:
        yield site


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    """What the browser complained of; checked at the end of each test that opens a page."""
    watch = Watch(server.url)
    yield watch
    watch.check()


@pytest.fixture
def new_page(browser: Browser, stage: Stage, server: Server, watch: Watch) -> Iterator[PageMaker]:
    """Makes pages, each in a browser of its own: `new_page(who="owner", width=360)`."""
    contexts = []

    def make(
        *,
        who: Who = "nobody",
        javascript: bool = True,
        width: int = 1280,
        **more: Any,
    ) -> Page:
        context = browser.new_context(
            base_url=server.url,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 800},
            storage_state=stage.state(browser, who),
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
    return new_page(who="owner")
