"""The inspector's page below the browser: who may see it, what it says, and what cannot break out."""

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from rybbit.web.pages.filters import make_visible
from tests.web.browsing import PARTIAL, text_of
from tests.web.people import Cast
from tests.web.visitors import Looker, cursor_of, rows_of
from tests.web.world import BRITISH, CRAWLER, GERMAN, Sender, Tenant, World

_FOREIGN = {"Origin": "https://foreign.example"}
_HOSTILE = [
    "<script>alert(1)</script>",
    "</details></li></ol></pre><script>alert(1)</script>",
    "\"' onmouseover=alert(1) x='",
    "<hx-partial hx-target='body'>{{ 7 * 7 }}</hx-partial>",
    "<!--",
    "/&lt;script&gt;",
    "/x" * 1000,
]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": "20 per second", "RYBBIT_BROWSER_RATE_LIMIT": ""}


@pytest.fixture
def sender(world: World, tenant: Tenant) -> Sender:
    return Sender(world.client(), tenant)


@pytest.fixture
def looker(world: World, tenant: Tenant) -> Looker:
    return Looker(world, tenant)


class TestAccess:
    """Who sees the stream."""

    @pytest.mark.parametrize(
        ("caller", "status"),
        [
            *(("owner in a browser", 200), ("admin in a browser", 200), ("member in a browser", 200)),
            *(("other member in a browser", 404), ("stranger in a browser", 404)),
            # "owner" has a key, and keys are for programs.
            *(("nobody", 303), ("ended session", 303), ("owner", 303)),
        ],
    )
    @pytest.mark.parametrize("headers", [{}, PARTIAL], ids=["page", "part"])
    def test_who(self, cast: Cast, caller: str, status: int, headers: dict[str, str]) -> None:
        cast.client("nobody").post(
            "/api/track", json={"site_id": cast.id, "pathname": "/secret-path"}, headers=_FOREIGN
        )
        answer = cast.call(caller, "GET", "/sites/{site}/inspector", headers=headers)
        if status == 303 and headers:
            assert answer.status_code == 204
            assert answer.headers["HX-Redirect"].startswith("/login")
        else:
            assert answer.status_code == status
        assert ("/secret-path" in answer.text) == (status == 200)
        assert "no-store" in answer.headers["Cache-Control"]

    def test_one_event(self, cast: Cast) -> None:
        cast.client("nobody").post(
            "/api/track", json={"site_id": cast.id, "pathname": "/secret-path"}, headers=_FOREIGN
        )
        page = cast.call("owner in a browser", "GET", "/sites/{site}/inspector")
        (row,) = rows_of(page)
        for caller, status in (("member", 200), ("other member", 404), ("stranger", 404)):
            answer = cast.call(f"{caller} in a browser", "GET", f"/sites/{{site}}/inspector/{row}")
            assert (answer.status_code, "/secret-path" in answer.text) == (status, status == 200)
            assert answer.headers["Cache-Control"] == "no-store"

    def test_an_event_of_another_site(self, world: World, looker: Looker, sender: Sender) -> None:
        sender.browse(headers=_FOREIGN)
        (row,) = rows_of(looker.look())
        assert looker.see(row).status_code == 200
        for other, name in ((Looker(world, world.add_tenant()), row), (looker, "u1"), (looker, "x")):
            assert other.see(name).status_code == 404

    def test_sites_see_their_own(self, world: World, sender: Sender) -> None:
        sender.send(pathname="/mine")
        assert rows_of(Looker(world, world.add_tenant()).look()) == []


