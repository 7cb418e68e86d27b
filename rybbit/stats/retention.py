"""Who came back: users by when they were first seen, and what share of them was seen in the periods after."""

from collections import defaultdict
from enum import StrEnum
from typing import Any

from rybbit.stats.buckets import Bucket, find_timeline
from rybbit.stats.question import Question
from rybbit.store.base import EventStore

_RETURNS = """
with seen as (
  select user_hash, {bucket} as bucket from events where {matching} group by user_hash, bucket
),
firsts as (
  select user_hash, min(bucket) as first from seen group by user_hash
)
select first, bucket - first as later, count(*)
from seen join firsts using (user_hash)
group by first, later
"""


class Mode(StrEnum):
    """The length of a period."""

    DAY = "day"
    WEEK = "week"


def retention(store: EventStore, question: Question, mode: Mode) -> dict[str, Any]:
    """`cohorts` by the date their period began, the newest first, and `maxPeriods`, how many periods later.

    A cohort has its `size` and `percentages`, with two decimals: of its users that were seen so many periods
    later, from 0 (100) to `maxPeriods`; null for periods after the end of the question's. Weeks begin on
    Monday.

    Raises:
        InvalidInput: there would be too many periods.
    """
    timeline = find_timeline(store, question, Bucket(mode))
    counts: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for first, later, users in question.ask(store, _RETURNS, bucket=timeline.sql):
        counts[int(first)][int(later)] = int(users)
    dates = {**timeline.names, **{key: name for key, name in timeline.later.items() if key in counts}}
    last = max(dates, default=0)
    longest = last - min(counts, default=last)
    cohorts = {
        dates[first][:10]: _cohort(counts[first], last - first, longest)
        for first in sorted(counts, reverse=True)
    }
    return {"cohorts": cohorts, "maxPeriods": longest, "mode": str(mode)}


def _cohort(users: dict[int, int], elapsed: int, longest: int) -> dict[str, Any]:
    size = users[0]
    percentages = [
        round(100 * users.get(later, 0) / size, 2) if later <= elapsed else None
        for later in range(longest + 1)
    ]
    return {"size": size, "percentages": percentages}
