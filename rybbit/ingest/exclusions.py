"""Addresses and countries whose events a site does not want."""

import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

logger = logging.getLogger(__name__)

_LONGEST = 64
"""Longer than any address that can be written; bounds what the caches hold."""

_REMEMBERED = 16_384

_BITS = {4: 32, 6: 128}


class AddressRange(NamedTuple):
    """A span of addresses of one IP version, both ends included, as numbers."""

    version: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Table:
    """`rules[i]` holds from `starts[i]` up to the next start; None where no pattern matches."""

    starts: tuple[int, ...]
    rules: tuple[str | None, ...]

    def rule_at(self, number: int) -> str | None:
        return self.rules[bisect_right(self.starts, number) - 1]


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What one site excludes, ready to be asked for every event; never changes."""

    _tables: Mapping[int, _Table]
    _countries: Mapping[str, str]

    def match_ip(self, address: str) -> str | None:
        """The pattern, as written, that excludes `address`; the first one in the list if several do.

        None if there is no such pattern, or `address` is not an IP address. An IPv4-mapped IPv6
        address counts as the IPv4 address.
        """
        if not self._tables:
            return None
        parsed = _parse_address(address)
        if parsed is None:
            return None
        table = self._tables.get(parsed.version)
        return table.rule_at(int(parsed)) if table else None

    def match_country(self, code: str) -> str | None:
        """The excluded country, as written, that an upper-case ISO code names; None if it is welcome."""
        return self._countries.get(code)


def compile_exclusions(patterns: Sequence[str], countries: Sequence[str]) -> Exclusions:
    """Prepare a site's lists of patterns and country codes for matching.

    The lists are expected to have passed `validate_patterns`; a pattern that cannot be read excludes
    nothing, and one log line says how many there are, since events must not be refused for it.
    """
    ranges: dict[int, list[tuple[AddressRange, str]]] = {}
    unreadable = 0
    for pattern in patterns:
        try:
            found = parse_pattern(pattern)
        except ValueError:
            unreadable += 1
        else:
            ranges.setdefault(found.version, []).append((found, pattern))
    if unreadable:
        logger.warning("%d excluded addresses of a site cannot be read and are ignored", unreadable)
    tables = {version: _build_table(entries) for version, entries in ranges.items()}
    return Exclusions(tables, {country.strip().upper(): country for country in countries})


def validate_patterns(patterns: Sequence[str]) -> list[str]:
    """The messages `PATTERN: why` for those patterns that cannot be read, in their order."""
    messages = []
    for pattern in patterns:
        try:
            parse_pattern(pattern)
        except ValueError as error:
            messages.append(f"{pattern.strip()}: {error}")
    return messages


def parse_pattern(text: str) -> AddressRange:
    """The addresses that an exclusion pattern stands for.

    A pattern is an address, a CIDR range (host bits allowed) or an IPv4 range `a-b`; blanks around
    it and its parts do not count. IPv4-mapped IPv6 addresses stand for the IPv4 ones, in CIDR ranges
    as well (`::ffff:10.0.0.0/104` is `10.0.0.0/8`). Raises `ValueError` with a short reason.
    """
    text = text.strip()
    if not text:
        raise ValueError("empty pattern")
    if "%" in text:
        raise ValueError("zone ids are not allowed")
    if "/" in text:
        return _parse_network(text)
    if "-" in text:
        return _parse_span(text)
    address = _require_address(text)
    return AddressRange(address.version, int(address), int(address))


def normalise_address(text: str) -> str | None:
    """The canonical text of an IP address, None if it is none; IPv4-mapped IPv6 becomes IPv4."""
    return _canonical(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=_REMEMBERED)
def _canonical(text: str) -> str | None:
    address = _read(text)
    return None if address is None else str(address)


def _parse_network(text: str) -> AddressRange:
    written, _, prefix_text = text.partition("/")
    prefix_text = prefix_text.strip()
    address = _require_address(written)
    # A mapped address counts its prefix from the start of the 128 bits.
    offset = 96 if address.version == 4 and ":" in written else 0
    if not (prefix_text.isascii() and prefix_text.isdigit() and len(prefix_text) <= 3):
        raise ValueError("the prefix length is not a number")
    prefix = int(prefix_text) - offset
    bits = _BITS[address.version]
    if not 0 <= prefix <= bits:
        raise ValueError(f"the prefix length must be {offset} to {offset + bits}")
    hosts = (1 << (bits - prefix)) - 1
    first = int(address) & ~hosts
    return AddressRange(address.version, first, first | hosts)


def _parse_span(text: str) -> AddressRange:
    first_text, _, last_text = text.partition("-")
    first, last = _require_address(first_text), _require_address(last_text)
    if first.version != 4 or last.version != 4:
        raise ValueError("ranges from-to are for IPv4 only")
    if int(first) > int(last):
        raise ValueError("the range ends before it starts")
    return AddressRange(4, int(first), int(last))


def _require_address(text: str) -> IPv4Address | IPv6Address:
    address = _parse_address(text)
    if address is None:
        raise ValueError("not an IP address")
    return address


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    return _parse_short(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=_REMEMBERED)
def _parse_short(text: str) -> IPv4Address | IPv6Address | None:
    return _read(text)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        return None
    return address.ipv4_mapped or address


def _build_table(entries: Sequence[tuple[AddressRange, str]]) -> _Table:
    """Cut the number line wherever a range begins or ends, and note the first pattern of each piece."""
    cuts = {0}
    for found, _ in entries:
        cuts |= {found.first, found.last + 1}
    starts: list[int] = []
    rules: list[str | None] = []
    for cut in sorted(cuts):
        rule = next((text for found, text in entries if found.first <= cut <= found.last), None)
        if not rules or rule != rules[-1]:
            starts.append(cut)
            rules.append(rule)
    return _Table(tuple(starts), tuple(rules))
