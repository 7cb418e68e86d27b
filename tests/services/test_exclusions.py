"""Exclusions line by line, with notes, and counts of what they stopped."""

from datetime import timedelta

import pytest

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Reason, Site
from rybbit.services import exclusions, sites
from rybbit.services.actor import actor_of_account
from rybbit.services.countries import COUNTRIES
from rybbit.services.drops import record_drops
from rybbit.services.exclusions import BadLines
from tests.factories import make_account, make_site

pytestmark = pytest.mark.usefixtures("session")


def _noted(site: Site) -> dict[str, str]:
    db.session.flush()
    db.session.expire(site)
    return {rule: note["note"] for rule, note in site.exclusion_notes.items()}


def test_bad_lines_change_nothing_and_each_is_named() -> None:
    site = make_site()
    with pytest.raises(BadLines) as caught:
        exclusions.exclude_addresses(site, "10.0.0.1\n x \n\n10.0.0.0/99\n\ud800")
    assert [(number, line) for number, line, _ in caught.value.problems] == [
        (2, "x"),
        (4, "10.0.0.0/99"),
        (5, "\ud800"),
    ]
    assert site.excluded_ips == []


@pytest.mark.parametrize(
    ("lines", "note"),
    [("", ""), (" \n ", ""), ("10.0.0.1", "x" * 256), ("10.0.0.1", "\0")],
)
def test_unfit_input_is_refused(lines: str, note: str) -> None:
    site = make_site()
    with pytest.raises(InvalidInput):
        exclusions.exclude_addresses(site, lines, note=note)
    assert site.excluded_ips == []


def test_there_may_be_a_hundred() -> None:
    site = make_site()
    exclusions.exclude_addresses(site, "\n".join(f"10.0.0.{number}" for number in range(100)))
    with pytest.raises(InvalidInput):
        exclusions.exclude_addresses(site, "10.0.1.1")
    assert len(site.excluded_ips) == 100


def test_notes_stay_with_their_rules_and_go_with_them() -> None:
    site, ann = make_site(), actor_of_account(make_account(email="ann@example.com"))
    assert exclusions.exclude_addresses(site, "10.0.0.1\n10.0.0.2\n10.0.0.1", note=" Office ", actor=ann) == 2
    assert exclusions.exclude_addresses(site, "10.0.0.1", note="Other") == 0
    assert exclusions.exclude_country(site, "Germany", note="Why") == "DE"
    assert _noted(site) == {"10.0.0.1": "Office", "10.0.0.2": "Office", "DE": "Why"}
    exclusions.include(site, "10.0.0.1")
    exclusions.include(site, "10.0.0.1")
    sites.update_site(site, {"excludedCountries": ["FR"]})
    assert _noted(site) == {"10.0.0.2": "Office", "FR": ""}
    [address] = exclusions.overview_of(site).addresses
    [country] = exclusions.overview_of(site).countries
    assert (address.added_by, country.added_by) == ("ann@example.com", "command line")
    assert address.added_at is not None


def test_of_old_rules_nobody_knows_who_added_them() -> None:
    site = make_site(excludedIPs=["10.0.0.1"])
    site.exclusion_notes = {}
    db.session.flush()
    sites.update_site(site, {"excludedIPs": ["10.0.0.1", "10.0.0.2"]})
    assert set(_noted(site)) == {"10.0.0.2"}
    assert exclusions.overview_of(site).addresses[0].added_at is None


def test_what_was_stopped_in_seven_days() -> None:
    site = make_site(excludedIPs=["10.0.0.1"], excludedCountries=["DE"])
    now = clock.now()
    counts = {
        (site.site_id, "ip", "10.0.0.1", now): 2,
        (site.site_id, "ip", "10.0.0.1", now - timedelta(days=3)): 3,
        (site.site_id, "ip", "10.0.0.1", now - timedelta(days=8)): 50,
        (site.site_id, "ip", "10.9.9.9", now): 4,
        (site.site_id, "country", "DE", now): 5,
        (site.site_id, "bot", "blockBots", now): 6,
        (site.site_id, "origin", "elsewhere", now): 7,
    }
    record_drops(db.session.connection(), counts)
    found = exclusions.overview_of(site)
    assert [each.stopped for each in (*found.addresses, *found.countries)] == [5, 5]
    assert (found.bots, found.former) == (6, {(Reason.IP, "10.9.9.9"): 4})


def test_every_country_is_found_by_what_the_list_offers() -> None:
    assert len(COUNTRIES) == 250
    for code, name in COUNTRIES.items():
        assert exclusions.read_country(f"{name} ({code})") == code
        assert exclusions.read_country(name) == code
        assert exclusions.read_country(code.lower()) == code


@pytest.mark.parametrize("text", ["", "ZZ", "Nowhere", "()", "(DE", "\ud800"])
def test_other_texts_are_no_country(text: str) -> None:
    with pytest.raises(InvalidInput):
        exclusions.read_country(text)
