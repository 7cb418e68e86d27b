"""What is asked: of which site, over which time, of which events."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rybbit.errors import InvalidInput
from rybbit.stats.dimensions import Level
from rybbit.stats.filters import Filter, parse_filters
from rybbit.stats.period import Period, parse_period
from rybbit.store.base import EventStore, Scope, TooSlow

_PATTERN_SECONDS = 1.5
_VALUE_NAME = re.compile(r"\$(\w+)")
_CONDITIONS = ("matching", "visiting", "visits", "events", "within")


@dataclass(frozen=True)
class Question:
    """The part that all statistics have in common; each adds a query over the events that match."""

    site_id: int
    period: Period
    filters: tuple[Filter, ...] = ()

    @property
    def within(self) -> str:
        """The SQL condition of site and period."""
        return f"site_id = $site_id and {self.period.condition}"

    @property
    def visiting(self) -> str:
        """The SQL condition of site, period, and all filters but those on pages, which choose visits.

        Bounces and lengths of the visits that a question finds are counted over the events that fit this.
        """
        return " and ".join([self.within, *self._conditions(lambda level: level is not Level.PAGE)])

    @property
    def matching(self) -> str:
        """The SQL condition of site, period and all filters."""
        return " and ".join([self.within, *self._conditions()])

    @property
    def events(self) -> str:
        """The same for questions about single events, whose own name has to fit."""
        return " and ".join([self.within, *self._conditions(of_events=True)])

    @property
    def visits(self) -> str:
        """The SQL condition on all events that count for the visits that are found."""
        if not self.chooses_visits:
            return self.matching
        return f"{self.visiting} and session_id in (select session_id from events where {self.matching})"

    @property
    def chooses_visits(self) -> bool:
        """Whether events that do not match still count for the figures of their visit."""
        return any(each.dimension.level is Level.PAGE for each in self.filters)

    @property
    def keeps_visits_whole(self) -> bool:
        """Whether all events of a visit match if one does."""
        return all(each.dimension.level in (Level.VISIT, Level.EVENT) for each in self.filters)

    def _conditions(
        self, counts: Callable[[Level], bool] = lambda _: True, *, of_events: bool = False
    ) -> list[str]:
        chosen = [each for each in self.filters if counts(each.dimension.level)]
        return [each.condition(self.within, of_events=of_events) for each in chosen]

    @property
    def parameters(self) -> dict[str, Any]:
        """The values that both conditions refer to."""
        bound: dict[str, Any] = {"site_id": self.site_id, **self.period.parameters}
        for each in self.filters:
            bound.update(each.values)
        return bound

    def over(self, period: Period) -> "Question":
        """The same of another time."""
        return replace(self, period=period)

    def bound(
        self, template: str, values: Mapping[str, Any] | None = None, **parts: object
    ) -> tuple[str, dict[str, Any], Scope]:
        """The SQL of a template (see `ask`), the values that it refers to, and which events it can touch."""
        conditions = {name: getattr(self, name) for name in _CONDITIONS if f"{{{name}}}" in template}
        sql = template.format(**conditions, **parts)
        named = set(_VALUE_NAME.findall(sql))
        given = {**self.parameters, **(values or {})}
        parameters = {name: value for name, value in given.items() if name in named}
        return sql, parameters, Scope(self.site_id, self.period.start_ms, self.period.end_ms)

    def ask(
        self,
        store: EventStore,
        template: str,
        values: Mapping[str, Any] | None = None,
        **parts: object,
    ) -> list[tuple[Any, ...]]:
        """Rows of a query.

        Args:
            template: SQL in which `{matching}`, `{visiting}`, `{visits}`, `{events}` and `{within}`
                stand for the conditions of these names, and others for `parts`: SQL of our own, never
                from outside.
            values: what is bound beside the values of the question.

        Raises:
            InvalidInput: the patterns of the filters take too long.
        """
        sql, parameters, scope = self.bound(template, values, **parts)
        if not any(each.pattern for each in self.filters):
            return store.query(sql, parameters, scope=scope)
        try:
            return store.query(sql, parameters, scope=scope, seconds=_PATTERN_SECONDS)
        except TooSlow as error:
            raise InvalidInput({"filters": ["Takes too long; use fewer or simpler patterns"]}) from error


def parse_question(store: EventStore, site_id: int, arguments: Mapping[str, str]) -> Question:
    """The question that query parameters put to a site.

    Raises:
        InvalidInput: a parameter of the period, or `filters`, is malformed.
    """
    filters = parse_filters(arguments.get("filters"))
    for place, each in enumerate(filters):
        if each.pattern and not store.accepts_pattern(each.pattern):
            raise InvalidInput({"filters": [f"Filter {place + 1}: value must be regular expressions (RE2)"]})
    return Question(site_id, parse_period(arguments), filters)
