"""Whether visits did what somebody hopes for: goals and funnels, over the events that match a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rybbit.stats.paths import path_regex
from rybbit.stats.question import Question
from rybbit.stats.sessions import Wanted, session_page
from rybbit.store.base import EventStore

MOST_STEPS = 20

PropertyValue = str | float | bool

_REACHED = """
select {counts}
from (select {columns} from events where {matching} group by session_id) as visits
"""


class StepKind(StrEnum):
    """What a step is about."""

    PAGE = "page"
    EVENT = "event"


@dataclass(frozen=True)
class Step:
    """An event that counts: a pageview of a path (see `paths.py`), or a custom event of a name.

    `properties` are of the event; of a page they are its URL parameters. Texts fit if they are the same,
    numbers if they are equal.
    """

    kind: StepKind
    value: str
    name: str = ""
    hostname: str = ""
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)

    def condition(self, bind: str) -> tuple[str, dict[str, Any]]:
        """The SQL condition on an event, and the values that are bound, whose names begin with `bind`."""
        is_page = self.kind is StepKind.PAGE
        parts = (
            [f"type = 'pageview' and regexp_matches(coalesce(pathname, ''), ${bind}_value)"]
            if is_page
            else [f"type = 'custom_event' and event_name = ${bind}_value"]
        )
        values: dict[str, Any] = {f"{bind}_value": path_regex(self.value) if is_page else self.value}
        if self.hostname:
            parts.append(f"hostname = ${bind}_hostname")
            values[f"{bind}_hostname"] = self.hostname
        for place, (key, wanted) in enumerate(self.properties.items()):
            found = f"json_text({'url_parameters' if is_page else 'properties'}, ${bind}_key_{place})"
            is_text = isinstance(wanted, str | bool)
            parts.append(f"{found if is_text else f'number({found})'} = ${bind}_wanted_{place}")
            values[f"{bind}_key_{place}"] = key
            values[f"{bind}_wanted_{place}"] = _comparable(wanted)
        return f"coalesce({' and '.join(parts)}, false)", values


def _comparable(wanted: PropertyValue) -> str | float:
    if isinstance(wanted, bool):
        return "true" if wanted else "false"
    return wanted if isinstance(wanted, str) else float(wanted)


@dataclass(frozen=True, slots=True)
class Conversions:
    """How many of the visits converted, goal by goal, and how many there were."""

    converted: list[int]
    visits: int


def conversions(store: EventStore, question: Question, goals: Sequence[Step]) -> Conversions:
    """Visits with an event that fits, for each goal, of all visits that the question finds."""
    built = [goal.condition(f"goal_{place}") for place, goal in enumerate(goals)]
    # By visit first: sets of visits, one a goal, would take twice the time and memory without end.
    reached = [
        f"max(case when {condition} then 1 else 0 end) as reached_{place}"
        for place, (condition, _) in enumerate(built)
    ]
    counts = ["count(*)", *(f"coalesce(sum(reached_{place}), 0)" for place in range(len(built)))]
    values = {name: value for _, bound in built for name, value in bound.items()}
    parts = {"counts": ", ".join(counts), "columns": ", ".join(["session_id", *reached])}
    visits, *converted = question.ask(store, _REACHED, values, **parts)[0]
    return Conversions([int(count) for count in converted], int(visits))


def funnel(store: EventStore, question: Question, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Rows of `step_number`, `step_name`, `visitors`, `conversion_rate` and `dropoff_rate`.

    Visitors are visits. One is at a step when, after the event that brought it to the step before, an event
    fits this one; other events may lie between. Rates are percentages with two decimals: of those at the
    first step, and of those at the step before who did not come on.
    """
    template, values = funnel_query(steps)
    counts = dict(question.ask(store, f"{template} {_counts(len(steps))}", values))
    visitors = [int(counts[number]) for number in range(1, len(steps) + 1)]
    return [
        {
            "step_number": place + 1,
            "step_name": step.name or step.value,
            "visitors": visitors[place],
            "conversion_rate": _percentage(visitors[place], visitors[0]),
            "dropoff_rate": round(100 - _percentage(visitors[place], visitors[place - 1]), 2)
            if place and visitors[place - 1]
            else 0.0,
        }
        for place, step in enumerate(steps)
    ]


def converted_sessions(
    store: EventStore, question: Question, goal: Step, *, limit: int, page: int = 1
) -> list[dict[str, Any]]:
    """Visits with an event that fits, as `sessions.session_page` shows them."""
    condition, values = goal.condition("goal")
    chosen = f"select session_id from events where {question.matching} and {condition}"
    return session_page(store, question, limit=limit, page=page, wanted=Wanted(among=chosen, values=values))


def funnel_sessions(
    store: EventStore,
    question: Question,
    steps: Sequence[Step],
    number: int,
    *,
    dropped: bool,
    limit: int,
    page: int = 1,
) -> list[dict[str, Any]]:
    """Visits that reached a step (from 1), or with `dropped` those of them that did not reach the next."""
    if dropped and number == len(steps):
        return []
    template, values = funnel_query(steps)
    chosen = f"select session_id from step_{number}"
    if dropped:
        chosen += f" where session_id not in (select session_id from step_{number + 1})"
    among = f"{template.replace('{matching}', question.matching)} {chosen}"
    return session_page(store, question, limit=limit, page=page, wanted=Wanted(among=among, values=values))


def funnel_query(steps: Sequence[Step]) -> tuple[str, dict[str, Any]]:
    """A `with` clause: `step_1`, `step_2` … hold the visits at each step (`session_id`, `reached`)."""
    built = [step.condition(f"step_{number}") for number, step in enumerate(steps, 1)]
    flags = ", ".join(f"{condition} as fits_{number}" for number, (condition, _) in enumerate(built, 1))
    fits = " or ".join(f"fits_{number}" for number in range(1, len(steps) + 1))
    moments = f"select session_id, moment(timestamp, id) as reached, {flags} from events where {{matching}}"
    relations = [
        f"moments as (select * from ({moments}) as flagged where {fits})",
        "step_1 as (select session_id, min(reached) as reached from moments"
        " where fits_1 group by session_id)",
        *(_later_step(number) for number in range(2, len(steps) + 1)),
    ]
    return f"with {', '.join(relations)}", {
        name: value for _, bound in built for name, value in bound.items()
    }


def _later_step(number: int) -> str:
    return (
        f"step_{number} as (select moments.session_id as session_id, min(moments.reached) as reached"
        f" from moments join step_{number - 1} as earlier on moments.session_id = earlier.session_id"
        f" where moments.fits_{number} and moments.reached > earlier.reached group by moments.session_id)"
    )


def _counts(steps: int) -> str:
    return " union all ".join(
        f"select {number}, count(*) from step_{number}" for number in range(1, steps + 1)
    )


def _percentage(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
