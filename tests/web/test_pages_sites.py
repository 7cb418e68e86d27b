"""The pages of sites below the browser: who may see and change what, and forms that were open for long."""

import re
from typing import Any

import pytest

from rybbit.extensions import db
from rybbit.models import Site
from rybbit.services import keys, sites
from tests.web.browsing import PARTIAL
from tests.web.people import Cast, everything, make_cast
from tests.web.visitors import Visitor
from tests.web.world import PEER, World

HOSTILE = "<script>alert(1)</script>\"'"
TABS = ["general", "tracking", "exclusions", "keys", "sharing"]
READING = [f"/sites/{{site}}/settings/{tab}" for tab in TABS] + ["/sites/{site}/install"]
# What owners and admins do, each with a form that is fit.
CHANGES: dict[str, dict[str, str]] = {
    "/sites/{site}/settings/general": {"name": "Other", "domain": "other.example.com"},
    "/sites/{site}/settings/general/retention": {"days": "30", "confirmed": "30"},
    "/sites/{site}/settings/tracking": {"track_ip": "y"},
    "/sites/{site}/settings/exclusions/addresses": {"patterns": "192.0.2.0/24", "note": "Office"},
    "/sites/{site}/settings/exclusions/mine": {},
    "/sites/{site}/settings/exclusions/countries": {"country": "Germany (DE)"},
    "/sites/{site}/settings/exclusions/remove": {"pattern": "198.51.100.1"},
    "/sites/{site}/settings/keys": {"name": "Backend"},
    "/sites/{site}/settings/sharing/public": {"public": "y"},
    "/sites/{site}/settings/sharing/link": {},
    "/sites/{site}/install/key": {},
}
ADMIN_READING = ["/sites/{site}/settings/general/delete", "/sites/{site}/settings/sharing/link/revoke"]


@pytest.fixture
def cast(world: World) -> Cast:
    """A restricted site and everybody around it."""
    return make_cast(world, excludedIPs=["198.51.100.1"])


@pytest.fixture
def owner(cast: Cast) -> Visitor:
    """The owner."""
    return Visitor(cast, "owner")


def _site(cast: Cast) -> dict[str, Any]:
    found = cast.site()
    assert found is not None
    return found


class TestAccess:
    """Owners and admins change, members look, for others there is nothing."""

    @pytest.mark.parametrize("path", READING)
    @pytest.mark.parametrize(
        ("name", "status"),
        [("owner", 200), ("admin", 200), ("member", 200), ("other member", 404), ("stranger", 404)],
    )
    def test_reading(self, cast: Cast, path: str, name: str, status: int) -> None:
        answer = Visitor(cast, name).get(path)
        assert answer.status_code == status
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("path", [*READING, *ADMIN_READING, "/sites", "/sites/new"])
    def test_nobody_is_led_to_the_sign_in(self, cast: Cast, path: str) -> None:
        answer = cast.world.client().get(cast.fill(path))
        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/login")

    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize("name", ["owner", "admin"])
    def test_owners_and_admins_change(self, cast: Cast, path: str, name: str) -> None:
        fields = {name: _own(value, cast) for name, value in CHANGES[path].items()}
        before = everything(cast.world)
        assert Visitor(cast, name).post(path, **fields).status_code in (200, 303)
        assert everything(cast.world) != before

    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize(("name", "status"), [("member", 403), ("other member", 404), ("stranger", 404)])
    def test_others_change_nothing(self, cast: Cast, path: str, name: str, status: int) -> None:
        before = everything(cast.world)
        for partial in (False, True):
            answer = Visitor(cast, name).post(path, partial=partial, **CHANGES[path])
            assert answer.status_code == status
        assert everything(cast.world) == before

    @pytest.mark.parametrize("path", CHANGES)
    def test_nobody_changes_anything(self, cast: Cast, path: str) -> None:
        before = everything(cast.world)
        answer = cast.world.client().post(cast.fill(path), data=CHANGES[path])
        assert answer.status_code in (303, 400)
        assert everything(cast.world) == before

    @pytest.mark.parametrize("path", [*CHANGES, "/sites/{site}/settings/general/delete"])
    def test_without_the_token_nothing_changes(self, cast: Cast, owner: Visitor, path: str) -> None:
        before = everything(cast.world)
        fields = CHANGES.get(path, {"typed_domain": cast.domain})
        assert owner.post(path, with_token=False, **fields).status_code in (400, 403)
        assert everything(cast.world) == before

    @pytest.mark.parametrize("path", ADMIN_READING)
    def test_members_are_not_asked(self, cast: Cast, path: str) -> None:
        assert Visitor(cast, "member").get(path).status_code == 403

    @pytest.mark.parametrize("path", READING)
    def test_who_may_only_read_sees_no_buttons_that_do_nothing(self, cast: Cast, path: str) -> None:
        page = Visitor(cast, "member").get(path).text
        main = page.partition("<main")[2].partition("</main>")[0]
        actions = set(re.findall(r'<form[^>]* action="([^"]*)"', main))
        assert actions <= {cast.fill("/sites/{site}/settings/exclusions/test")}

    def test_members_may_try_the_rules(self, cast: Cast) -> None:
        path = "/sites/{site}/settings/exclusions/test"
        assert "198.51.100.1" in Visitor(cast, "member").post(path, address="198.51.100.1").text
        assert Visitor(cast, "other member").post(path, address="198.51.100.1").status_code == 404


