"""The tracking script in a page of another origin, and what the server has of it afterwards."""

import json

from tests.browser.shop import Shop

_HIDE = """
Object.defineProperty(document, "visibilityState", {value: "hidden", configurable: true});
document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
"""


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
    # Requests that are under way at once arrive in any order.
    signup, long = sorted(shop.rows(2, "custom_event"), key=lambda row: str(row["event_name"]))
    assert json.loads(signup["properties"]) == {"plan": "pro", "seats": 3, "odd": "ab"}
    assert (signup["event_name"], long["event_name"]) == ("signup", "x" * 256)
    assert len(long["properties"]) > 1000
    assert signup["user_id"] != "zoe"
    assert long["user_id"] == "zoe"
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
