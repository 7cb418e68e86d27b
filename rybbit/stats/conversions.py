"""Whether visits did what somebody hopes for: goals and funnels, over the events that match a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rybbit.stats.dimensions import url_parameter
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

_TAKEN = """
with fitting as (
  select session_id, moment(timestamp, id) as reached, cast({bits} as bigint) as fits
  from events
  where {matching} and ({fits_any})
),
taken as (
  select session_id, steps_taken(fits, reached) as steps
  from fitting
  group by session_id
)
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

    @property
    def effort(self) -> int:
        """Of how many conditions it consists."""
        return 1 + len(self.properties)

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
            name = f"{bind}_key_{place}"
            found = url_parameter(key, name) if is_page else f"json_text(properties, ${name})"
            is_text = isinstance(wanted, str | bool)
            parts.append(f"{found if is_text else f'number({found})'} = ${bind}_wanted_{place}")
            values[name] = key
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
    """Visits with an event that fits, for each goal, of all visits that the question finds.

    Raises:
        InvalidInput: that many take too long; `page_size` is the field that is named.
    """
    built = [goal.condition(f"goal_{place}") for place, goal in enumerate(goals)]
    # By visit first: sets of visits, one a goal, would take twice the time and memory without end.
    reached = [
        f"max(case when {condition} then 1 else 0 end) as reached_{place}"
        for place, (condition, _) in enumerate(built)
    ]
    counts = ["count(*)", *(f"coalesce(sum(reached_{place}), 0)" for place in range(len(built)))]
    values = {name: value for _, bound in built for name, value in bound.items()}
    parts = {"counts": ", ".join(counts), "columns": ", ".join(["session_id", *reached])}
    question = question.limited("page_size", sum(goal.effort for goal in goals))
    visits, *converted = question.ask(store, _REACHED, values, **parts)[0]
    return Conversions([int(count) for count in converted], int(visits))


def funnel(store: EventStore, question: Question, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Rows of `step_number`, `step_name`, `visitors`, `conversion_rate` and `dropoff_rate`.

    Visitors are visits. One is at a step when, after the event that brought it to the step before, an event
    fits this one; other events may lie between. Rates are percentages with two decimals: of those at the
    first step, and of those at the step before who did not come on.
    """
    template, values = _taken(steps)
    question = question.limited("steps", sum(step.effort for step in steps))
    counts = question.ask(store, f"{template} select steps, count(*) from taken group by steps", values)
    visitors = [
        sum(int(count) for taken, count in counts if taken >= number) for number in range(1, len(steps) + 1)
    ]
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
    template, values = _taken(steps)
    among = f"{template} select session_id from taken where steps {'=' if dropped else '>='} {number:d}"
    among = among.replace("{matching}", question.matching)
    question = question.limited("steps", sum(step.effort for step in steps))
    return session_page(store, question, limit=limit, page=page, wanted=Wanted(among=among, values=values))


def _taken(steps: Sequence[Step]) -> tuple[str, dict[str, Any]]:
    """A `with` clause whose `taken` holds the visits and how many `steps` each took, and its values.

    An event is a number that has a bit for each step which it fits, so that events are read once however many
    steps there are: of relations, one a step, an engine that does not keep them makes each anew for the next.
    """
    built = [step.condition(f"step_{place}") for place, step in enumerate(steps)]
    bits = [
        f"case when {condition} then {1 << place} else 0 end" for place, (condition, _) in enumerate(built)
    ]
    fits_any = " or ".join(condition for condition, _ in built)
    template = _TAKEN.replace("{bits}", " + ".join(bits)).replace("{fits_any}", fits_any)
    return template, {name: value for _, bound in built for name, value in bound.items()}


def _percentage(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
