"""The published web SDK, `@rybbit/js`, unchanged in a real browser against a real server."""

import json

from playwright.sync_api import Page

from tests.browser.shop import Shop
from tests.packages import find_package

_TAG = """
<script type="module">
import rybbit from "/rybbit.mjs";
await rybbit.init(%s);
window.rybbit = rybbit;
</script>
"""


def open_page(shop: Shop, path: str = "/", **options: object) -> Page:
    """Open a page that begins the SDK with these options."""
    script = (find_package("@rybbit/js") / "dist" / "index.mjs").read_text()
    config = {"analyticsHost": f"{shop.server.url}/api", "siteId": shop.site_id, "debounceDuration": 0}
    page = shop.open_page(
        path,
        _TAG % json.dumps(config | options),
        files={"/rybbit.mjs": script},
        referer="https://search.example/",
    )
    page.wait_for_function("window.rybbit")
    return page


def test_pageviews(shop: Shop) -> None:
    page = open_page(shop, "/offers?utm_source=letter")
    [row] = shop.rows(1)
    assert (row["type"], row["hostname"]) == ("pageview", shop.origin.removeprefix("http://"))
    assert (row["pathname"], row["querystring"]) == ("/offers", "?utm_source=letter")
    assert (row["page_title"], row["referrer"]) == ("Shop", "https://search.example/")
    assert [row["screen_width"], row["screen_height"]] == page.evaluate("[screen.width, screen.height]")
    assert (row["language"], row["browser"]) == ("de-DE", "Firefox")
    page.evaluate("history.pushState({}, '', '/next')")
    shop.rows(2)
    page.evaluate("rybbit.pageview('/by-hand?a=1')")
    rows = [(row["pathname"], row["querystring"]) for row in shop.rows(3)[1:]]
    assert rows == [("/next", ""), ("/by-hand", "?a=1")]


def test_events_people_and_links(shop: Shop) -> None:
    page = open_page(shop)
    shop.rows(1)
    page.evaluate("rybbit.event('signup', {plan: 'pro', tags: ['a', 1, true]})")
    page.evaluate("rybbit.identify('zoe', {name: 'Zoe'})")
    assert page.evaluate("rybbit.getUserId()") == "zoe"
    shop.rows(1, "custom_event")
    page.evaluate("rybbit.event('again')")
    unknown, known = shop.rows(2, "custom_event")
    assert (unknown["event_name"], known["event_name"]) == ("signup", "again")
    assert json.loads(unknown["properties"]) == {"plan": "pro", "tags": ["a", 1, True]}
    assert unknown["user_id"] != known["user_id"] == "zoe"
    page.evaluate("rybbit.trackOutbound('https://elsewhere.example/x', 'There', '_blank')")
    page.locator("#away").click()
    rows = [json.loads(row["properties"]) for row in shop.rows(2, "outbound")]
    assert rows == [
        {"url": "https://elsewhere.example/x", "text": "There", "target": "_blank"},
        {"url": "https://elsewhere.example/there?x=1", "text": "Over there", "target": "_blank"},
    ]


def test_what_is_switched_on_and_off(shop: Shop) -> None:
    shop.change(trackErrors=True, trackInitialPageView=False, trackOutbound=False)
    page = open_page(shop)
    page.locator("#broken").click()
    [row] = shop.rows(1, "error")
    assert row["event_name"] == "TypeError"
    assert json.loads(row["properties"])["message"].endswith("Broken")
    shop.errors.clear()
    page.locator("#away").click()
    page.evaluate("rybbit.event('last')")
    shop.rows(1, "custom_event")
    shop.rows(2)  # neither a pageview nor the link
