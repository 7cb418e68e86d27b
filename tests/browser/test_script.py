"""The tracking script in a page of another origin, and what the server has of it afterwards."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

import pytest
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
_HIDE = """
Object.defineProperty(document, "visibilityState", {value: "hidden", configurable: true});
document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
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
        _call(self.server, "PUT", f"/api/sites/{self.site_id}/config", switches)

    def open(self, path: str = "/", attributes: str = "", **options: Any) -> Page:
        """Open a page with the tag in it."""
        tag = f'<script src="{self.server.url}/api/script.js" async data-site-id="{self.site_id}"'
        page_body = f"<title>Shop</title>{tag} {attributes}></script><p>Hello</p>{_LINKS}"
        self.context.route(
            f"{self.origin}/**", lambda route: route.fulfill(body=page_body, content_type="text/html")
        )
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.origin + path, **options)
        page.wait_for_function("window.rybbit")
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
            answer = _call(self.server, "GET", f"/api/sites/{self.site_id}/events?page_size=100")
            rows = [row for row in reversed(answer["data"]) if not types or row["type"] in types]
            if len(rows) >= wanted or time.monotonic() > end:
                assert len(rows) == wanted, rows
                return rows
            # Not `sleep`: pages are served meanwhile.
            self.context.pages[0].wait_for_timeout(50)


@pytest.fixture
def shop(server: Server, browser: Browser) -> Iterator[Shop]:
    """A site of the test's own, with default settings."""
    [organization] = _call(server, "GET", "/api/organizations")
    domain = f"pages{next(_numbers)}.example.com"
    made = _call(server, "POST", f"/api/sites/{organization['id']}", {"name": "Shop", "domain": domain})
    # A person's browser: headless ones are bots.
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    context = browser.new_context(user_agent=agent, viewport={"width": 800, "height": 600}, locale="de-DE")
    context.set_default_timeout(_SECONDS * 1000)
    context.route("https://elsewhere.example/**", lambda route: route.fulfill(body="There"))
    shop = Shop(server, context, made["id"], f"http://www.{domain}")
    # Chromium asks a person before a public page may reach this machine; the test takes the requests across.
    context.route(f"{server.url}/**", lambda route: shop.forward(route))
    yield shop
    context.close()
    assert shop.errors == []
    _call(server, "DELETE", f"/api/sites/{made['siteId']}")


def _call(server: Server, method: str, path: str, body: object = None) -> Any:
    """Ask the API as the owner."""
    headers = {"Authorization": f"Bearer {server.account_key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{server.url}{path}", data, headers, method=method), timeout=10) as answer:
        return json.load(answer)


def test_the_first_pageview(shop: Shop) -> None:
    page = shop.open("/offers?utm_source=letter", referer="https://search.example/")
    [row] = shop.rows(1)
    assert row["type"] == "pageview"
    assert row["hostname"] == shop.origin.removeprefix("http://")
    assert (row["pathname"], row["querystring"]) == ("/offers", "?utm_source=letter")
    assert (row["page_title"], row["referrer"]) == ("Shop", "https://search.example/")
    size = page.evaluate("[screen.width, screen.height]")
    assert [row["screen_width"], row["screen_height"]] == size
    assert row["language"] == "de-DE"
    assert shop.context.cookies() == []


def test_moving_without_loading(shop: Shop) -> None:
    page = shop.open("/a", 'data-debounce="50"')
    shop.rows(1)
    # The same address again, an anchor, and an address that is left at once are no pageviews.
    page.evaluate("history.replaceState({}, '', '/a'); location.hash = 'part'")
    page.evaluate(
        "history.pushState({}, '', '/passing'); history.pushState({}, '', '/b'); document.title = 'B'"
    )
    assert [(row["pathname"], row["page_title"]) for row in shop.rows(2)] == [("/a", "Shop"), ("/b", "B")]
    page.evaluate("location.hash = '#/orders'")
    shop.rows(3)
    page.go_back()
    assert [row["pathname"] for row in shop.rows(4)] == ["/a", "/b", "/b#/orders", "/b"]


