"""Made-up traffic: as a strategy, whose failures shrink, and from a seed, for much of it.

Events are made in the order in which they are received, which is not that in which they happened.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from tests.stats.reference import pools
from tests.stats.reference.asked import Event
from tests.stats.reference.pools import Columns, World

_T = TypeVar("_T")
_MINUTE_MS = 60_000
_GAP_MS = 30 * _MINUTE_MS
_FIRST_ID = 1 << 50


class Pick(Protocol):
    """Something that decides."""

    def __call__(self, options: Sequence[_T], /) -> _T:
        """One of the options."""


@dataclass(frozen=True)
class Traffic:
    """Events in the order of receipt, and the world that they are timed by."""

    world: World
    events: list[Event]


def random_traffic(seed: int, count: int) -> Traffic:
    """As many events; the same for the same seed."""
    chance = Random(seed)
    return _traffic(chance.choice, count)


@st.composite
def traffic(draw: st.DrawFn, *, most: int = 25) -> Traffic:
    """Up to so many events."""

    def pick(options: Sequence[_T]) -> _T:
        return draw(st.sampled_from(options))

    return _traffic(pick, draw(st.integers(0, most)))


def _traffic(pick: Pick, count: int) -> Traffic:
    world = pick(pools.WORLDS)
    events = [_event(pick, world) for _ in range(count)]
    give_ids(pick, events)
    return Traffic(world, events)


# In days, minutes and milliseconds from midnight. Clocks change between midnight and three.
_DAYS = (0, 0, 0, 0, 0, -1, 1, 1, 9, -7, -33)
_MINUTES = (
    *(0, 0, 1, 2, 4, 5, 10, 14, 15, 29, 30, 31, 45, 59, 60, 61, 89, 90, 91, 105, 119, 120, 121, 149, 150),
    *(165, 179, 180, 181, 210, 240, 270, 300, 720, 750, 1380, 1410, 1425, 1439, -1, -30, -31, -60),
)
_MILLISECONDS = (0, 0, 0, 0, 1, 999, 1000, 30_000, 59_999)


def _event(pick: Pick, world: World) -> Event:
    since = pick(_DAYS) * 24 * 60 * _MINUTE_MS + pick(_MINUTES) * _MINUTE_MS + pick(_MILLISECONDS)
    event: Event = {**pick(pools.VISITORS), "timestamp": world.midnight_ms + since}
    for pool in (pools.PAGES, pools.QUERIES, pools.SOURCES, pools.DEVICES, pools.PLACES):
        event.update(pick(pool))
    event.update(pick(_MAKERS)(pick))
    # The write path leaves empty texts out; nulls are the same to a reader.
    return {column: value for column, value in event.items() if value != ""}


def _pageview(_: Pick) -> Columns:
    return {"type": "pageview"}


def _custom_event(pick: Pick) -> Columns:
    return {
        "type": "custom_event",
        "event_name": pick(pools.EVENT_NAMES),
        "properties": pick(pools.PROPERTIES),
    }


def _performance(pick: Pick) -> Columns:
    vitals = {name: pick(pools.VITALS) for name in ("lcp", "cls", "inp", "fcp", "ttfb")}
    return {"type": "performance", "event_name": pick((None, "", "web-vitals")), **vitals}


def _outbound(pick: Pick) -> Columns:
    properties = {"url": pick(pools.LINKS), "text": pick(pools.HOSTILE), "target": "_blank"}
    return {"type": "outbound", "properties": json.dumps(properties, ensure_ascii=pick((True, False)))}


def _error(pick: Pick) -> Columns:
    properties = json.dumps(pick(pools.ERRORS))
    return {"type": "error", "event_name": pick(pools.ERROR_NAMES), "properties": properties}


_MAKERS = (
    _pageview,
    _pageview,
    _pageview,
    _pageview,
    _custom_event,
    _custom_event,
    _performance,
    _outbound,
    _error,
)


def give_ids(pick: Pick, events: list[Event]) -> None:
    """Number events in the order of receipt, and put each into a session as the contract has it.

    An event joins the nearest of its visitor's sessions whose span, widened by half an hour, contains it
    (the one that began first of those as near), and widens that; else it begins a session.
    """
    spans: dict[tuple[int, int], list[list[int]]] = {}
    number = _FIRST_ID
    for event in events:
        number += pick((1, 1, 2, 1000))
        event["id"] = number
        visitor = event["site_id"], event["user_hash"]
        event["session_id"] = _join(spans.setdefault(visitor, []), number, event["timestamp"])


def _join(spans: list[list[int]], number: int, at: int) -> int:
    """The session of an event among the spans (first, last, id) of its visitor, which it changes."""
    within_reach = [span for span in spans if span[0] - _GAP_MS <= at <= span[1] + _GAP_MS]
    if not within_reach:
        spans.append([at, at, number])
        return number
    span = min(within_reach, key=lambda each: (max(each[0] - at, at - each[1], 0), each[2]))
    span[0], span[1] = min(span[0], at), max(span[1], at)
    return span[2]


def spread(traffic: Traffic, parts: int) -> Iterator[list[Event]]:
    """The events in so many lots of nearly one size, each received after the one before."""
    cuts = [len(traffic.events) * number // parts for number in range(parts + 1)]
    for first, end in pairwise(cuts):
        yield traffic.events[first:end]


def as_line(event: Event) -> bytes:
    """The event as the journal holds it."""
    return json.dumps(event).encode() + b"\n"
