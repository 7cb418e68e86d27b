"""What the pages of a site save and show: each switch, notes with who wrote them, what was used when."""

import re
from typing import Any

import pytest

from rybbit.extensions import db
from rybbit.services import keys, sites
from rybbit.web.pages.sites import draw_line
from rybbit.web.pages.tracking import TrackingForm
from tests.faults.server import wait_until
from tests.web.browsing import text_of
from tests.web.people import Cast, make_cast
from tests.web.visitors import Visitor
from tests.web.world import World

SWITCHES = [
    *("block_bots", "track_initial_page_view", "track_spa_navigation", "track_url_params", "track_outbound"),
    *("web_vitals", "track_errors", "session_replay", "track_ip"),
]
EXCLUSIONS = "/sites/{site}/settings/exclusions"
_POINTS = re.compile(r'<polyline points="([^"]*)"')


@pytest.fixture
def cast(world: World) -> Cast:
    """A restricted site and everybody around it."""
    return make_cast(world)


@pytest.fixture
def owner(cast: Cast) -> Visitor:
    """The owner."""
    return Visitor(cast, "owner")


def _site(cast: Cast) -> dict[str, Any]:
    found = cast.site()
    assert found is not None
    return found


def _tracking_key(cast: Cast, name: str = "Backend") -> str:
    with cast.world.app.app_context():
        _, token = keys.create_tracking_key(sites.site_for(cast.site_id), name=name)
        db.session.commit()
    return token


def _send(cast: Cast, token: str, **fields: str) -> None:
    event = {"api_key": token, "site_id": str(cast.site_id), "pathname": "/", **fields}
    assert cast.world.client().post("/api/track", json=event).json == {"success": True}


class TestTracking:
    """Nine switches, each of its own."""

    PATH = "/sites/{site}/settings/tracking"

    def test_these_are_all(self, world: World) -> None:
        with world.app.test_request_context("/"):
            assert [each.name for each in TrackingForm(formdata=None).settings()] == SWITCHES

    @pytest.mark.parametrize("name", SWITCHES)
    def test_each_is_saved_alone(self, cast: Cast, owner: Visitor, name: str) -> None:
        before = {switch: _site(cast)[switch] for switch in SWITCHES}
        for _ in range(2):
            is_on = _site(cast)[name]
            answer = owner.send_as_shown(self.PATH, owner.get(self.PATH), **{name: None if is_on else "y"})
            assert answer.status_code == 303
            assert {switch: _site(cast)[switch] for switch in SWITCHES} == before | {name: not is_on}
        assert {switch: _site(cast)[switch] for switch in SWITCHES} == before

    def test_each_says_what_it_costs(self, owner: Visitor) -> None:
        page = owner.get(self.PATH).text
        for name in SWITCHES:
            assert f'aria-describedby="{name}-hint"' in page
            assert re.search(f'id="{name}-hint">[^<]{{40,}}<', page)


class TestGeneral:
    """The domain decides whose events count."""

    def test_a_changed_domain_is_saved(self, cast: Cast, owner: Visitor) -> None:
        path, domain = "/sites/{site}/settings/general", f"moved-{cast.site_id}.example.com"
        shown = owner.get(path)
        assert owner.send_as_shown(path, shown, domain=f" https://{domain.upper()}/ ").status_code == 303
        assert _site(cast)["domain"] == domain
        assert f'value="{domain}"' in owner.get(path).text
        event = {"site_id": str(cast.site_id), "pathname": "/"}
        for origin, status in ((cast.domain, 403), (domain, 200), (f"www.{domain}", 200)):
            headers = {"Origin": f"https://{origin}", "User-Agent": "Mozilla/5.0 Firefox/140.0"}
            assert cast.world.client().post("/api/track", json=event, headers=headers).status_code == status


