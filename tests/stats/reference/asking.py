"""Questions to put to made-up traffic: periods and filters, drawn so that they hit something."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.stats.reference import pools
from tests.stats.reference.asked import Asked
from tests.stats.reference.buckets import day_start
from tests.stats.reference.dimensions import NUMBERS, PAGE, VISIT, VISITOR, event_value
from tests.stats.reference.pools import World
from tests.stats.reference.traffic import Pick
from tests.stats.reference.traits import iso

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS

URL_PARAMETERS = tuple(f"url_param:{name}" for name in pools.URL_PARAMETER_NAMES if name)
DIMENSIONS = (*VISITOR, *PAGE, *VISIT, "event_name", *URL_PARAMETERS)
TYPES = (
    *("equals", "not_equals", "contains", "not_contains", "regex", "not_regex"),
    *("greater_than", "less_than"),
)
_NUMBER_TYPES = ("equals", "not_equals", "greater_than", "less_than")
_NUMBERS: tuple[str | float, ...] = (0, 1, 2, 10, 18.2, 99, "126", "-3", 44.0, 52.52, "-123", 2026, -0.5)
_PATTERNS = (
    *(
        "^/a",
        "a$",
        "A",
        "a.b",
        "two.lines",
        "^$",
        "",
        "[0-9]+",
        r"\d{2}",
        r"\bevil\b",
        "(Home|Also)",
        "x{100}",
    ),
    *("^[^/]", r"\s", "[🦊ü]", "^.$", "שלום", r"\\", "'", "^(Direct|Email)$", "google", "e(r|m)"),
)
_PIECES = ("", "a", "A", "/", "'", "e", "1", ".", "%", "_", "\n", "🦊", "שלום", '"', "\\", "google", "Home")


@dataclass(frozen=True)
class Asking:
    """One question for both sides; `arguments` are how the API is told its period."""

    arguments: Mapping[str, str]
    asked: Asked


def make_asking(pick: Pick, world: World, *, most_filters: int = 3) -> Asking:
    """A question about the traffic of a world."""
    zone = pick((world.zone, world.zone, *pools.ZONES))
    arguments, start, end = pick(_PERIODS)(pick, world, zone)
    arguments = {"time_zone": zone, **arguments}
    filters = [_filter(pick) for _ in range(pick(range(most_filters + 1)))]
    site_id = pick((pools.SITE, pools.SITE, pools.SITE, pools.OTHER_SITE))
    return Asking(arguments, Asked(site_id, start, end, zone, filters, world.now_ms))


_Drawn = tuple[Mapping[str, str], int | None, int | None]


def _all_time(_: Pick, __: World, ___: str) -> _Drawn:
    return {}, None, None


def _days(pick: Pick, world: World, zone: str) -> _Drawn:
    first = date(world.year, world.month, world.day) + timedelta(days=pick((0, 0, -1, 1, -7, -33)))
    last = first + timedelta(days=pick((0, 0, 1, 2, 8, 40)))
    arguments = {"start_date": first.isoformat(), "end_date": last.isoformat()}
    start, end = day_start(first, zone), day_start(last + timedelta(days=1), zone)
    which = pick(("both", "both", "both", "start", "end"))
    if which == "start":
        return {"start_date": arguments["start_date"]}, start, None
    return ({"end_date": arguments["end_date"]}, None, end) if which == "end" else (arguments, start, end)


def _recent(pick: Pick, world: World, _: str) -> _Drawn:
    since = pick((30, 24 * 60 + 13 * 60, 11 * 24 * 60, 45 * 24 * 60))
    until = pick((None, 0, 5, 24 * 60))
    arguments = {"past_minutes_start": str(since)}
    if until is not None and until < since:
        arguments["past_minutes_end"] = str(until)
    end = world.now_ms - until * _MINUTE_MS if until and until < since else world.now_ms + 1
    return arguments, world.now_ms - since * _MINUTE_MS, end


def _moments(pick: Pick, world: World, _: str) -> _Drawn:
    start = world.midnight_ms + pick((0, 1, -1, 60, 119, 120, 150, -1440)) * _MINUTE_MS + pick((0, 1, 999))
    end = start + pick((1, _MINUTE_MS, 60 * _MINUTE_MS + 1, _DAY_MS, 9 * _DAY_MS))
    which = pick(("both", "both", "start", "end"))
    if which == "start":
        return {"start_datetime": iso(start)}, start, None
    if which == "end":
        return {"end_datetime": str(end)}, None, end
    return {"start_datetime": iso(start).removesuffix("Z"), "end_datetime": iso(end)}, start, end


_PERIODS: tuple[Callable[[Pick, World, str], _Drawn], ...] = (_all_time, _days, _days, _recent, _moments)


def _filter(pick: Pick) -> dict[str, Any]:
    name = pick(DIMENSIONS)
    kind = pick(_NUMBER_TYPES if name in NUMBERS else TYPES)
    if name in NUMBERS or kind in ("greater_than", "less_than"):
        options: Sequence[str | float] = _NUMBERS
    elif kind.endswith("equals"):
        options = values_of(name)
    else:
        options = _PATTERNS if kind.endswith("regex") else _PIECES
    return {"parameter": name, "type": kind, "value": [pick(options) for _ in range(pick((1, 1, 1, 2, 3)))]}


def values_of(name: str) -> tuple[str, ...]:
    """The values of a dimension in made-up traffic, "" among them, and one that does not occur."""
    return _VALUES.get(name) or _collect(name)


def _collect(name: str) -> tuple[str, ...]:
    pool = (*pools.PAGES, *pools.QUERIES, *pools.SOURCES, *pools.DEVICES, *pools.PLACES, *pools.VISITORS)
    column = {"referrer": "referrer_domain", "entry_page": "pathname", "exit_page": "pathname"}.get(
        name, name
    )
    found = [event_value({"user_hash": 7, **columns}, column) for columns in pool]
    names = pools.EVENT_NAMES if name == "event_name" else ()
    return tuple(dict.fromkeys(["", *(str(each) for each in found), *names, "nothing of the kind"]))


_VALUES = {name: _collect(name) for name in DIMENSIONS if name not in NUMBERS}
