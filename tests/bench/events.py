"""Plausible events for benchmarks, written as closed journal files that the mover takes."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from rybbit.store.event import first_id_at

DAY_MS = 86_400_000
PER_FILE = 50_000

_PAGES = [f"/articles/{number}-how-to-do-the-thing-number-{number}" for number in range(2_000)]
_TITLES = [f"How to do the thing number {number} | Example" for number in range(2_000)]
_REFERRERS = [
    ("", "", "Direct"),
    ("https://www.google.com/", "google.com", "Organic Search"),
    ("https://news.ycombinator.com/item?id=4242424", "news.ycombinator.com", "Referral"),
    ("https://www.reddit.com/r/python/comments/abc123/", "reddit.com", "Organic Social"),
]
_CITIES = [
    (f"City {number}", f"Region {number % 60}", "DE" if number % 3 else "US") for number in range(3_000)
]
_BROWSERS = [("Chrome", "126"), ("Chrome", "127"), ("Firefox", "128"), ("Safari", "17"), ("Edge", "126")]
_SYSTEMS = [("Windows", "10"), ("Mac OS X", "10.15.7"), ("iOS", "17.5"), ("Android", "14"), ("Linux", "")]


def event_lines(count: int, *, sites: int, days: int, end_ms: int, seed: int = 1) -> Iterator[str]:
    """Sessions of one to nine pageviews, spread evenly over the days before `end_ms`, in order of receipt."""
    chance = random.Random(seed)
    step = days * DAY_MS / count
    visits: list[dict[str, object]] = []
    for index in range(count):
        now = int(end_ms - days * DAY_MS + index * step)
        event_id = first_id_at(now) + index % 1_000
        if len(visits) < 200 or chance.random() < 0.3:
            visit = _visit(chance, event_id, 1 + chance.randrange(sites))
            visits.append(visit)
            if len(visits) > 400:
                visits.pop(chance.randrange(len(visits)))
        else:
            visit = chance.choice(visits)
        page = min(int(chance.paretovariate(0.7)), len(_PAGES)) - 1
        event = {
            "id": event_id,
            **visit,
            "timestamp": now,
            "pathname": _PAGES[page],
            "page_title": _TITLES[page],
        }
        yield json.dumps(event, separators=(",", ":"))


def _visit(chance: random.Random, session_id: int, site_id: int) -> dict[str, object]:
    referrer, domain, channel = chance.choice(_REFERRERS)
    city, region, country = chance.choice(_CITIES)
    browser, version = chance.choice(_BROWSERS)
    system, system_version = chance.choice(_SYSTEMS)
    visit: dict[str, object] = {
        "session_id": session_id,
        "user_hash": chance.randrange(-(2**63), 2**63),
        "site_id": site_id,
        "type": "pageview",
        "hostname": "www.example.com",
        "referrer": referrer,
        "referrer_domain": domain,
        "channel": channel,
        "browser": browser,
        "browser_version": version,
        "operating_system": system,
        "operating_system_version": system_version,
        "device_type": "Desktop",
        "language": chance.choice(("en-US", "de-DE", "fr-FR")),
        "country": country,
        "region": region,
        "city": city,
        "timezone": "Europe/Berlin",
        "lat": round(chance.uniform(-60, 60), 4),
        "lon": round(chance.uniform(-180, 180), 4),
        "screen_width": 1920,
        "screen_height": 1080,
    }
    return {name: value for name, value in visit.items() if value != ""}


def write_journal(folder: Path, lines: Iterator[str], *, born_ms: int) -> None:
    """Write lines as closed journal files of the size that a busy server makes."""
    part = 0
    while chunk := [line for _, line in zip(range(PER_FILE), lines, strict=False)]:
        (folder / f"{born_ms}-bench-{part:06d}.jsonl").write_text("\n".join(chunk) + "\n")
        part += 1
