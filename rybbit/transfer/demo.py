"""Plausible traffic, made up: the same for the same seed, in order of time, as lines of the journal.

Visitors come by the hour and the day of the week, some again and again, from places, devices, sources and
campaigns as in `demo_world`; they read, search, leave by links, meet errors, sign up and buy.
"""

import json
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rybbit.ingest.channel import classify, referrer_domain, split_query
from rybbit.store.event import loaded_id_at
from rybbit.transfer import demo_world as world
from rybbit.transfer.demo_visits import Script, Visit, VisitWriter, fragment

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

_GAP_MS = 30 * 60_000
_RETURNING = 0.36
_NAMED = 0.07
_REMEMBERED = 20_000
_GROWTH = 0.35
_TABLE = 2048


@dataclass(frozen=True, slots=True)
class Target:
    """A site to be filled; `hash_named` gives the number of a visitor with a name."""

    site_id: int
    hostname: str
    hash_named: Callable[[str], int]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """How much traffic, of when; `load` is the number that the events' ids carry (`loaded_id_at`)."""

    targets: Sequence[Target]
    events: int
    start_ms: int
    end_ms: int
    seed: int = 1
    load: int = 0


def demo_lines(demo: Demo) -> Iterator[bytes]:
    """Journal lines of exactly so many events, in the order of their time."""
    last_id = 0
    for moment, _, visit, tail in _events(demo):
        last_id = max(last_id + 1, loaded_id_at(moment, demo.load))
        if not visit.session_id:
            visit.session_id = last_id
        yield b'{"id":%d,"session_id":%d,"timestamp":%d,%b%b' % (
            last_id,
            visit.session_id,
            moment,
            visit.body,
            tail,
        )


def _events(demo: Demo) -> Iterator[Script]:
    """The events hour by hour: no later visit begins before what is given away."""
    chance = random.Random(demo.seed)
    crowd = _Crowd(chance, demo.targets)
    writer = VisitWriter(chance, demo.end_ms)
    waiting: list[Script] = []
    made = 0
    for start, end, total in _plan(demo, chance):
        while made < total:
            begin = start + int(chance.random() * (end - start))
            person = crowd.somebody(begin)
            events = writer.write(Visit(person.body), begin, crowd.pick_source())[: total - made]
            person.free_at = events[-1][0] + _GAP_MS
            waiting += events
            made += len(events)
        waiting.sort()
        ready = bisect_left(waiting, (end,))
        yield from waiting[:ready]
        del waiting[:ready]
    yield from waiting


def _plan(demo: Demo, chance: random.Random) -> list[tuple[int, int, int]]:
    """The hours: begin, end, and how many events there shall be by then."""
    starts = range(demo.start_ms - demo.start_ms % HOUR_MS, demo.end_ms, HOUR_MS)
    hours = [(max(start, demo.start_ms), min(start + HOUR_MS, demo.end_ms)) for start in starts]
    days = {start // DAY_MS: 1.0 for start, _ in hours}
    days = {day: chance.uniform(0.85, 1.15) for day in days}
    length = max(demo.end_ms - demo.start_ms, 1)
    weights = []
    for start, end in hours:
        growth = 1 + _GROWTH * (start - demo.start_ms) / length
        weights.append(_busyness(start) * days[start // DAY_MS] * growth * (end - start))
    plan, sum_so_far, whole = [], 0.0, sum(weights)
    for (start, end), weight in zip(hours, weights, strict=True):
        sum_so_far += weight
        plan.append((start, end, round(demo.events * min(sum_so_far / whole, 1.0))))
    return plan


def _busyness(start: int) -> float:
    total = 0.0
    for offset, weight in world.OFFSETS:
        hours = start // HOUR_MS + int(offset)
        # 1970 began on a Thursday.
        total += weight * world.HOURS[hours % 24] * world.WEEKDAYS[(hours // 24 + 3) % 7]
    return total


class _Person:
    """A visitor as journal lines have them, and from when on another visit is one of its own."""

    __slots__ = ("body", "free_at")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.free_at = 0


class _Crowd:
    """Who comes, and from where."""

    def __init__(self, chance: random.Random, targets: Sequence[Target]) -> None:
        self._chance = chance
        self._targets = targets
        self._places = spread(world.PLACES, [_place_columns(place) for place in world.PLACES])
        self._devices = spread(world.DEVICES, [_device_columns(device) for device in world.DEVICES])
        self._sources = spread(world.SOURCES, [_source_columns(source) for source in world.SOURCES])
        self._known: list[_Person] = []
        self._named = 0

    def pick_source(self) -> bytes:
        """The columns of where a visit came from."""
        return self._sources[int(self._chance.random() * _TABLE)]

    def somebody(self, moment: int) -> _Person:
        """A visitor for a visit that begins then: a new one, or one who was here before."""
        chance, known = self._chance, self._known
        if known and chance.random() < _RETURNING:
            person = known[int(chance.random() * len(known))]
            if person.free_at < moment:
                return person
        person = self._newcomer()
        if len(known) < _REMEMBERED:
            known.append(person)
        else:
            known[int(chance.random() * _REMEMBERED)] = person
        return person

    def _newcomer(self) -> _Person:
        chance = self._chance
        targets = self._targets
        target = targets[0] if len(targets) == 1 else targets[int(chance.random() * len(targets))]
        if chance.random() < _NAMED:
            self._named += 1
            name = f"customer-{self._named:05d}"
            who = b'"user_hash":%d,"user_id":"%b",' % (target.hash_named(name), name.encode())
        else:
            who = b'"user_hash":%d,' % (chance.getrandbits(64) - 2**63)
        place = self._places[int(chance.random() * _TABLE)]
        device = self._devices[int(chance.random() * _TABLE)]
        where = b'"site_id":%d,"hostname":"%b",' % (target.site_id, target.hostname.encode())
        return _Person(where + who + place + device)


def spread(items: Sequence[Any], values: Sequence[bytes]) -> list[bytes]:
    """A table of values as often as the weights of their items say; a pick is one look at a random place."""
    whole = sum(item.weight for item in items)
    table: list[bytes] = []
    sum_so_far = 0.0
    for item, value in zip(items, values, strict=True):
        sum_so_far += item.weight
        table += [value] * (round(_TABLE * sum_so_far / whole) - len(table))
    return table


def _place_columns(place: world.Place) -> bytes:
    return fragment(place._asdict() | {"weight": None})


def _device_columns(device: world.Device) -> bytes:
    return fragment(device._asdict() | {"weight": None})


def _source_columns(source: world.Source) -> bytes:
    query = split_query(source.querystring)
    host = referrer_domain(source.referrer)
    columns = {
        "referrer": source.referrer,
        "referrer_domain": host,
        "channel": classify(query=query, referrer_host=host, hostname=""),
        "querystring": source.querystring,
        "url_parameters": json.dumps(query.parameters, separators=(",", ":")) if query.parameters else None,
        "utm_source": query.utm_source,
        "utm_medium": query.utm_medium,
        "utm_campaign": query.utm_campaign,
        "utm_term": query.utm_term,
        "utm_content": query.utm_content,
    }
    return fragment(columns)
