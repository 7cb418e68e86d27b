"""Writes tiny databases in MaxMind's format (https://maxmind.github.io/MaxMind-DB/) for tests."""

import struct
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

_SEPARATOR = b"\0" * 16
_METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"
_UTF8, _DOUBLE, _UINT16, _UINT32, _MAP, _INT32, _UINT64, _ARRAY, _BOOLEAN = 2, 3, 5, 6, 7, 8, 9, 11, 14


class _Uint16(int):
    """A number that readers want in two bytes."""


class _Uint64(int):
    """A number that readers want in eight bytes."""


BUILD_EPOCH = 1_700_000_000  # 2023-11-14


def city_record(
    country: str,
    *,
    city: str = "",
    region_code: str = "",
    region_name: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
    timezone: str = "",
) -> dict[str, Any]:
    """A record as city databases have it; what is not given is left out of it."""
    subdivision = _without_blanks({"iso_code": region_code, "names": _names(region_name)})
    location = {"latitude": latitude, "longitude": longitude, "time_zone": timezone}
    return _without_blanks(
        {
            "country": {"iso_code": country, "names": {"en": f"Land {country}"}},
            "city": _without_blanks({"names": _names(city)}),
            "subdivisions": [subdivision] if subdivision else [],
            "location": _without_blanks(location),
        }
    )


def write_database(
    path: Path,
    records: Mapping[str, Any],
    *,
    database_type: str = "GeoLite2-City",
    ip_version: int = 6,
    build_epoch: int = BUILD_EPOCH,
) -> None:
    """Write a database that knows the given networks, none inside another, and nothing else."""
    path.write_bytes(
        encode_database(records, database_type=database_type, ip_version=ip_version, build_epoch=build_epoch)
    )


def encode_database(
    records: Mapping[str, Any],
    *,
    database_type: str = "GeoLite2-City",
    ip_version: int = 6,
    build_epoch: int = BUILD_EPOCH,
) -> bytes:
    """The bytes of such a database."""
    data = b""
    nodes: list[list[int | None]] = [[None, None]]
    leaves: list[tuple[int, int, int]] = []
    for network, record in records.items():
        node, side = _descend(nodes, network, ip_version)
        leaves.append((node, side, len(data)))
        data += _encode(record)
    for node, side, offset in leaves:
        nodes[node][side] = len(nodes) + len(_SEPARATOR) + offset
    numbers = (len(nodes) if record is None else record for pair in nodes for record in pair)
    metadata = {
        "binary_format_major_version": _Uint16(2),
        "binary_format_minor_version": _Uint16(0),
        "build_epoch": _Uint64(build_epoch),
        "database_type": database_type,
        "description": {"en": "Made by a test"},
        "ip_version": _Uint16(ip_version),
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": _Uint16(32),
    }
    tree = b"".join(struct.pack(">I", number) for number in numbers)
    return tree + _SEPARATOR + data + _METADATA_MARKER + _encode(metadata)


def _descend(nodes: list[list[int | None]], text: str, ip_version: int) -> tuple[int, int]:
    """Make the nodes on the way to a network; returns the last one and the side that it is on."""
    network = ip_network(text)
    bits, length = int(network.network_address), network.prefixlen
    width = 128 if ip_version == 6 else 32
    if network.version == 4:
        length += width - 32
    node = 0
    for depth in range(length - 1):
        side = (bits >> (width - 1 - depth)) & 1
        following = nodes[node][side]
        if following is None:
            following = nodes[node][side] = len(nodes)
            nodes.append([None, None])
        node = following
    return node, (bits >> (width - length)) & 1


def _encode(value: Any) -> bytes:
    if isinstance(value, bool):
        return _control(_BOOLEAN, int(value))
    if isinstance(value, str):
        content = value.encode()
        return _control(_UTF8, len(content)) + content
    if isinstance(value, float):
        return _control(_DOUBLE, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        return _encode_integer(value)
    if isinstance(value, Mapping):
        pairs = (_encode(key) + _encode(item) for key, item in value.items())
        return _control(_MAP, len(value)) + b"".join(pairs)
    return _control(_ARRAY, len(value)) + b"".join(_encode(item) for item in value)


def _encode_integer(value: int) -> bytes:
    if value < 0:
        return _control(_INT32, 4) + struct.pack(">i", value)
    kind = _UINT16 if isinstance(value, _Uint16) else _UINT64 if isinstance(value, _Uint64) else _UINT32
    content = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _control(kind, len(content)) + content


def _control(kind: int, size: int) -> bytes:
    extended = b"" if kind <= 7 else bytes([kind - 7])
    first = kind << 5 if kind <= 7 else 0
    if size < 29:
        return bytes([first | size]) + extended
    if size < 285:
        return bytes([first | 29]) + extended + bytes([size - 29])
    return bytes([first | 30]) + extended + (size - 285).to_bytes(2, "big")


def _names(name: str) -> dict[str, str]:
    return {"en": name} if name else {}


def _without_blanks(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
