"""The settings of a site: names, types, and the edges of every limit on both sides."""

from typing import Any

import pytest

from rybbit.errors import InvalidInput
from rybbit.services.site_settings import SETTING_NAMES, InvalidPatterns, read_changes, read_new_site

SWITCHES = [
    "public",
    "saltUserIds",
    "blockBots",
    "sessionReplay",
    "webVitals",
    "trackErrors",
    "trackOutbound",
    "trackUrlParams",
    "trackInitialPageView",
    "trackSpaNavigation",
    "trackIp",
]


def _read(**settings: object) -> dict[str, Any]:
    return read_new_site({"name": "n", "domain": "a.example"} | settings)


def _refusal(settings: object) -> dict[str, list[str]]:
    with pytest.raises(InvalidInput) as refused:
        read_new_site(settings)
    return refused.value.field_errors


def test_the_names_are_those_of_the_contract() -> None:
    assert set(SETTING_NAMES) == {"name", "domain", "excludedIPs", "excludedCountries", *SWITCHES}


def test_name_and_domain_are_required() -> None:
    assert _refusal({}) == {"name": ["Required"], "domain": ["Required"]}


def test_a_change_holds_what_was_given_and_nothing_else() -> None:
    assert read_changes({"public": False, "excludedIPs": []}) == {"public": False, "excluded_ips": []}


@pytest.mark.parametrize("name", ["x", "x" * 255, "Ünï ☕", f"{'x' * 255}   "])
def test_fit_names(name: str) -> None:
    assert _read(name=name)["name"] == name.strip()


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "a\0b", "\ud800", None, 5, ["x"]])
def test_unfit_names(name: object) -> None:
    assert set(_refusal({"name": name, "domain": "a.example"})) == {"name"}


@pytest.mark.parametrize("domain", ["", "nodot", "1.2.3.4", "a.example:80", None, 5, {"a": 1}])
def test_unfit_domains(domain: object) -> None:
    assert set(_refusal({"name": "n", "domain": domain})) == {"domain"}


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("value", ["true", 1, 0, None, [], "yes"])
def test_a_switch_is_a_boolean(switch: str, value: object) -> None:
    errors = _refusal({"name": "n", "domain": "a.example", switch: value})
    assert list(errors) == [switch]
    assert errors[switch][0].startswith("Expected boolean, received ")


@pytest.mark.parametrize("count", [0, 1, 100])
def test_as_many_addresses(count: int) -> None:
    patterns = [f"10.0.0.{number}" for number in range(count)]
    assert _read(excludedIPs=patterns)["excluded_ips"] == patterns


def test_too_many_addresses() -> None:
    errors = _refusal({"name": "n", "domain": "a.example", "excludedIPs": ["10.0.0.1"] * 101})
    assert set(errors) == {"excludedIPs"}


def test_addresses_are_trimmed_and_kept_as_written() -> None:
    found = _read(excludedIPs=[" 10.1.2.3/8 ", "192.0.2.1-192.0.2.9", "2001:DB8::/32"])
    assert found["excluded_ips"] == ["10.1.2.3/8", "192.0.2.1-192.0.2.9", "2001:DB8::/32"]


def test_addresses_that_cannot_be_read_are_listed_with_the_reason() -> None:
    patterns = ["10.0.0.1", "10.0.0.1/33", "b-a", ""]
    with pytest.raises(InvalidPatterns) as refused:
        _read(excludedIPs=patterns)
    assert [line.partition(":")[0] for line in refused.value.patterns] == ["10.0.0.1/33", "b-a", ""]
    assert refused.value.field_errors == {"excludedIPs": refused.value.patterns}


@pytest.mark.parametrize("value", ["10.0.0.1", [1], [None], {"a": 1}, None])
def test_addresses_are_a_list_of_strings(value: object) -> None:
    errors = _refusal({"name": "n", "domain": "a.example", "excludedIPs": value})
    assert set(errors) == {"excludedIPs"}


def test_countries_are_trimmed() -> None:
    assert _read(excludedCountries=[" DE ", "XK"])["excluded_countries"] == ["DE", "XK"]


@pytest.mark.parametrize("country", ["de", "D", "DEU", "D1", "", "ÄÖ", 1])
def test_what_is_no_country(country: object) -> None:
    errors = _refusal({"name": "n", "domain": "a.example", "excludedCountries": ["DE", country]})
    assert errors["excludedCountries"][0].startswith("[1]: ")


def test_how_many_countries() -> None:
    assert len(_read(excludedCountries=["DE"] * 250)["excluded_countries"]) == 250
    errors = _refusal({"name": "n", "domain": "a.example", "excludedCountries": ["DE"] * 251})
    assert set(errors) == {"excludedCountries"}


@pytest.mark.parametrize("name", ["blockbots", "block_bots", "siteId", "id", "__proto__", "", "secret"])
def test_an_unknown_setting_is_named(name: str) -> None:
    assert name in _refusal({"name": "n", "domain": "a.example", name: True})


@pytest.mark.parametrize("settings", [None, [], "text", 5, True])
def test_settings_are_an_object(settings: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_new_site(settings)
    assert refused.value.form_errors[0].startswith("Expected object")


def test_all_mistakes_are_told_at_once() -> None:
    errors = _refusal({"name": "", "domain": "x", "public": 1, "excludedCountries": ["x"], "foo": 1})
    assert set(errors) == {"name", "domain", "public", "excludedCountries", "foo"}
