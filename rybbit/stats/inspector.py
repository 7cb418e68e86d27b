"""What reached a site in the last hour, kept and not kept: "I sent an event, where is it?" in one look.

Kept events come from the store, where they are from the moment of their acknowledgement; the others come
from the file that the ingest keeps for an hour, where they are within a second.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.store.base import EventStore, Scope
from rybbit.store.event import first_id_at, received_ms
from rybbit.store.unkept import MOST, SHOWN_MS, UnkeptFile

# An id is given a moment before its event can be read, and another worker's later one may be read first.
_OVERLAP_MS = 5_000
_LARGEST_ID = 2**63 - 1
_CURSOR = re.compile(r"[0-9a-f]{1,16}(-[0-9a-f]{1,16}){2}")
# Of so many it is not told whether one of them is late.
_TOO_MANY = MOST + 1

_SIMPLE_SOURCES = {
    "ip_address": "The event names it in ip_address, under a key.",
    "host": "The app that this server is mounted in names it.",
}
_KEPT_COLUMNS = (
    *("id", "timestamp", "type", "hostname", "pathname", "event_name", "ip"),
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("country", "region", "city"),
)
_SELECTED = ", ".join("epoch_ms(timestamp)" if name == "timestamp" else name for name in _KEPT_COLUMNS)
# By id, which has the moment of receipt in it: an event's own timestamp may be years ago.
_KEPT = f"""
select {_SELECTED} from events where site_id = $site_id and id > $after order by id desc limit $limit
"""


@dataclass(frozen=True, slots=True)
class InspectorPage:
    """The newest of what reached a site, the newest first; `cursor` is where the next look begins.

    A row has `id` (text; starts with a letter), `time` and `timestamp` (ISO 8601; of receipt, and the event's
    own), `outcome` (`kept`, `filtered`, `refused`), `status`, `reason`, `rule`, `error`, `type`, `hostname`,
    `pathname`, `event_name`, `address`, `address_from` (`source`, `peer`, `forwarded_for`, `trusted`; None
    for kept events, of which it is not stored), `address_why` (a sentence), `user_agent` (of kept ones None),
    `browser`, `browser_version`, `operating_system`, `operating_system_version`, `device_type`, `country`,
    `region`, `city`, `key` (an id), `request` and `request_note` (of refused ones). Texts come from outside:
    hostile wherever they are shown.
    """

    rows: list[dict[str, Any]]
    cursor: str


class _Cursor(NamedTuple):
    """The last look: the newest kept id, how many kept ids it had seen near it, the newest unkept id."""

    kept: int = 0
    seen: int = 0
    unkept: int = 0

    @classmethod
    def read(cls, text: str | None) -> Self:
        if not text:
            return cls()
        if not _CURSOR.fullmatch(text):
            raise InvalidInput({"since": ["Must be the cursor of an earlier answer"]})
        kept, seen, unkept = (min(int(part, 16), _LARGEST_ID) for part in text.split("-"))
        return cls(kept, min(seen, _TOO_MANY), unkept)

    def __str__(self) -> str:
        return "-".join(f"{number:x}" for number in self)

    @property
    def overlap(self) -> int:
        """The id above which events may have come to light since."""
        return _beginning_of_overlap(self.kept)


def inspector_page(
    store: EventStore,
    unkept: UnkeptFile,
    site_id: int,
    *,
    limit: int = 100,
    since: str | None = None,
    with_addresses: bool = False,
) -> InspectorPage:
    """What reached a site in the last hour, or after the `cursor` of an earlier page; at most `limit` rows.

    Nothing is left out between two pages unless more than `limit` came. A row comes twice only in the rare
    case that an event of the last seconds came to light after a later one; tell rows apart by `id`.
    `with_addresses` is for kept events; what is shown of the others was decided when they came.

    Raises:
        InvalidInput: `since` is no cursor.
    """
    cursor = _Cursor.read(since)
    limit = min(limit, MOST)
    kept, after = _kept_since(store, site_id, cursor, limit)
    others = unkept.read(site_id, after=cursor.unkept, limit=limit)
    rows = [_kept_row(row, with_address=with_addresses) for row in kept]
    rows += [_unkept_row(number, data) for number, data in others]
    rows.sort(key=lambda row: (row["time"], row["id"]), reverse=True)
    after = after._replace(unkept=others[0][0] if others else cursor.unkept)
    return InspectorPage([_shown(row) for row in rows[:limit]], str(after))


def _kept_since(
    store: EventStore, site_id: int, cursor: _Cursor, limit: int
) -> tuple[list[dict[str, Any]], _Cursor]:
    """Kept events that the last look did not show, the newest first, and where this look ended."""
    oldest = first_id_at(clock.now_ms() - SHOWN_MS) - 1
    # Beyond `limit` of new ones, those of the overlap that were shown before have to be met again.
    reach = limit + cursor.seen
    parameters = {"site_id": site_id, "after": max(oldest, cursor.overlap), "limit": reach}
    found = store.query(_KEPT, parameters, scope=Scope(site_id))
    rows = [dict(zip(_KEPT_COLUMNS, row, strict=True)) for row in found]
    new = [row for row in rows if row["id"] > cursor.kept]
    newest = max(cursor.kept, rows[0]["id"] if rows else 0)
    beginning = _beginning_of_overlap(newest)
    seen = min(sum(row["id"] > beginning for row in rows), _TOO_MANY)
    has_late = cursor.seen < _TOO_MANY and len(rows) < reach and len(rows) - len(new) > cursor.seen
    return (rows if has_late else new)[:limit], _Cursor(newest, seen)


def explain_address(row: Mapping[str, Any]) -> str:
    """Why a row's address is the one that counts, as a sentence; "" where it is not known (a kept event)."""
    origin = row.get("address_from")
    if origin is None:
        return ""
    if origin["source"] in _SIMPLE_SOURCES:
        return _SIMPLE_SOURCES[origin["source"]]
    trusted = ", ".join(f"{hop['address'] or 'the proxy'} ({hop['range']})" for hop in origin["trusted"])
    if origin["source"] == "x-forwarded-for":
        return f"X-Forwarded-For names it, and is believed because of the trusted proxies: {trusted}."
    came = f"The connection came from {origin['peer'] or 'an address that is not kept'}"
    if not origin["forwarded_for"]:
        return f"{came}."
    if trusted:
        return f"{came}, a trusted proxy, but its X-Forwarded-For names no address."
    return f"{came}, which is not among the trusted proxies; so its X-Forwarded-For does not count."


def _beginning_of_overlap(event_id: int) -> int:
    return max(0, first_id_at(received_ms(event_id) - _OVERLAP_MS)) if event_id else 0


def _kept_row(row: dict[str, Any], *, with_address: bool) -> dict[str, Any]:
    texts = {name: row[name] or "" for name in _KEPT_COLUMNS[2:] if name != "ip"}
    return {
        "id": f"k{row['id']:016x}",
        "time": received_ms(row["id"]),
        "timestamp": row["timestamp"],
        "outcome": "kept",
        "status": 200,
        "reason": None,
        "rule": "",
        "error": "",
        **texts,
        "address": (row["ip"] or "") if with_address else "",
        "address_from": None,
        "user_agent": None,
        "key": None,
        "request": None,
        "request_note": None,
    }


def _unkept_row(number: int, data: str) -> dict[str, Any]:
    return {"id": f"u{number:016x}", "timestamp": None, **json.loads(data)}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("time", "timestamp"):
        if row[name] is not None:
            row[name] = clock.to_iso(clock.from_ms(row[name]))
    row["address_why"] = explain_address(row)
    return row