def _own(value: str, cast: Cast) -> str:
    """Domains are taken once; each test has its own."""
    return value.replace("other.example.com", f"other-{cast.site_id}.example.com")


class TestList:
    """What one can see, and making more."""

    @pytest.mark.parametrize(
        ("name", "sees"),
        [("owner", True), ("admin", True), ("member", True), ("other member", False), ("stranger", False)],
    )
    def test_who_sees_the_site(self, cast: Cast, name: str, sees: bool) -> None:
        page = Visitor(cast, name).get("/sites")
        assert page.status_code == 200
        assert (cast.domain in page.text) is sees
        assert ("No sites yet" in page.text) is not sees

    def test_the_first_page_is_the_list(self, owner: Visitor) -> None:
        assert owner.get("/").headers["Location"] == "/sites"

    def test_only_who_may_make_sites_is_offered_to(self, cast: Cast, owner: Visitor) -> None:
        member = Visitor(cast, "member")
        assert "New site" not in member.get("/sites").text.partition("<main")[2]
        assert member.get("/sites/new").status_code == 403
        assert member.post("/sites/new", name="x", domain="member.example.com").status_code == 403
        assert owner.get("/sites/new").status_code == 200

    def test_a_site_is_made_in_ones_own_organization_only(self, cast: Cast, owner: Visitor) -> None:
        domain = f"new-{cast.site_id}.example.com"
        form = {"name": "New", "domain": domain, "organization": cast.organization_id}
        assert Visitor(cast, "stranger").post("/sites/new", **form).status_code == 422
        answer = owner.post("/sites/new", **form)
        assert answer.status_code == 303
        assert answer.headers["Location"].endswith("/install")
        assert domain in owner.get("/sites").text

    def test_unfit_names_stand_beside_their_fields(self, cast: Cast, owner: Visitor) -> None:
        form = {"name": " ", "domain": "nonsense", "organization": cast.organization_id}
        answer = owner.post("/sites/new", partial=True, **form)
        assert answer.status_code == 422
        assert 'id="name-error">Must have 1 to 255 characters' in answer.text
        assert 'id="domain-error">Must be a host name with a dot' in answer.text
        taken = owner.post("/sites/new", **form | {"name": "x", "domain": cast.domain})
        assert taken.status_code == 422
        assert 'id="domain-error">Domain already in use' in taken.text