class TestPolling:
    """Only what is new, and nothing twice."""

    def test_new_rows_alone(self, looker: Looker, sender: Sender) -> None:
        sender.send(pathname="/first")
        page = looker.look()
        assert len(rows_of(page)) == 1
        sender.browse(headers=_FOREIGN, pathname="/second")
        news = looker.poll(cursor_of(page))
        assert "<html" not in news.text
        assert '<hx-partial hx-target="#entries" hx-swap="afterbegin">' in news.text
        assert "/second" in news.text
        assert "/first" not in news.text
        assert "HX-Request-Type" in news.headers["Vary"]
        assert set(rows_of(looker.look())) == {*rows_of(page), *rows_of(news)}

    def test_nothing_new(self, looker: Looker, sender: Sender) -> None:
        sender.send()
        page = looker.look()
        answer = looker.poll(cursor_of(page))
        assert (answer.status_code, answer.text) == (204, "")

    def test_what_is_not_asked_for_moves_the_cursor_on(self, looker: Looker, sender: Sender) -> None:
        page = looker.look("show=kept")
        sender.browse(headers=_FOREIGN)
        news = looker.poll(cursor_of(page), "show=kept")
        assert rows_of(news) == []
        assert cursor_of(news) != cursor_of(page)

    def test_a_whole_page_shows_all_there_is(self, looker: Looker, sender: Sender) -> None:
        sender.send()
        cursor = cursor_of(looker.look())
        assert len(rows_of(looker.look(f"since={cursor}"))) == 1

    def test_a_cursor_that_is_none(self, looker: Looker) -> None:
        answer = looker.poll("x")
        assert answer.status_code == 400
        # A toast, and nothing that would take the place of the poller.
        assert answer.text.strip().startswith('<hx-partial hx-target="#toasts"')

    def test_no_more_than_is_light(self, looker: Looker, sender: Sender) -> None:
        cursor = cursor_of(looker.look())
        for number in range(3):
            events = [{"pathname": f"/{number}-{each}"} for each in range(50)]
            body = {"site_id": sender.tenant.id, "api_key": sender.tenant.api_key, "events": events}
            assert sender.post(body, path="/api/track/batch").status_code == 200
        sender.browse(headers=_FOREIGN)
        sender.send()
        assert len(rows_of(looker.look())) == 30
        assert len(rows_of(looker.poll(cursor))) == 152
        assert len(rows_of(looker.look("show=lost"))) == 1

    def test_the_whole_hour_can_be_seen(self, looker: Looker, sender: Sender) -> None:
        events = [{"pathname": f"/{number}"} for number in range(60)]
        body = {"site_id": sender.tenant.id, "api_key": sender.tenant.api_key, "events": events}
        assert sender.post(body, path="/api/track/batch").status_code == 200
        newest = looker.look()
        assert (len(rows_of(newest)), f'href="{looker.path}?all=1"' in newest.text) == (30, True)
        whole = looker.look("all=1")
        assert (len(rows_of(whole)), "Show the whole hour" in whole.text) == (60, False)


class TestFilters:
    """Each has an address of its own."""

    def test_by_outcome(self, looker: Looker, sender: Sender) -> None:
        sender.send(pathname="/kept")
        sender.browse(headers=_FOREIGN, pathname="/refused")
        sender.browse(headers={"User-Agent": CRAWLER}, pathname="/filtered")
        for query, shown in {"": "krf", "show=kept": "k", "show=lost": "rf", "show=x": "krf"}.items():
            page = looker.look(query)
            names = {"k": "<bdi>/kept<", "r": "<bdi>/refused<", "f": "<bdi>/filtered<"}
            assert "".join(each for each in names if names[each] in page.text) == shown

    def test_each_says_where_it_is(self, looker: Looker) -> None:
        for query in ("", "?show=kept", "?show=lost"):
            page = looker.look(query.removeprefix("?"))
            assert f'<a href="{looker.path}{query}" aria-current="page">' in page.text
            # The menu says that this is a page of a site, too.
            assert page.text.count('aria-current="page"') == 2
            assert f'hx-get="{looker.path}{query}"' in page.text


