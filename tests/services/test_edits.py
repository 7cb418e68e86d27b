"""Forms that were open while others changed the same site."""

import pytest

from rybbit.errors import InvalidInput
from rybbit.services.edits import Overtaken, change_settings
from tests.factories import make_site

pytestmark = pytest.mark.usefixtures("session")


def test_only_what_differs_from_what_was_shown_is_changed() -> None:
    site = make_site(name="Now", public=True)
    shown = {"name": "Then", "public": False}
    assert change_settings(site, {"name": "Then", "public": False}, shown) is False
    assert (site.name, site.public) == ("Now", True)


def test_the_same_change_by_two_is_no_conflict() -> None:
    site = make_site(name="New")
    assert change_settings(site, {"name": "New"}, {"name": "Old"}) is True


def test_a_conflict_changes_nothing() -> None:
    site = make_site(name="Theirs")
    with pytest.raises(Overtaken) as caught:
        change_settings(site, {"name": "Mine", "public": True}, {"name": "Old", "public": False})
    assert caught.value.mine == {"name", "public"}
    assert list(caught.value.field_errors) == ["name"]
    assert (site.name, site.public) == ("Theirs", False)


def test_without_knowing_what_was_shown_it_is_compared_with_what_is() -> None:
    site = make_site(name="Name")
    assert change_settings(site, {"name": "Name"}, {}) is False
    assert change_settings(site, {"name": "Other"}, {}) is True
    with pytest.raises(InvalidInput):
        change_settings(site, {"name": ""}, {})