class TestExclusions:
    """Each rule with a note and who added it."""

    def test_the_note_of_ones_own_address(self, cast: Cast, owner: Visitor) -> None:
        assert owner.post(f"{EXCLUSIONS}/mine", note="At home").status_code == 303
        (note,) = _site(cast)["exclusion_notes"].values()
        assert note["note"] == "At home"
        assert "At home" in text_of(owner.get(EXCLUSIONS))

    def test_a_note_that_is_too_long_stands_beside_it(self, cast: Cast, owner: Visitor) -> None:
        answer = owner.post(f"{EXCLUSIONS}/mine", partial=True, note="x" * 256)
        assert answer.status_code == 422
        assert 'id="own-note-error">Must be text of at most 255 characters' in answer.text
        assert "x" * 256 in answer.text
        assert _site(cast)["excluded_ips"] == []

    def test_too_many_is_said_above_it(self, cast: Cast, owner: Visitor) -> None:
        lines = "\n".join(f"10.0.{number}.1" for number in range(100))
        assert owner.post(f"{EXCLUSIONS}/addresses", patterns=lines).status_code == 303
        answer = owner.post(f"{EXCLUSIONS}/mine", partial=True)
        assert answer.status_code == 422
        assert "At most 100 addresses and ranges can be excluded" in answer.text

    def test_a_country_with_its_note_and_who_added_it(self, cast: Cast) -> None:
        admin = Visitor(cast, "admin")
        assert (
            admin.post(f"{EXCLUSIONS}/countries", country="Germany", note="No customers").status_code == 303
        )
        row = admin.get(EXCLUSIONS).text.partition("Excluded countries")[2].partition("</table>")[0]
        note = _site(cast)["exclusion_notes"]["DE"]
        for text in ("Germany", "No customers", note["by"], '<time datetime="'):
            assert text in row
        assert "@example.com" in note["by"]
        # Others see the same.
        assert "No customers" in text_of(Visitor(cast, "member").get(EXCLUSIONS))


class TestKeys:
    """When they were last used, and what the private one opens."""

    def test_when_a_key_was_last_used(self, cast: Cast, owner: Visitor) -> None:
        path = "/sites/{site}/settings/keys"
        token = _tracking_key(cast, "Shop backend")
        assert '<td data-label="Last used">never</td>' in _row(owner.get(path).text, "Shop backend")
        _send(cast, token)
        shown = '<td data-label="Last used"><time datetime="'
        # Uses are written in the background.
        wait_until(lambda: shown in _row(owner.get(path).text, "Shop backend"), "the use is shown")

    def test_the_private_key_opens_the_api_and_no_page(self, cast: Cast, owner: Visitor) -> None:
        owner.post("/sites/{site}/settings/sharing/link")
        key = _site(cast)["private_link_key"]
        client, headers = cast.world.client(), {"X-Private-Key": key}
        asked = client.get(cast.fill("/api/sites/{site}/overview"), headers=headers)
        assert asked.status_code == 200
        for path in ("/sites", "/sites/{site}/settings/sharing", "/sites/{site}/inspector"):
            answer = client.get(cast.fill(path), headers=headers)
            assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/login")
        for path in (f"/{key}", f"/share/{key}", f"/sites/{cast.site_id}/{key}"):
            assert client.get(path).status_code == 404


class TestInstall:
    """What a site's pages need."""

    def test_the_tag(self, cast: Cast, owner: Visitor) -> None:
        tag = f'<script src="http://localhost/api/script.js" async data-site-id="{cast.id}"></script>'
        for name in ("owner", "member"):
            assert tag in text_of(Visitor(cast, name).get("/sites/{site}/install"))
        assert cast.world.client().get("/api/script.js").status_code == 200


class TestSparkline:
    """A week of pageviews as a line."""

    def test_it_follows_what_comes(self, cast: Cast, owner: Visitor) -> None:
        before = _heights(owner.get("/sites").text)
        assert set(before) == {30.0}
        token = _tracking_key(cast)
        for number in range(3):
            _send(cast, token, ip_address=f"203.0.113.{number}", pathname=f"/{number}")
        page = owner.get("/sites")
        assert _heights(page.text) == [*before[:-1], 2.0]
        assert '<td data-label="Visitors today">3</td>' in page.text
        assert "<span>3</span>" in page.text

    @pytest.mark.parametrize(
        ("counts", "heights"), [((0, 0), [30, 30]), ((0, 5), [30, 2]), ((4, 2, 0), [2, 16, 30]), ((7,), [2])]
    )
    def test_the_most_is_at_the_top(self, counts: tuple[int, ...], heights: list[int]) -> None:
        points = [point.split(",") for point in draw_line(counts).split()]
        assert [float(y) for _, y in points] == heights
        assert [float(x) for x, _ in points] == sorted(float(x) for x, _ in points)
        assert float(points[-1][0]) == (120 if len(counts) > 1 else 0)


def _heights(page: str) -> list[float]:
    (points,) = _POINTS.findall(page)
    return [float(point.partition(",")[2]) for point in points.split()]


def _row(page: str, name: str) -> str:
    return page.partition(name)[2].partition("</tr>")[0]


def test_a_question_that_is_none(owner: Visitor) -> None:
    for action, status in (("replace", 200), ("revoke", 200), ("delete", 404)):
        assert owner.get(f"/sites/{{site}}/settings/sharing/link/{action}").status_code == status