class TestGeneral:
    """Only what was changed in a form is saved."""

    PATH = "/sites/{site}/settings/general"

    def test_two_forms_of_different_things(self, cast: Cast, owner: Visitor) -> None:
        first, second = owner.get(self.PATH), owner.get(self.PATH)
        assert owner.send_as_shown(self.PATH, first, name="Renamed").status_code == 303
        assert owner.send_as_shown(self.PATH, second, public="y").status_code == 303
        assert (_site(cast)["name"], _site(cast)["public"]) == ("Renamed", True)

    def test_two_forms_of_the_same_thing(self, cast: Cast, owner: Visitor) -> None:
        first, second = owner.get(self.PATH), owner.get(self.PATH)
        owner.send_as_shown(self.PATH, first, name="Mine", salt_user_ids="y")
        told = owner.send_as_shown(self.PATH, second, name="Yours")
        assert told.status_code == 422
        assert "Somebody changed this to “Mine” meanwhile" in told.text
        assert _site(cast)["name"] == "Mine"
        # The second time it is meant, and takes nothing else back.
        assert owner.send_as_shown(self.PATH, told).status_code == 303
        assert (_site(cast)["name"], _site(cast)["salt_user_ids"]) == ("Yours", True)

    @pytest.mark.parametrize("loaded", ["", "[]", "{", "null", '{"secret": "x", "name": []}'])
    def test_what_it_remembers_comes_from_the_browser(self, cast: Cast, owner: Visitor, loaded: str) -> None:
        answer = owner.post(self.PATH, name="New", domain=cast.domain, loaded=loaded)
        assert answer.status_code in (303, 422)
        assert _site(cast)["domain"] == cast.domain

    def test_a_taken_domain_is_said_beside_it(self, cast: Cast, owner: Visitor) -> None:
        other = cast.world.add_tenant()
        answer = owner.post(self.PATH, partial=True, name="x", domain=other.domain)
        assert answer.status_code == 422
        assert 'id="domain-error">Domain already in use' in answer.text

    def test_hostile_names_are_text_everywhere(self, cast: Cast, owner: Visitor) -> None:
        owner.post(self.PATH, name=HOSTILE, domain=cast.domain)
        owner.post("/sites/{site}/settings/keys", name=HOSTILE)
        owner.post("/sites/{site}/settings/exclusions/addresses", patterns="192.0.2.9", note=HOSTILE)
        for path in [*READING, *ADMIN_READING, "/sites"]:
            assert "<script>alert" not in owner.get(path).text

    def test_deleting_takes_the_typed_domain(self, cast: Cast, owner: Visitor) -> None:
        path = f"{self.PATH}/delete"
        wrong = owner.post(path, partial=True, typed_domain="example.com")
        assert (wrong.status_code, cast.site() is None) == (422, False)
        done = owner.post(path, typed_domain=f" {cast.domain.upper()} ")
        assert (done.headers["Location"], cast.site()) == ("/sites", None)
        assert owner.get(self.PATH).status_code == 404


class TestExclusions:
    """Many lines at once, with notes that go with their rules."""

    PATH = "/sites/{site}/settings/exclusions/addresses"

    def test_bad_lines_are_named_and_good_ones_kept_in_the_form(self, cast: Cast, owner: Visitor) -> None:
        lines = "192.0.2.7\n\nnonsense\n10.0.0.0/33\n192.0.2.1-192.0.2.9"
        answer = owner.post(self.PATH, partial=True, patterns=lines)
        assert answer.status_code == 422
        assert "Line 3: <code>nonsense</code>" in answer.text
        assert "Line 4: <code>10.0.0.0/33</code>" in answer.text
        assert "192.0.2.1-192.0.2.9" in answer.text
        assert _site(cast)["excluded_ips"] == ["198.51.100.1"]

    def test_who_added_it_and_why(self, cast: Cast, owner: Visitor) -> None:
        owner.post(self.PATH, patterns="192.0.2.0/24\n192.0.2.0/24\n198.51.100.1", note="Office")
        assert _site(cast)["excluded_ips"] == ["198.51.100.1", "192.0.2.0/24"]
        note = _site(cast)["exclusion_notes"]["192.0.2.0/24"]
        assert (note["note"], "@example.com" in note["by"]) == ("Office", True)
        page = owner.get("/sites/{site}/settings/exclusions").text
        assert "Office" in page
        assert note["by"] in page

    def test_notes_follow_changes_by_the_api(self, cast: Cast, owner: Visitor) -> None:
        owner.post(self.PATH, patterns="192.0.2.0/24", note="Office")
        cast.call("owner", "PUT", "/api/sites/{site}/config", {"excludedIPs": ["192.0.2.0/24", "10.0.0.1"]})
        notes = _site(cast)["exclusion_notes"]
        assert {rule: note["note"] for rule, note in notes.items()} == {
            "192.0.2.0/24": "Office",
            "10.0.0.1": "",
        }
        cast.call("owner", "PUT", "/api/sites/{site}/config", {"excludedIPs": []})
        assert _site(cast)["exclusion_notes"] == {}

    def test_where_i_am(self, cast: Cast, owner: Visitor) -> None:
        assert f"You are at {PEER}." in owner.get("/sites/{site}/settings/exclusions").text
        owner.post("/sites/{site}/settings/exclusions/mine", patterns="10.0.0.1")
        assert _site(cast)["excluded_ips"] == ["198.51.100.1", PEER]
        assert f"You are at {PEER}, which is excluded." in owner.get("/sites/{site}/settings/exclusions").text

    @pytest.mark.parametrize("text", ["de", "Germany", "germany", "Germany (DE)"])
    def test_countries_by_name_and_code(self, cast: Cast, owner: Visitor, text: str) -> None:
        path = "/sites/{site}/settings/exclusions/countries"
        assert owner.post(path, country=text).status_code == 303
        assert _site(cast)["excluded_countries"] == ["DE"]
        assert owner.post(path, partial=True, country="Nowhere").status_code == 422

    def test_removing(self, cast: Cast, owner: Visitor) -> None:
        for _ in range(2):
            answer = owner.post(
                "/sites/{site}/settings/exclusions/remove", pattern="198.51.100.1", kind="address"
            )
            assert answer.status_code == 303
        assert (_site(cast)["excluded_ips"], _site(cast)["exclusion_notes"]) == ([], {})

    def test_what_was_stopped(self, cast: Cast, owner: Visitor) -> None:
        with cast.world.app.app_context():
            token = keys.create_tracking_key(sites.site_for(cast.site_id))[1]
            db.session.commit()
        client = cast.world.client()
        event = {"api_key": token, "site_id": str(cast.site_id), "ip_address": "198.51.100.1"}
        assert client.post("/api/track", json=event).json["message"] == "Event not tracked - IP excluded"
        cast.world.runtime.drops.flush()
        page = owner.get("/sites/{site}/settings/exclusions").text
        assert '<td data-label="Stopped">1</td>' in page

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"address": "192.0.2.200"}, "It would be kept."),
            ({"address": "198.51.100.1"}, "the rule <code>198.51.100.1</code> fits"),
            ({"user_agent": "Googlebot/2.1"}, "that of a bot"),
            ({"address": "nonsense"}, "Must be an IPv4 or IPv6 address"),
            ({"country": "Nowhere"}, "Choose a country from the list"),
            ({"user_agent": "x" * 513}, "Must be text of at most 512 characters"),
        ],
    )
    def test_trying(self, owner: Visitor, fields: dict[str, str], says: str) -> None:
        answer = owner.post("/sites/{site}/settings/exclusions/test", partial=True, **fields)
        assert answer.status_code == (422 if "Must" in says or "Choose" in says else 200)
        assert says in answer.text


