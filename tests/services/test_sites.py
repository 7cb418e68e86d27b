"""Sites: made, found, changed, with every limit of their settings."""

import re
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session, scoped_session

from rybbit import clock
from rybbit.errors import Conflict, InvalidInput, NotFound
from rybbit.models import Drop, Key, Reason, Site, SiteMember
from rybbit.services import drops, keys, links, site_access, sites
from rybbit.services.actor import actor_of_account, actor_of_key
from rybbit.services.site_settings import NothingToChange
from tests.factories import make_account, make_member, make_organization, make_site

AppSession = scoped_session[Any]

DEFAULTS = {
    "public": False,
    "saltUserIds": False,
    "blockBots": True,
    "sessionReplay": False,
    "webVitals": False,
    "trackErrors": False,
    "trackOutbound": True,
    "trackUrlParams": True,
    "trackInitialPageView": True,
    "trackSpaNavigation": True,
    "trackIp": False,
    "excludedIPs": [],
    "excludedCountries": [],
}


@pytest.mark.usefixtures("session")
class TestCreate:
    """A new site."""

    def test_name_and_domain_are_enough(self) -> None:
        organization = make_organization()
        settings = {"name": " My site ", "domain": "https://Example.com/"}
        site = sites.create_site(organization, settings, created_by="user_1")
        assert re.fullmatch(r"[0-9a-f]{12}", site.id)
        assert site.organization_id == organization.id
        assert site.created_by == "user_1"
        assert sites.settings_of(site) == {"name": "My site", "domain": "example.com"} | DEFAULTS

    def test_every_setting_is_taken(self) -> None:
        settings: dict[str, Any] = {
            name: not value for name, value in DEFAULTS.items() if isinstance(value, bool)
        }
        lists: dict[str, Any] = {
            "excludedIPs": ["10.0.0.0/8", "192.0.2.1"],
            "excludedCountries": ["DE", "XK"],
        }
        site = make_site(**settings, **lists)
        found = sites.settings_of(site)
        assert {name: found[name] for name in DEFAULTS} == settings | lists

    def test_a_refused_site_is_not_made(self, session: AppSession) -> None:
        with pytest.raises(InvalidInput):
            make_site(public=1)
        assert session.scalar(select(func.count()).select_from(Site)) == 0

    def test_a_domain_has_one_site_however_it_is_written(self, session: AppSession) -> None:
        make_site(domain="exämple.com")
        session.commit()
        with pytest.raises(Conflict, match="Domain already in use"):
            make_site(domain="HTTPS://XN--EXMPLE-CUA.com/")

    def test_a_subdomain_is_another_domain(self) -> None:
        make_site(domain="example.com")
        assert make_site(domain="www.example.com").domain == "www.example.com"


@pytest.mark.usefixtures("session")
class TestUpdate:
    """Changing a site."""

    def test_what_is_not_given_stays(self) -> None:
        site = make_site(excludedIPs=["10.0.0.1"], public=True)
        before = sites.settings_of(site)
        sites.update_site(site, {"blockBots": False})
        assert sites.settings_of(site) == before | {"blockBots": False}

    def test_a_change_is_dated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        site = make_site()
        later = clock.from_ms(clock.now_ms() + 60_000)
        monkeypatch.setattr(clock, "now", lambda: later)
        sites.update_site(site, {"public": False})
        assert site.updated_at == later > site.created_at

    def test_lists_are_replaced_and_emptied(self, session: AppSession) -> None:
        site = make_site(excludedIPs=["10.0.0.1"])
        sites.update_site(site, {"excludedIPs": ["10.0.0.2", "10.0.0.3"]})
        session.expire_all()
        assert site.excluded_ips == ["10.0.0.2", "10.0.0.3"]
        sites.update_site(site, {"excludedIPs": []})
        session.expire_all()
        assert site.excluded_ips == []

    def test_nothing_to_change(self) -> None:
        with pytest.raises(NothingToChange, match="No fields to update"):
            sites.update_site(make_site(), {})

    @pytest.mark.parametrize(
        "changes",
        [
            {"public": True, "name": ""},
            {"public": True, "foo": 1},
            {"public": True, "excludedIPs": ["nonsense"]},
            {"public": True, "domain": "taken.example"},
            {"public": None},
        ],
    )
    def test_a_refused_change_changes_nothing(self, session: AppSession, changes: object) -> None:
        make_site(domain="taken.example")
        site = make_site()
        session.commit()
        before = sites.settings_of(site)
        with pytest.raises((InvalidInput, Conflict)):
            sites.update_site(site, changes)
        session.commit()
        assert sites.settings_of(site) == before

    def test_a_site_may_keep_its_domain(self) -> None:
        site = make_site(domain="example.com")
        sites.update_site(site, {"domain": "https://EXAMPLE.com"})
        assert site.domain == "example.com"

    def test_a_site_that_is_gone_is_not_found(self, session: AppSession, engine: Engine) -> None:
        site = make_site()
        session.commit()
        with Session(engine) as other:
            other.delete(other.get_one(Site, site.site_id))
            other.commit()
        with pytest.raises(NotFound, match="Site not found"):
            sites.update_site(site, {"public": True})

    def test_changes_of_two_people_lose_nothing(self, session: AppSession, engine: Engine) -> None:
        site = make_site(public=True)
        session.commit()
        assert (site.public, site.block_bots) == (True, True)
        with engine.begin() as other:
            other.execute(update(Site).values(public=False, track_ip=True))
        # This session read `public` as true before the other change: it must be written nevertheless.
        sites.update_site(site, {"public": True, "blockBots": False})
        session.commit()
        assert (site.public, site.block_bots, site.track_ip) == (True, False, True)


