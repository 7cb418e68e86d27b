"""How fast pages were."""

import math
from collections.abc import Sequence
from typing import Any

from tests.stats.reference.asked import Asked, Events, Row, of_type
from tests.stats.reference.buckets import buckets, by_bucket
from tests.stats.reference.dimensions import event_value
from tests.stats.reference.narrowing import narrow

VITALS = ("lcp", "cls", "inp", "fcp", "ttfb")
_QUANTILES = {"p50": 0.50, "p75": 0.75, "p90": 0.90, "p99": 0.99}


def vitals(events: Events, asked: Asked) -> Row:
    """All figures over the whole period."""
    measured = of_type(narrow(events, asked).matching, "performance")
    return {**_figures(measured), "total_performance_events": len(measured)}


def vitals_bucketed(events: Events, asked: Asked, length: str) -> list[Row]:
    """All figures of each bucket."""
    matching = narrow(events, asked).matching
    lots = by_bucket(of_type(matching, "performance"), asked.zone, length)
    return [
        {"time": bucket.name, **_figures(lots.get(bucket, [])), "event_count": len(lots.get(bucket, []))}
        for bucket in buckets(asked, length, matching)
    ]


def vitals_by(
    events: Events,
    asked: Asked,
    dimension: str,
    *,
    limit: int = 100,
    page: int = 1,
    sort_by: str = "event_count",
    descending: bool = True,
) -> Row:
    """All figures by a dimension of events; those that lack what is sorted by come last."""
    groups: dict[Any, list[Any]] = {}
    for event in of_type(narrow(events, asked).matching, "performance"):
        value = event_value(event, dimension)
        if value not in (None, ""):
            groups.setdefault(value, []).append(event)
    rows = [
        {"value": str(value), dimension: str(value), **_figures(group), "event_count": len(group)}
        for value, group in sorted(groups.items())
    ]
    known = [row for row in rows if row[sort_by] is not None]
    known.sort(key=lambda row: row[sort_by], reverse=descending)
    ordered = known + [row for row in rows if row[sort_by] is None]
    return {"data": ordered[(page - 1) * limit : page * limit], "totalCount": len(rows)}


def _figures(measured: Events) -> Row:
    figures: Row = {}
    for vital in VITALS:
        values = sorted(float(event[vital]) for event in measured if event.get(vital) is not None)
        figures[f"{vital}_avg"] = sum(values) / len(values) if values else None
        for name, fraction in _QUANTILES.items():
            figures[f"{vital}_{name}"] = quantile(values, fraction) if values else None
    return figures


def quantile(values: Sequence[float], fraction: float) -> float:
    """By linear interpolation between the two values around that place (R's type 7); `values` are sorted."""
    place = (len(values) - 1) * fraction
    lower = math.floor(place)
    upper = min(lower + 1, len(values) - 1)
    return values[lower] + (place - lower) * (values[upper] - values[lower])