def test_events_and_people(shop: Shop) -> None:
    page = shop.open()
    page.evaluate("rybbit.event('signup', {plan: 'pro', seats: 3, odd: 'a\\0b\\ud800'})")
    assert page.evaluate("rybbit.identify('  zoe '); rybbit.getUserId()") == "zoe"
    page.evaluate("rybbit.event('x'.repeat(300), {long: 'y'.repeat(5000)})")
    shop.rows(3)
    page.reload()
    page.wait_for_function("window.rybbit && rybbit.getUserId() === 'zoe'")
    rows = shop.rows(2, "custom_event")
    assert json.loads(rows[0]["properties"]) == {"plan": "pro", "seats": 3, "odd": "ab"}
    assert (rows[0]["event_name"], rows[1]["event_name"]) == ("signup", "x" * 256)
    assert len(rows[1]["properties"]) > 1000
    assert rows[0]["user_id"] != "zoe"
    assert rows[1]["user_id"] == "zoe"
    assert [row["user_id"] == "zoe" for row in shop.rows(2, "pageview")] == [False, True]
    assert page.evaluate("rybbit.clearUserId(); rybbit.getUserId()") is None


def test_links_to_elsewhere(shop: Shop) -> None:
    page = shop.open()
    shop.rows(1)
    page.locator("#inside").click()
    page.locator("#away").click()
    [row] = shop.rows(1, "outbound")
    link = {"url": "https://elsewhere.example/there?x=1", "text": "Over there", "target": "_blank"}
    assert json.loads(row["properties"]) == link
    page.evaluate("rybbit.trackOutbound('http://'); rybbit.trackOutbound('https://a.example', 'A', '_self')")
    assert json.loads(shop.rows(2, "outbound")[1]["properties"])["url"] == "https://a.example/"


def test_errors(shop: Shop) -> None:
    shop.change(trackErrors=True)
    page = shop.open()
    shop.rows(1)
    page.locator("#broken").click()
    shop.rows(1, "error")
    page.evaluate("void Promise.reject(new RangeError('Refused'))")
    thrown, rejected = shop.rows(2, "error")
    assert (thrown["event_name"], rejected["event_name"]) == ("TypeError", "RangeError")
    details = json.loads(thrown["properties"])
    assert (details["message"], details["fileName"]) == ("Broken", f"{shop.origin}/")
    assert len(thrown["properties"]) <= 4096
    assert details["lineNumber"] > 0
    assert "x" * 1000 in details["stack"]
    assert json.loads(rejected["properties"])["message"] == "Refused"
    shop.errors.clear()


def test_patterns_of_paths(shop: Shop) -> None:
    patterns = "data-debounce=0 data-skip-patterns='[\"/admin/**\"]'"
    patterns += " data-mask-patterns='[\"/users/*/orders\"]'"
    page = shop.open("/admin/a/b", patterns)

    def go(path: str) -> None:
        page.evaluate("path => history.pushState({}, '', path)", path)

    page.wait_for_load_state("networkidle")
    go("/users/7/orders")
    shop.rows(1)
    go("/users/7/8/orders")
    assert [row["pathname"] for row in shop.rows(2)] == ["/users/*/orders", "/users/7/8/orders"]


def test_what_is_switched_off_is_not_sent(shop: Shop) -> None:
    shop.change(
        trackUrlParams=False, trackInitialPageView=False, trackSpaNavigation=False, trackOutbound=False
    )
    page = shop.open("/?secret=1", 'data-debounce="0"')
    page.wait_for_load_state("networkidle")
    page.evaluate("history.pushState({}, '', '/next?secret=2')")
    page.locator("#away").click()
    page.evaluate("rybbit.pageview()")
    [row] = shop.rows(1)
    assert (row["type"], row["pathname"], row["querystring"]) == ("pageview", "/next", "")
    assert len(shop.sent) == 1
    assert "secret" not in shop.sent[0]


def test_how_fast_the_page_was(shop: Shop) -> None:
    shop.change(webVitals=True)
    page = shop.open("/slow")
    shop.rows(1)
    page.wait_for_function(
        "performance.getEntriesByName(document.querySelector('[src$=\"vitals.js\"]').src).length"
    )
    page.wait_for_function("performance.getEntriesByType('paint').length > 0")
    # Not by leaving: what takes the requests across does not see those of a page that is gone.
    for _ in range(2):
        page.evaluate(_HIDE)
    [row] = shop.rows(1, "performance")
    assert row["pathname"] == "/slow"
    [sent] = [body for body in map(json.loads, shop.sent) if body["type"] == "performance"]
    assert sent["ttfb"] >= 0
    assert sent["fcp"] > 0
