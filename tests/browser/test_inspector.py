"""The inspector in a browser: what comes appears by itself, and nothing that comes is in anybody's way."""

import json
import re
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.chromium import Watch, find_violations
from tests.browser.conftest import PageMaker
from tests.browser.server import Server
from tests.browser.states import send_event

FOREIGN = {"Origin": "https://foreign.example"}
HOSTILE = "</li></details><img src=x onerror=alert(1)>\"'\u202e<script>alert(1)</script>"

_numbers = count(1)


@dataclass(frozen=True)
class Place:
    """A site of the test's own, to which nothing came yet."""

    path: str
    origin: str

    def send(self, page: Page, *, headers: dict[str, str] | None = None, **fields: object) -> int:
        """Send an event as one of its pages does; answers the status."""
        return send_event(page, headers={"Origin": self.origin, **(headers or {})}, **fields)


@pytest.fixture
def place(server: Server) -> Place:
    known = _call(server, f"/api/sites/{server.site_id}")
    domain = f"inspected{next(_numbers)}.example.com"
    made = _call(
        server, f"/api/organizations/{known['organizationId']}/sites", {"domain": domain, "name": domain}
    )
    return Place(f"/sites/{made['siteId']}/inspector", f"https://{domain}")


def _call(server: Server, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {server.account_key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{server.url}{path}", data=data, headers=headers), timeout=20) as answer:
        return dict(json.load(answer))


def rows(page: Page) -> Locator:
    return page.locator("#entries > li")


def test_an_event_appears_by_itself(owner_page: Page, place: Place) -> None:
    owner_page.goto(place.path)
    expect(owner_page.get_by_role("heading", name="Nothing came in the last hour")).to_be_visible()
    assert find_violations(owner_page) == []
    owner_page.evaluate("window.untouched = true")
    assert place.send(owner_page, pathname="/first") == 200
    expect(rows(owner_page)).to_have_count(1)
    expect(rows(owner_page)).to_contain_text("Kept")
    expect(rows(owner_page)).to_contain_text("/first")
    expect(owner_page.get_by_text("Nothing came in the last hour")).to_be_hidden()
    place.send(owner_page, pathname="/second")
    expect(rows(owner_page)).to_have_count(2)
    expect(rows(owner_page).first).to_contain_text("/second")
    expect(rows(owner_page).first.locator("time")).to_have_text(re.compile(r"\d+:\d\d:\d\d"))
    assert owner_page.evaluate("window.untouched")


def test_a_refused_one_says_why(owner_page: Page, place: Place) -> None:
    owner_page.goto(place.path)
    key = "rb_" + "0" * 32
    status = place.send(
        owner_page, headers={"Authorization": f"Bearer {key}"}, pathname="/checkout", api_key=key
    )
    assert status == 403
    row = rows(owner_page)
    expect(row).to_contain_text("Refused")
    expect(row).to_contain_text("Wrong key")
    expect(row.locator("pre")).to_be_hidden()
    row.locator("summary").click()
    expect(row.locator("pre")).to_contain_text('"pathname":"/checkout"')
    expect(row.locator("pre")).not_to_contain_text(key)
    expect(row).to_contain_text("403 Invalid API key")
    expect(row).to_contain_text("The connection came from 127.0.0.1")


def test_a_row_stays_open_and_focused_while_others_come(owner_page: Page, place: Place) -> None:
    owner_page.goto(place.path)
    place.send(owner_page, headers=FOREIGN, pathname="/mine")
    mine = rows(owner_page).filter(has_text="/mine")
    mine.locator("summary").focus()
    owner_page.keyboard.press("Enter")
    expect(mine.locator("pre")).to_be_visible()
    place.send(owner_page, pathname="/other")
    expect(rows(owner_page)).to_have_count(2)
    expect(mine.locator("pre")).to_be_visible()
    expect(mine.locator("summary")).to_be_focused()


def test_it_is_paused_and_resumed_with_the_keyboard(owner_page: Page, place: Place) -> None:
    owner_page.goto(place.path)
    owner_page.locator("#main").focus()
    owner_page.keyboard.press("Tab")
    expect(owner_page.get_by_role("button", name="Pause")).to_be_focused()
    owner_page.keyboard.press("Space")
    resume = owner_page.get_by_role("button", name="Resume")
    expect(resume).to_be_focused()
    asked: list[str] = []
    owner_page.on("request", lambda request: asked.append(request.url))
    place.send(owner_page, pathname="/meanwhile")
    # Longer than it would take to ask.
    owner_page.wait_for_timeout(2_500)
    assert asked == []
    expect(rows(owner_page)).to_have_count(0)
    owner_page.keyboard.press("Enter")
    expect(rows(owner_page)).to_have_count(1)
    expect(owner_page.get_by_role("button", name="Pause")).to_be_focused()


def test_nothing_is_announced_row_by_row(owner_page: Page, place: Place) -> None:
    owner_page.goto(place.path)
    live = "[aria-live], [role=status], [role=alert], [role=log]"
    assert owner_page.locator(f":is({live}) #entries, #entries :is({live})").count() == 0


def test_an_error_stops_it_until_it_is_resumed(owner_page: Page, place: Place, watch: Watch) -> None:
    watch.allow("status of 503")

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body="", headers={"Content-Type": "text/html"})

    owner_page.goto(place.path)
    owner_page.route("**/inspector?since=*", refuse)
    owner_page.get_by_role("button", name="Resume").wait_for()
    owner_page.unroute("**/inspector?since=*")
    owner_page.get_by_role("button", name="Resume").click()
    place.send(owner_page)
    expect(rows(owner_page)).to_have_count(1)


def test_rows_are_bounded_and_come_once(owner_page: Page, place: Place) -> None:
    owner_page.goto(place.path)
    place.send(owner_page, pathname="/opened")
    rows(owner_page).locator("summary").click()
    # As many as an afternoon brings, and one that is there already.
    owner_page.evaluate(
        """() => {
          const list = document.querySelector("#entries");
          for (let number = 0; number < 300; number++) {
            const row = document.createElement("li");
            row.id = `k${number}`;
            list.prepend(row);
          }
          list.prepend(list.lastElementChild.cloneNode(true));
        }"""
    )
    place.send(owner_page, pathname="/newest")
    expect(rows(owner_page)).to_have_count(200)
    expect(rows(owner_page).first).to_contain_text("/newest")
    expect(rows(owner_page).filter(has_text="/opened")).to_have_count(1)
    expect(rows(owner_page).last).to_contain_text("/opened")


def test_filters_have_addresses(owner_page: Page, server: Server, place: Place) -> None:
    owner_page.goto(place.path)
    place.send(owner_page, pathname="/kept")
    place.send(owner_page, headers=FOREIGN, pathname="/lost")
    expect(rows(owner_page)).to_have_count(2)
    owner_page.get_by_role("link", name="Not kept").click()
    expect(owner_page).to_have_url(f"{server.url}{place.path}?show=lost")
    expect(rows(owner_page)).to_have_count(1)
    place.send(owner_page, pathname="/kept-too")
    place.send(owner_page, headers=FOREIGN, pathname="/lost-too")
    expect(rows(owner_page)).to_have_count(2)
    expect(rows(owner_page).filter(has_text="/kept")).to_have_count(0)
    owner_page.go_back()
    expect(rows(owner_page)).to_have_count(4)
    owner_page.go_forward()
    expect(rows(owner_page)).to_have_count(2)


def test_without_scripts(new_page: PageMaker, place: Place) -> None:
    page = new_page(who="owner", javascript=False)
    page.goto(place.path)
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    place.send(page, headers=FOREIGN, pathname="/plain")
    page.get_by_role("link", name="Reload").click()
    expect(rows(page)).to_have_count(1)
    rows(page).locator("summary").click()
    expect(rows(page).locator("pre")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_hostile_texts_break_nothing(new_page: PageMaker, place: Place, width: int) -> None:
    page = new_page(who="owner", width=width)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(place.path)
    place.send(page, pathname=f"/{HOSTILE}", page_title="x" * 400)
    place.send(page, headers=FOREIGN, pathname="/" + "x" * 1500, querystring=HOSTILE)
    place.send(page, type=HOSTILE, headers={"User-Agent": "<script>alert(1)</script>\"'" + "y" * 600})
    expect(rows(page)).to_have_count(3)
    for row in rows(page).all():
        row.locator("summary").click()
    assert page.locator("#entries :is(img, script)").count() == 0
    expect(rows(page).last).to_contain_text("onerror=alert(1)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert find_violations(page) == []
