"""Visits of one day that add up to its figures; see `plausible` for what they can add up to."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, repeat
from typing import Any

from rybbit.ingest.sessions import GAP_MS

DayTable = list[tuple[Mapping[str, str], Mapping[str, int]]]
"""The rows of a table for one day: texts, and counts."""

COUNTED = {
    "visitors": ("visitors", "pageviews", "bounces", "visits", "visit_duration"),
    "pages": ("pageviews",),
    "entry_pages": ("entrances",),
    "sources": ("visits",),
    "browsers": ("visits",),
    "operating_systems": ("visits",),
    "devices": ("visits",),
    "locations": ("visits",),
    "custom_events": ("events",),
}
"""The tables that are read, and their counts."""

_MARGIN_MS = 60_000
_NONE = {"", "(not set)", "(none)", "Direct / None", "Unknown"}
_HOSTS = {
    "bing": "www.bing.com",
    "chatgpt": "chatgpt.com",
    "duckduckgo": "duckduckgo.com",
    "facebook": "www.facebook.com",
    "github": "github.com",
    "google": "www.google.com",
    "hacker news": "news.ycombinator.com",
    "instagram": "www.instagram.com",
    "linkedin": "www.linkedin.com",
    "reddit": "www.reddit.com",
    "twitter": "t.co",
    "yahoo!": "search.yahoo.com",
    "yandex": "yandex.ru",
    "youtube": "www.youtube.com",
}
_SYSTEMS = {"Mac": "macOS", "GNU/Linux": "Linux"}
_DEVICES = {"Desktop": "Desktop", "Laptop": "Desktop", "Mobile": "Mobile", "Tablet": "Tablet"}
_TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
_OUTBOUND = "Outbound Link: Click"


@dataclass(frozen=True)
class Day:
    """A day: from when to when (ms since 1970), and its tables."""

    date: date
    start_ms: int
    end_ms: int
    tables: Mapping[str, DayTable]

    def total(self, name: str) -> int:
        """A figure of the day."""
        return sum(counts[name] for _, counts in self.tables.get("visitors", ()))


@dataclass(slots=True)
class _Visit:
    visitor: str
    start_ms: int
    step_ms: int
    pages: list[tuple[str, str]]
    traits: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)


def made_events(day: Day) -> Iterator[dict[str, Any]]:
    """The events of the day, by the names of our columns, with `visitor`."""
    visits = _visits(day)
    if not visits:
        return
    own = _spread_own(day, len(visits))
    for number, visit in enumerate(visits):
        for place, (hostname, page) in enumerate(visit.pages):
            event = {**visit.traits, "visitor": visit.visitor, "type": "pageview", "pathname": page}
            event |= {"hostname": hostname, "timestamp": visit.start_ms + place * visit.step_ms}
            yield event | visit.source if place == 0 else event
        for fields in own.get(number, ()):
            common = {**visit.traits, "visitor": visit.visitor, "timestamp": visit.start_ms}
            yield {**common, "pathname": visit.pages[0][1], **fields}


def _visits(day: Day) -> list[_Visit]:
    pageviews = day.total("pageviews")
    count = min(day.total("visits"), pageviews)
    if not count:
        return []
    bounces = min(day.total("bounces"), count)
    if bounces == count and pageviews > count:
        # Somebody must have seen the others.
        bounces -= 1
    lengths = _lengths(count, bounces, pageviews)
    visitors = max(1, min(day.total("visitors"), count))
    visits = _timed(day, lengths, visitors)
    _give_pages(day, visits, lengths)
    for names, rows in _traits(day):
        for visit, values in zip(visits, rows, strict=False):
            (visit.source if names == "source" else visit.traits).update(values)
    return visits


def _lengths(count: int, bounces: int, pageviews: int) -> list[int]:
    """How many pageviews each visit has: one for bounces, which come evenly between the others."""
    staying = count - bounces
    rest = pageviews - bounces
    lengths, given = [], 0
    for number in range(count):
        # Evenly: so many of the first visits have stayed by then.
        stays = (number + 1) * staying // count > number * staying // count
        if not stays:
            lengths.append(1)
            continue
        lengths.append((given + 1) * rest // staying - given * rest // staying)
        given += 1
    return lengths


def _timed(day: Day, lengths: Sequence[int], visitors: int) -> list[_Visit]:
    """Visits through the day, those of one visitor far enough apart to be visits of their own."""
    steps = sum(length - 1 for length in lengths)
    step = min(day.total("visit_duration") * 1000 // steps, GAP_MS - _MARGIN_MS) if steps else 0
    span = day.end_ms - day.start_ms
    rounds = -(-len(lengths) // visitors)
    visits = []
    for number, length in enumerate(lengths):
        turn, visitor = divmod(number, visitors)
        room = span // rounds
        start = day.start_ms + turn * room + visitor * max(room // 2, 1) // visitors
        latest = max(room // 2 - GAP_MS - _MARGIN_MS, 0)
        fitting = min(step, latest // (length - 1)) if length > 1 else 0
        visits.append(_Visit(f"{day.date} {visitor}", start, fitting, []))
    return visits


def _give_pages(day: Day, visits: Sequence[_Visit], lengths: Sequence[int]) -> None:
    left: Counter[tuple[str, str]] = Counter()
    for texts, counts in day.tables.get("pages", ()):
        left[texts.get("hostname", ""), texts.get("page", "")] += counts["pageviews"]
    entries = chain.from_iterable(
        repeat(texts.get("entry_page", ""), counts["entrances"])
        for texts, counts in day.tables.get("entry_pages", ())
    )
    hosts: dict[str, str] = {}
    for host, page in left:
        hosts.setdefault(page, host)
    for visit, entry in zip(visits, entries, strict=False):
        key = (hosts.get(entry, ""), entry)
        if left[key] > 0:
            left[key] -= 1
            visit.pages.append(key)
    # What the tables do not name is a pageview of no known page.
    further = chain(left.elements(), repeat(("", "")))
    for visit, length in zip(visits, lengths, strict=True):
        while len(visit.pages) < length:
            visit.pages.append(next(further))


def _traits(day: Day) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """What visits have, table by table: values in a row, as often as visits had them."""
    makers = {
        "sources": _source,
        "browsers": _browser,
        "operating_systems": _system,
        "devices": _device,
        "locations": _location,
    }
    for table, make in makers.items():
        rows = day.tables.get(table, ())
        values = chain.from_iterable(repeat(make(texts), counts["visits"]) for texts, counts in rows)
        yield "source" if table == "sources" else table, values


def _known(text: str) -> str:
    return "" if text in _NONE else text


def _source(texts: Mapping[str, str]) -> dict[str, Any]:
    source = _known(texts.get("source", ""))
    referrer = _known(texts.get("referrer", ""))
    host = _HOSTS.get(source.lower(), source if "." in source and " " not in source else "")
    tags = {name: _known(texts.get(name, "")) for name in _TAGS}
    if source and not host and not referrer and not tags["utm_source"]:
        # A name that is no host came from a tag.
        tags["utm_source"] = source
    return {**tags, "referrer": f"https://{referrer or host}" if referrer or host else ""}


def _browser(texts: Mapping[str, str]) -> dict[str, Any]:
    version = _known(texts.get("browser_version", "")).partition(".")[0]
    return {"browser": _known(texts.get("browser", "")), "browser_version": version}


def _system(texts: Mapping[str, str]) -> dict[str, Any]:
    system = _known(texts.get("operating_system", ""))
    version = _known(texts.get("operating_system_version", ""))
    return {"operating_system": _SYSTEMS.get(system, system), "operating_system_version": version}


def _device(texts: Mapping[str, str]) -> dict[str, Any]:
    return {"device_type": _DEVICES.get(texts.get("device", ""), "")}


def _location(texts: Mapping[str, str]) -> dict[str, Any]:
    return {"country": _known(texts.get("country", "")), "region": _known(texts.get("region", ""))}


def _spread_own(day: Day, visits: int) -> dict[int, list[dict[str, Any]]]:
    """Events beside pageviews, in turn to the visits."""
    given: dict[int, list[dict[str, Any]]] = {}
    number = 0
    for texts, counts in day.tables.get("custom_events", ()):
        for _ in range(counts["events"]):
            given.setdefault(number % visits, []).append(_own_event(texts))
            number += 1
    return given


def _own_event(texts: Mapping[str, str]) -> dict[str, Any]:
    url = _known(texts.get("link_url", ""))
    path = {"pathname": path} if (path := _known(texts.get("path", ""))) else {}
    if texts.get("name") == _OUTBOUND and url:
        return {"type": "outbound", "properties": json.dumps({"url": url}), **path}
    properties = {"properties": json.dumps({"url": url})} if url else {}
    return {"type": "custom_event", "event_name": texts.get("name", ""), **properties, **path}