class TestWords:
    """What it says of each way an event can end."""

    def test_reasons(self, world: World, looker: Looker, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=["203.0.113.0/24"], excludedCountries=["DE"])
        sender.send(key="rb_" + "0" * 32)
        sender.send(ip_address=BRITISH)
        sender.send(ip_address=GERMAN)
        sender.browse(headers={"User-Agent": CRAWLER})
        sender.browse(headers={"Origin": ""})
        sender.browse(headers=_FOREIGN)
        sender.browse(user_id="x", ip_address=BRITISH)
        sender.send(type="click")
        sender.post(sender.event(), content_type="text/csv")
        for _ in range(2):
            sender.send(event_id="e")
        text = text_of(looker.look())
        for words in (
            "Wrong key",
            "An excluded address , rule 203.0.113.0/24",
            "named in the event",
            "An excluded country , rule DE",
            "A bot, by its user agent",
            "No key, and no Origin",
            "From a page of another domain",
            "Received: https://foreign.example",
            "The field ip_address is only taken with a key",
            "The field type does not fit",
            "Sent as something else than JSON",
            "Stored already",
        ):
            assert re.sub(r"\s+", "", words) in re.sub(r"\s+", "", text)

    def test_browser_system_and_place(self, looker: Looker, sender: Sender) -> None:
        sender.send(ip_address=BRITISH)
        sender.send(ip_address=BRITISH, type="click")
        for query, heading in (("show=kept", "Kept"), ("show=lost", "Refused")):
            text = text_of(looker.look(query))
            assert heading in text
            assert "Firefox 140 · Linux · Desktop" in text
            assert "London, United Kingdom" in text

    def test_too_many(self, looker: Looker, sender: Sender) -> None:
        while sender.send().status_code != 429:
            pass
        text = text_of(looker.look("show=lost"))
        assert "More than 20 requests with one key in a second" in text
        # The key by its name, not its id.
        assert "Tracking key" in text
        assert sender.tenant.key_id not in text

    def test_keys_are_masked(self, looker: Looker, sender: Sender) -> None:
        sender.post(sender.event(type="click", api_key=sender.tenant.api_key))
        page = looker.look()
        assert "keys masked" in page.text
        assert sender.tenant.api_key not in page.text

    def test_nothing_yet(self, looker: Looker, tenant: Tenant) -> None:
        text = text_of(looker.look())
        assert "Nothing came in the last hour" in text
        assert "entries live for an hour" in text
        assert tenant.id in text
        assert "/api/track" in text


class TestHostileTexts:
    """Texts of events are texts."""

    @pytest.mark.parametrize("text", _HOSTILE)
    def test_in_every_field(self, world: World, looker: Looker, sender: Sender, text: str) -> None:
        before = _tags(looker.look().text)
        agent = {"User-Agent": text}
        sender.send(pathname=text, event_name=text[:200], type="custom_event", user_agent=text[:400])
        sender.browse(headers=_FOREIGN | agent, pathname=text, querystring=text)
        sender.browse(headers={"Origin": f"https://{text[:100]}", "X-Forwarded-For": text})
        sender.browse(**{text: text}, type=text)
        answer = looker.look()
        assert answer.status_code == 200
        assert len(rows_of(answer)) == 4
        allowed = {"li", "details", "summary", "time", "bdi", "pre", "p", "dl", "dt", "dd", "div", "span"}
        assert _tags(answer.text) - before <= allowed
        assert "onmouseover" not in _attributes(answer.text)

    def test_what_cannot_be_seen_is_shown(self, looker: Looker, sender: Sender) -> None:
        sender.send(pathname="/a\u202egpj.exe\u001b[31m\u200b")
        shown = html.unescape(looker.look().text)
        assert "/a<U+202E>gpj.exe\u241b[31m<U+200B>" in shown
        assert "\u202e" not in shown
        assert "\x1b" not in shown

    def test_lines_and_letters_stay(self) -> None:
        text = "שלום\tمرحبا\n你好 é 👩"
        assert make_visible(text) == text
        assert make_visible("\x01\x7f\x85\r") == "\u2401\u2421<U+0085>\u240d"

    def test_a_hostile_site_name(self, world: World, tenant: Tenant, looker: Looker) -> None:
        world.change(tenant, name="<script>alert(1)</script>")
        assert "<script>alert" not in looker.look().text


class _Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def _tags(text: str) -> set[str]:
    return _Reader(text).tags


def _attributes(text: str) -> set[str]:
    return _Reader(text).attributes
