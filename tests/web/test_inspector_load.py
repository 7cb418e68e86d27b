"""The inspector's page when much is sent, or what is long: it stays light, and nothing rare is pushed out."""

import re
from typing import Any

import pytest

from tests.web.visitors import Looker, rows_of
from tests.web.world import CRAWLER, Sender, Tenant, World

_FOREIGN = {"Origin": "https://foreign.example"}
# Less than what a page may weigh, by its scripts, styles and headers.
_MOST_BYTES = 95 * 1024


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": "", "RYBBIT_BROWSER_RATE_LIMIT": ""}


@pytest.fixture
def sender(world: World, tenant: Tenant) -> Sender:
    return Sender(world.client(), tenant)


@pytest.fixture
def looker(world: World, tenant: Tenant) -> Looker:
    return Looker(world, tenant)


class TestWeight:
    """A page of what was sent is no heavier than others."""

    @pytest.mark.parametrize("text", ["<", '"', "\u202e", "x", "\U0001f469"])
    def test_long_requests_are_a_link_away(self, looker: Looker, sender: Sender, text: str) -> None:
        for number in range(40):
            assert sender.send(type="click", pathname=f"/{number}", title=text * 4000).status_code in (
                400,
                429,
            )
        page = looker.look()
        assert len(rows_of(page)) == 30
        assert len(page.data) < _MOST_BYTES
        # The newest is there, the last has room for no more than a link.
        newest, oldest = page.text.partition('<li id="')[2], page.text.rpartition('<li id="')[2]
        assert "keys masked" in newest.partition("</li>")[0]
        link = re.search(f'href="({looker.path}/[0-9a-z]+)">show it</a>', oldest)
        assert link is not None
        alone = looker.see(link[1].rpartition("/")[2])
        assert "keys masked" in alone.text
        assert "<details open>" in alone.text

    def test_long_texts_take_the_place_of_rows(self, looker: Looker, sender: Sender) -> None:
        headers = {"User-Agent": "<" * 500, "Origin": "https://" + "<" * 500, "X-Forwarded-For": "<" * 900}
        for _ in range(40):
            sender.browse(headers=headers, pathname="<" * 500, event_name="<" * 250)
        page = looker.look()
        assert 1 <= len(rows_of(page)) < 30
        assert len(page.data) < _MOST_BYTES
        assert "Show the whole hour" in page.text
        assert len(rows_of(looker.look("all=1"))) == 40


class TestFlood:
    """However much is refused, what somebody looks for is still there."""

    def test_a_reason_takes_no_more_than_its_share(
        self, world: World, looker: Looker, sender: Sender
    ) -> None:
        sender.browse(headers=_FOREIGN, pathname="/looked-for")
        sender.browse(headers={"User-Agent": CRAWLER}, pathname="/a-bot")
        for number in range(1_200):
            assert sender.send(key="wrong", pathname=f"/flood-{number}").status_code == 403
            if number % 100 == 0:
                world.runtime.inspector.flush()
        page = looker.look("show=lost&all=1")
        assert len(rows_of(page)) <= 1_000
        assert "/looked-for" in page.text
        assert "/a-bot" in page.text
        assert "/flood-1199" in page.text
        assert "/flood-0<" not in page.text

    def test_a_burst_within_a_moment(self, looker: Looker, sender: Sender) -> None:
        for number in range(300):
            sender.send(key="wrong", pathname=f"/burst-{number}")
        sender.browse(headers=_FOREIGN, pathname="/looked-for")
        page = looker.look("show=lost&all=1")
        # A worker holds a hundred of a kind until they are written.
        assert 101 <= len(rows_of(page)) <= 301
        assert "/burst-299" in page.text
        assert "/looked-for" in page.text
