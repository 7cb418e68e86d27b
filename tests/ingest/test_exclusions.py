"""Excluded addresses and countries: what a pattern means; the fast matcher agrees with a slow one."""

import ipaddress
import logging
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit.ingest.exclusions import (
    compile_exclusions,
    normalise_address,
    parse_pattern,
    validate_patterns,
)

LOWEST = str(ipaddress.IPv4Address(0))
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _match(pattern: str, address: str) -> bool:
    found = compile_exclusions([pattern], []).match_ip(address)
    assert found in (None, pattern)
    return found is not None


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (
            "203.0.113.9",
            ["203.0.113.9", "::ffff:203.0.113.9", " 203.0.113.9 "],
            ["203.0.113.8", "203.0.113.10"],
        ),
        ("  203.0.113.9\t", ["203.0.113.9"], ["203.0.113.8"]),
        ("::ffff:203.0.113.9", ["203.0.113.9", "::FFFF:cb00:7109"], ["::203.0.113.9"]),
        ("10.1.2.3/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
        ("10.1.2.3 / 8", ["10.0.0.0"], ["11.0.0.0"]),
        ("0.0.0.0/0", [LOWEST, "255.255.255.255", "::ffff:1.2.3.4"], ["::", "::1", "2001:db8::1"]),
        ("192.0.2.1/32", ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
        ("::ffff:10.0.0.0/104", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255"]),
        ("::ffff:0:0/96", [LOWEST, "255.255.255.255"], ["::1"]),
        ("::/0", ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], ["1.2.3.4", "::ffff:1.2.3.4"]),
        ("2001:db8::1/32", ["2001:db8::", "2001:db8:ffff::"], ["2001:db7::", "2001:db9::"]),
        ("2001:DB8::1", ["2001:db8:0:0::1"], ["2001:db8::2"]),
        ("192.0.2.5-192.0.2.7", ["192.0.2.5", "192.0.2.6", "192.0.2.7"], ["192.0.2.4", "192.0.2.8"]),
        ("192.0.2.5 - ::ffff:192.0.2.7", ["192.0.2.6"], ["192.0.2.8"]),
        ("192.0.2.5-192.0.2.5", ["192.0.2.5"], ["192.0.2.4", "192.0.2.6"]),
        ("0.0.0.0-255.255.255.255", [LOWEST, "255.255.255.255"], ["::"]),
    ],
)
def test_pattern_meanings(pattern: str, inside: list[str], outside: list[str]) -> None:
    assert [address for address in inside if not _match(pattern, address)] == []
    assert [address for address in outside if _match(pattern, address)] == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty pattern"),
        ("   ", "empty pattern"),
        ("nonsense", "not an IP address"),
        ("256.1.1.1", "not an IP address"),
        ("010.1.1.1", "not an IP address"),
        ("1.2.3", "not an IP address"),
        ("١.2.3.4", "not an IP address"),
        ("fe80::1%eth0", "zone ids are not allowed"),
        ("10.0.0.0/33", "the prefix length must be 0 to 32"),
        ("2001:db8::/129", "the prefix length must be 0 to 128"),
        ("::ffff:10.0.0.0/95", "the prefix length must be 96 to 128"),
        ("::ffff:10.0.0.0/8", "the prefix length must be 96 to 128"),
        ("10.0.0.0/", "the prefix length is not a number"),
        ("10.0.0.0/-1", "the prefix length is not a number"),
        ("10.0.0.0/٨", "the prefix length is not a number"),
        ("10.0.0.0/255.0.0.0", "the prefix length is not a number"),
        ("10.0.0.0/8/8", "the prefix length is not a number"),
        ("10.0.0.0/" + "8" * 5000, "the prefix length is not a number"),
        ("/8", "not an IP address"),
        ("10.0.0.9-10.0.0.1", "the range ends before it starts"),
        ("2001:db8::1-2001:db8::2", "ranges from-to are for IPv4 only"),
        ("10.0.0.1-", "not an IP address"),
        ("10.0.0.1-10.0.0.2-10.0.0.3", "not an IP address"),
        ("10.0.0.0/8-11.0.0.0/8", "the prefix length is not a number"),
        ("1" * 100_000, "not an IP address"),
    ],
)
def test_bad_patterns_say_why(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_pattern(pattern)


def test_validation_names_each_bad_pattern() -> None:
    patterns = ["10.0.0.0/8", " nonsense ", "10.0.0.9-10.0.0.1", "::1"]
    assert validate_patterns(patterns) == [
        "nonsense: not an IP address",
        "10.0.0.9-10.0.0.1: the range ends before it starts",
    ]
    assert validate_patterns([]) == []


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" 203.0.113.9 ", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:0DB8::0001", "2001:db8::1"),
        ("fe80::1%eth0", None),
        ("[::1]", None),
        ("127.0.0.1:80", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_addresses_are_normalised(text: str, canonical: str | None) -> None:
    assert normalise_address(text) == canonical


@pytest.mark.parametrize("address", ["", "nonsense", "fe80::1%eth0", "10.0.0.1:80"])
def test_what_is_no_address_matches_nothing(address: str) -> None:
    assert compile_exclusions(["0.0.0.0/0", "::/0"], []).match_ip(address) is None


def test_the_first_of_overlapping_patterns_decides() -> None:
    patterns = ["10.5.0.0/16", "10.0.0.0/8", "10.5.0.1", "10.0.0.0-10.9.255.255"]
    exclusions = compile_exclusions(patterns, [])
    assert exclusions.match_ip("10.5.0.1") == "10.5.0.0/16"
    assert exclusions.match_ip("10.6.0.1") == "10.0.0.0/8"
    assert exclusions.match_ip("11.0.0.0") is None


def test_countries() -> None:
    exclusions = compile_exclusions([], ["DE", " fr ", "XK"])
    assert exclusions.match_country("DE") == "DE"
    assert exclusions.match_country("FR") == " fr "
    assert exclusions.match_country("XK") == "XK"
    assert exclusions.match_country("GB") is None
    assert exclusions.match_country("") is None


def test_exclusions_cannot_be_changed() -> None:
    exclusions = compile_exclusions(["10.0.0.0/8"], ["DE"])
    with pytest.raises(AttributeError):
        exclusions._tables = {}  # type: ignore[misc]


def test_unreadable_patterns_exclude_nothing_and_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        exclusions = compile_exclusions(["10.0.0.0/99", "10.0.0.0/8"], [])
    assert exclusions.match_ip("10.0.0.1") == "10.0.0.0/8"
    assert len(caplog.records) == 1
    assert "10.0.0" not in caplog.text


# A few bytes in a few places, so that ranges touch and overlap.
_V4 = st.integers(0, 0xFF).map(lambda low: ipaddress.IPv4Address(0x0A0000F0 + low))
_V6 = st.integers(0, 0xFF).map(lambda low: ipaddress.IPv6Address((0x20010DB8 << 96) + 0xF0 + low))
_ANY_V4 = _V4 | st.ip_addresses(v=4)
_ANY = _ANY_V4 | _V6 | st.ip_addresses(v=6)


def _mapped(address: ipaddress.IPv4Address) -> str:
    return f"::ffff:{address}"


@st.composite
def _patterns(draw: st.DrawFn) -> tuple[str, Address, Address]:
    """A pattern, and the first and last address that the standard library says it stands for."""
    kind = draw(st.sampled_from(["address", "network", "mapped network", "span"]))
    if kind == "address":
        address = draw(_ANY)
        return str(address), address, address
    if kind == "span":
        first, last = sorted([draw(_ANY_V4), draw(_ANY_V4)])
        return f"{first}-{last}", first, last
    address = draw(_ANY_V4) if kind == "mapped network" else draw(_ANY)
    prefix = draw(st.integers(0, address.max_prefixlen) | st.integers(24, 32))
    network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
    text = f"{address}/{prefix}"
    if kind == "mapped network" and isinstance(address, ipaddress.IPv4Address):
        text = f"{_mapped(address)}/{prefix + 96}"
    return text, network[0], network[-1]


def _slow_match(patterns: list[tuple[str, Address, Address]], address: Address) -> str | None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    for text, first, last in patterns:
        if first.version == address.version and int(first) <= int(address) <= int(last):
            return text
    return None


@given(st.lists(_patterns(), max_size=20), st.lists(_ANY, max_size=20))
def test_matching_agrees_with_trying_each_pattern(
    patterns: list[tuple[str, Address, Address]], addresses: list[Address]
) -> None:
    patterns = [entry for entry in patterns if not (entry[1].version == 6 and ":ffff:" in entry[0])]
    exclusions = compile_exclusions([text for text, _, _ in patterns], [])
    edges = [edge for _, first, last in patterns for edge in (first, last)]
    for address in [*addresses, *edges]:
        assert exclusions.match_ip(str(address)) == _slow_match(patterns, address)
        if isinstance(address, ipaddress.IPv4Address):
            assert exclusions.match_ip(_mapped(address)) == _slow_match(patterns, address)


@given(st.text(alphabet=string.hexdigits + ".:/-% \0é", max_size=60) | st.text(max_size=200))
def test_any_text_is_a_pattern_or_refused_with_a_reason(text: str) -> None:
    messages = validate_patterns([text])
    if messages:
        assert messages[0].startswith(f"{text.strip()}: ")
    else:
        found = parse_pattern(text)
        assert found.first <= found.last
    normalise_address(text)


def test_a_hundred_patterns_cost_no_more_than_one() -> None:
    patterns = [f"10.{number}.0.0/16" for number in range(100)]
    one, hundred = compile_exclusions(patterns[:1], []), compile_exclusions(patterns, [])
    assert hundred.match_ip("10.99.1.1") == "10.99.0.0/16"
    assert one.match_ip("192.0.2.1") is None
    started = time.thread_time()
    for _ in range(10_000):
        hundred.match_ip("192.0.2.1")
    assert (time.thread_time() - started) / 10_000 < 50e-6
