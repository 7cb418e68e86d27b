"""Who came back, and when."""

from datetime import date

from tests.stats.reference.asked import Asked, Events, Row, share
from tests.stats.reference.buckets import first_day, local_day
from tests.stats.reference.narrowing import narrow

_DAYS = {"day": 1, "week": 7}


def retention(events: Events, asked: Asked, mode: str) -> Row:
    """Users by the day or week of their first event, and the share of them that was there so much later."""
    came: dict[int, set[date]] = {}
    for event in narrow(events, asked).matching:
        day = first_day(local_day(event["timestamp"], asked.zone), mode)
        came.setdefault(event["user_hash"], set()).add(day)
    end = asked.now_ms if asked.end_ms is None else min(asked.end_ms - 1, asked.now_ms)
    today = first_day(local_day(end, asked.zone), mode)
    today = max([today, *(day for days in came.values() for day in days)])
    cohorts: dict[date, list[set[date]]] = {}
    for days in came.values():
        cohorts.setdefault(min(days), []).append(days)
    last = _steps(min(cohorts, default=today), today, mode)
    return {
        "cohorts": {
            first.isoformat(): {
                "size": len(people),
                "percentages": [_share_after(step, first, people, today, mode) for step in range(last + 1)],
            }
            for first, people in cohorts.items()
        },
        "maxPeriods": last,
        "mode": mode,
    }


def _steps(first: date, last: date, mode: str) -> int:
    return (last - first).days // _DAYS[mode]


def _share_after(step: int, first: date, people: list[set[date]], today: date, mode: str) -> float | None:
    if step > _steps(first, today, mode):
        return None
    there = sum(any(_steps(first, day, mode) == step for day in days) for days in people)
    return round(share(there, len(people)), 2)