class TestKeysAndLinks:
    """Shown when they are made; a key never again."""

    def test_a_key_is_shown_once_and_revoked(self, cast: Cast, owner: Visitor) -> None:
        path = "/sites/{site}/settings/keys"
        made = owner.post(path, name="Backend")
        token = re.search(r"rb_[0-9a-f]{32}", made.text)
        assert token is not None
        assert token[0] not in owner.get(path).text
        revoke = re.search(r'href="([^"]+/revoke)"', made.text)
        assert revoke is not None
        assert owner.get(revoke[1]).status_code == 200
        other = make_cast(cast.world)
        foreign = revoke[1].replace(f"/sites/{cast.site_id}/", f"/sites/{other.site_id}/")
        assert Visitor(other, "owner").post(foreign).status_code == 404
        assert owner.post(revoke[1]).status_code == 303

    def test_the_private_key(self, cast: Cast, owner: Visitor) -> None:
        path = "/sites/{site}/settings/sharing"
        owner.post(f"{path}/link")
        key = _site(cast)["private_link_key"]
        assert key in owner.get(path).text
        assert key in Visitor(cast, "member").get(path).text
        owner.post(f"{path}/link/revoke")
        assert _site(cast)["private_link_key"] is None

    def test_waiting_ends_with_the_first_event(self, cast: Cast, owner: Visitor) -> None:
        headers = PARTIAL
        waiting = owner.client.get(cast.fill("/sites/{site}/install/status"), headers=headers)
        assert waiting.status_code == 204
        assert "hx-trigger" in owner.get("/sites/{site}/install").text
        made = owner.post("/sites/{site}/install/key", partial=True)
        token = re.search(r"rb_[0-9a-f]{32}", made.text)
        assert token is not None
        event = {"api_key": token[0], "site_id": str(cast.site_id)}
        assert cast.world.client().post("/api/track", json=event).json == {"success": True}
        arrived = owner.client.get(cast.fill("/sites/{site}/install/status"), headers=headers)
        assert "Events are arriving" in arrived.text
        assert "hx-trigger" not in arrived.text
        assert "hx-trigger" not in owner.get("/sites/{site}/install").text


def test_the_site_is_found_by_either_name(cast: Cast, owner: Visitor) -> None:
    assert owner.get(f"/sites/{cast.id}/settings/general").status_code == 200
    assert owner.get("/sites/999999/settings/general").status_code == 404
    with cast.world.app.app_context():
        assert db.session.get(Site, cast.site_id) is not None
