"""What somebody does on a visit of the demo: pages in turn, and what happens on them."""

import json
import random
from collections.abc import Mapping

from rybbit.transfer import demo_world as world

_BOUNCES = 0.44
_GOES_ON = 0.62
_MOST_PAGES = 24
_BUYS = 0.05
_SIGNS_UP = 0.03
_LONGEST_STAY_MS = 20 * 60_000
_MEAN_STAY_MS = 38_000
# Parts of pageviews with which something else happens.
_MEASURED, _LEAVES, _FAILS, _SEARCHES = 0.12, 0.03, 0.008, 0.02
_LATER = b'"channel":"Direct",'


class Visit:
    """One session: `body` is what its events have in common, `session_id` 0 until the first is named."""

    __slots__ = ("body", "session_id")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.session_id = 0


Script = tuple[int, int, Visit, bytes]
"""A moment, a number that no other event has, the visit, and the event's own columns, the end of a line."""


def fragment(columns: Mapping[str, object]) -> bytes:
    """Columns in the middle of a JSON object: those that hold something, and a comma at the end."""
    filled = {name: value for name, value in columns.items() if value is not None and value != ""}
    return json.dumps(filled, separators=(",", ":"), ensure_ascii=False)[1:-1].encode() + b","


def _last(**columns: object) -> bytes:
    return fragment(columns)[:-1] + b"}\n"


def _happening(kind: str, page: world.Page, name: str, **properties: object) -> bytes:
    text = json.dumps(properties, separators=(",", ":")) if properties else None
    return _last(type=kind, pathname=page.pathname, page_title=page.title, event_name=name, properties=text)


class _Place:
    """A page as journal lines have it."""

    __slots__ = ("page", "view")

    def __init__(self, page: world.Page) -> None:
        self.page = page
        self.view = _last(type="pageview", pathname=page.pathname, page_title=page.title)


_PLACES = [_Place(page) for page in world.PAGES]
_CART, _CHECKOUT, _THANKS, _SIGN_UP = (
    _Place(page) for page in (world.CART, world.CHECKOUT, world.THANKS, world.SIGN_UP)
)
_ENTRIES = [place for place in _PLACES for _ in range(max(1, round(place.page.entries * 20)))]
_FURTHER = [place for place in _PLACES for _ in range(max(1, round(place.page.weight * 20)))]


class VisitWriter:
    """Writes visits; what happens is drawn from `chance`, and nothing happens from `end_ms` on."""

    def __init__(self, chance: random.Random, end_ms: int) -> None:
        self._chance = chance
        self._end_ms = end_ms
        self._number = 0

    def write(self, visit: Visit, moment: int, source: bytes) -> list[Script]:
        """The events of a visit that begins at a moment (ms since 1970), in their order."""
        chance, number = self._chance, self._number
        events: list[Script] = []
        source_or_not = source
        for place in self._way():
            if moment >= self._end_ms:
                break
            number += 1
            events.append((moment, number, visit, source_or_not + place.view))
            source_or_not = _LATER
            if chance.random() < _MEASURED + _LEAVES + _FAILS + _SEARCHES:
                number += 1
                events.append((moment + 900, number, visit, _LATER + self._side_event(place.page)))
            elif place is _THANKS or place is _SIGN_UP:
                number += 1
                events.append((moment + 1_500, number, visit, _LATER + self._outcome(place)))
            stay = int(chance.expovariate(1.0) * _MEAN_STAY_MS)
            moment += 2_000 + min(stay, _LONGEST_STAY_MS)
        self._number = number
        return [event for event in events if event[0] < self._end_ms]

    def _way(self) -> list[_Place]:
        chance = self._chance
        way = [_ENTRIES[int(chance.random() * len(_ENTRIES))]]
        if chance.random() < _BOUNCES:
            return way
        way.append(self._further())
        while chance.random() < _GOES_ON and len(way) < _MOST_PAGES:
            way.append(self._further())
        fate = chance.random()
        if fate < _BUYS:
            # Of those with a basket, some give up at each step.
            way += (_CART, _CHECKOUT, _THANKS)[: 1 + int(chance.random() * 5)]
        elif fate < _BUYS + _SIGNS_UP:
            way.append(_SIGN_UP)
        return way

    def _further(self) -> _Place:
        return _FURTHER[int(self._chance.random() * len(_FURTHER))]

    def _side_event(self, page: world.Page) -> bytes:
        chance = self._chance
        kind = chance.random() * (_MEASURED + _LEAVES + _FAILS + _SEARCHES)
        if kind < _MEASURED:
            return self._measured(page)
        if kind < _MEASURED + _LEAVES:
            url, text = chance.choice(world.OUTBOUND)
            return _happening("outbound", page, "", url=url, text=text, target="_blank")
        if kind < _MEASURED + _LEAVES + _SEARCHES:
            results = int(chance.random() * 40)
            return _happening(
                "custom_event", page, "search", term=chance.choice(world.SEARCHES), results=results
            )
        name, message, file, line = chance.choice(world.ERRORS)
        stack = f"{name}: {message}\n    at {file}:{line}:7"
        place = {"fileName": file, "lineNumber": line, "columnNumber": 7}
        return _happening("error", page, name, message=message, stack=stack, **place)

    def _measured(self, page: world.Page) -> bytes:
        chance = self._chance
        speed = chance.lognormvariate(0, 0.45)
        return _last(
            type="performance",
            pathname=page.pathname,
            lcp=round(1_800 * speed, 1),
            cls=round(0.03 * chance.lognormvariate(0, 1), 4),
            inp=round(110 * chance.lognormvariate(0, 0.6), 1),
            fcp=round(1_100 * speed, 1),
            ttfb=round(320 * speed, 1),
        )

    def _outcome(self, place: _Place) -> bytes:
        chance = self._chance
        if place is _SIGN_UP:
            plan = chance.choice(("gardener", "gardener", "professional"))
            return _happening("custom_event", place.page, "sign_up", plan=plan)
        amount = round(chance.lognormvariate(3.7, 0.6), 2)
        items = 1 + int(chance.expovariate(0.9))
        return _happening("custom_event", place.page, "purchase", amount=amount, currency="EUR", items=items)
