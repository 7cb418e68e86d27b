"""A site whose pages are served by the test, on another origin than the server."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, BrowserContext, Error, Page, Route

from tests.browser.server import Server

_SECONDS = 15
_numbers = count(1)
_LINKS = """
<a id="away" href="https://elsewhere.example/there?x=1" target="_blank">Over there</a>
<a id="inside" href="#part">Here</a>
<button id="broken" onclick="fail()">Fail</button>
<script>
function fail() {
  const error = new TypeError("Broken");
  error.stack += "x".repeat(9000);
  throw error;
}
</script>
"""
Row = dict[str, Any]


@dataclass
class Shop:
    """A site, and a browser in which its pages are served by the test."""

    server: Server
    context: BrowserContext
    site_id: str
    origin: str
    errors: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def change(self, **switches: bool) -> None:
        """Change what is tracked."""
        call(self.server, "PUT", f"/api/sites/{self.site_id}/config", switches)

    def open(self, path: str = "/", attributes: str = "", **options: Any) -> Page:
        """Open a page with the tag in it."""
        tag = f'<script src="{self.server.url}/api/script.js" async data-site-id="{self.site_id}"'
        page = self.open_page(path, f"{tag} {attributes}></script>", **options)
        page.wait_for_function("window.rybbit")
        return page

    def open_page(
        self, path: str, tag: str, *, files: Mapping[str, str] | None = None, **options: Any
    ) -> Page:
        """Open a page with any tag in it, and scripts beside it."""
        page_body = f"<title>Shop</title>{tag}<p>Hello</p>{_LINKS}"
        self.context.route(
            f"{self.origin}/**", lambda route: route.fulfill(body=page_body, content_type="text/html")
        )
        for name, script in (files or {}).items():
            self.context.route(f"{self.origin}{name}", _serve(script))
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.origin + path, **options)
        return page

    def forward(self, route: Route) -> None:
        """Take a request of a page to the server, and remember what is sent."""
        if route.request.url == f"{self.server.url}/api/track" and route.request.method == "POST":
            self.sent.append(route.request.post_data or "")
        answer = route.fetch()
        # Who sent it may be gone by now.
        with suppress(Error):
            route.fulfill(response=answer)

    def rows(self, wanted: int, *types: str) -> list[Row]:
        """So many events of these types, oldest first, as soon as they are there; never more."""
        end = time.monotonic() + _SECONDS
        while True:
            answer = call(self.server, "GET", f"/api/sites/{self.site_id}/events?page_size=100")
            rows = [row for row in reversed(answer["data"]) if not types or row["type"] in types]
            if len(rows) >= wanted or time.monotonic() > end:
                assert len(rows) == wanted, rows
                return rows
            # Not `sleep`: pages are served meanwhile.
            self.context.pages[0].wait_for_timeout(50)


@contextmanager
def new_shop(server: Server, browser: Browser) -> Iterator[Shop]:
    """A new site with default settings, which is deleted at the end."""
    [organization] = call(server, "GET", "/api/organizations")
    domain = f"pages{next(_numbers)}.example.com"
    made = call(server, "POST", f"/api/sites/{organization['id']}", {"name": "Shop", "domain": domain})
    # A person's browser: headless ones are bots.
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    context = browser.new_context(user_agent=agent, viewport={"width": 800, "height": 600}, locale="de-DE")
    context.set_default_timeout(_SECONDS * 1000)
    context.route("https://elsewhere.example/**", lambda route: route.fulfill(body="There"))
    shop = Shop(server, context, made["id"], f"http://www.{domain}")
    # Chromium asks a person before a public page may reach this machine; the test takes the requests across.
    context.route(f"{server.url}/**", lambda route: shop.forward(route))
    yield shop
    # A page that closes still sends: what the test forwards at that moment ends with the browser.
    context.unroute_all(behavior="ignoreErrors")
    context.close()
    assert shop.errors == []
    call(server, "DELETE", f"/api/sites/{made['siteId']}")


def _serve(script: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=script, content_type="text/javascript")


def call(server: Server, method: str, path: str, body: object = None) -> Any:
    """Ask the API as the owner."""
    headers = {"Authorization": f"Bearer {server.account_key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{server.url}{path}", data, headers, method=method), timeout=10) as answer:
        return json.load(answer)