@pytest.mark.usefixtures("session")
class TestFind:
    """Both identifiers."""

    def test_by_number_and_by_id(self) -> None:
        site = make_site()
        make_site()
        assert sites.site_for(site.site_id) is site
        assert sites.site_for(str(site.site_id)) is site
        assert sites.site_for(site.id) is site

    @pytest.mark.parametrize(
        "identifier",
        [
            "",
            "0",
            "-1",
            "1.0",
            " 1",
            "x",
            "99",
            "²",
            "2147483648",
            "9" * 11,
            "9" * 12,
            "9" * 40,
            "1\0",
            "a" * 12,
            "\0" * 12,
            "1e1",
            "٣",
            "ABCDEFABCDEF",
            "\ud800",
        ],
    )
    def test_what_is_no_site(self, identifier: str) -> None:
        make_site()
        with pytest.raises(NotFound, match="Site not found"):
            sites.site_for(identifier)

    def test_an_id_of_twelve_digits_is_no_number(self, session: AppSession) -> None:
        site = make_site()
        with pytest.raises(NotFound):
            sites.site_for(f"{site.site_id:012d}")

    def test_all_sites_in_the_order_they_were_made(self) -> None:
        made = [make_site(), make_site()]
        assert sites.list_sites() == made


@pytest.mark.usefixtures("session")
class TestDelete:
    """A site that goes."""

    def test_what_belongs_to_it_goes_along(self, session: AppSession) -> None:
        organization = make_organization()
        site, kept = make_site(organization, domain="gone.example"), make_site(organization)
        number = site.site_id
        tokens = [keys.create_tracking_key(each)[1] for each in (site, kept)]
        links_made = [links.generate_link(each) for each in (site, kept)]
        for each in (site, kept):
            site_access.allow_member(each, make_member(organization))
            counts = {(each.site_id, Reason.BOT, "r", clock.now()): 1}
            drops.record_drops(session.connection(), counts)
        sites.delete_site(site)
        session.commit()
        assert sites.list_sites() == [kept]
        assert [keys.find_key(token) is not None for token in tokens] == [False, True]
        assert [links.site_for_link(key) for key in links_made] == [None, kept]
        for model in (Drop, SiteMember, Key):
            assert set(session.scalars(select(model.site_id))) == {kept.site_id}
        for identifier in (number, str(number)):
            with pytest.raises(NotFound, match="Site not found"):
                sites.site_for(identifier)
        assert make_site(organization, domain="gone.example").site_id > kept.site_id

    def test_nobody_deletes_it_twice(self, session: AppSession, engine: Engine) -> None:
        site = make_site()
        session.commit()
        assert site.site_id
        with Session(engine) as other:
            other.delete(other.get_one(Site, site.site_id))
            other.commit()
        with pytest.raises(NotFound, match="Site not found"):
            sites.delete_site(site)

    def test_who_made_a_site(self) -> None:
        ann = make_account()
        organization = make_organization(owner=ann)
        key, _ = keys.create_account_key(ann)
        organization_key, _ = keys.create_organization_key(organization)
        for actor, maker in (
            (actor_of_account(ann), ann.id),
            (actor_of_key(key), ann.id),
            (actor_of_key(organization_key), organization_key.id),
        ):
            assert actor is not None
            settings = {"name": "n", "domain": f"{actor.kind}{len(sites.list_sites())}.example"}
            assert sites.create_site(organization, settings, actor=actor).created_by == maker
