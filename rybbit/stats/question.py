"""What is asked: of which site, over which time, of which events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.stats.dimensions import Level
from rybbit.stats.filters import Filter, parse_filters
from rybbit.stats.period import Period, parse_period
from rybbit.store.base import EventStore, Scope, TooBusy, TooLarge, TooSlow
from rybbit.store.dialect import VALUE_NAME
from rybbit.store.visit import Visits

# What strangers can make as hard as they like may take so long, all queries of one question together. What is
# easier than this takes as long as the number of events makes it.
_SECONDS = 1.5
_EASY = 12
_A_PATTERN = _EASY + 1
_A_LOOK_AT_VISITS = 4
_A_NUMBER_IN_TEXT = 4
_CONDITIONS = ("matching", "visiting", "visits", "events", "within")


@dataclass(frozen=True, slots=True)
class Limit:
    """Until when a question may take, on the clock of `monotonic`, and the field that made it hard."""

    until: float
    field: str

    def refusal(self, error: TooSlow | TooLarge) -> InvalidInput:
        """What the caller is told when it was not answered in time."""
        if isinstance(error, TooBusy):
            return InvalidInput({self.field: ["Others ask for as much; ask again, or for something simpler"]})
        return InvalidInput({self.field: ["Takes too long; use fewer or simpler ones, or a shorter time"]})

    def seconds_left(self) -> float:
        """The time that is left; raises `TooSlow` if there is none."""
        left = self.until - clock.monotonic()
        if left <= 0:
            raise TooSlow("The queries before took all the time")
        return left


@dataclass(frozen=True)
class Question:
    """The part that all statistics have in common; each adds a query over the events that match."""

    site_id: int
    period: Period
    filters: tuple[Filter, ...] = ()
    limit: Limit | None = None

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

    @property
    def is_of_origins(self) -> bool:
        """Whether all filters are on what a visit has as a whole, so that its events match or do not."""
        return all(each.dimension.level is Level.VISIT for each in self.filters)

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

    def limited(self, field: str, effort: int) -> "Question":
        """The same, to be given up after a while if it is hard.

        Args:
            field: what an error names.
            effort: of how many conditions on events it consists.
        """
        if self.limit is not None or effort <= _EASY:
            return self
        return replace(self, limit=Limit(clock.monotonic() + _SECONDS, field))

    def over(self, period: Period) -> "Question":
        """The same of another time."""
        return replace(self, period=period)

    def bound(
        self, template: str, values: Mapping[str, Any] | None = None, **parts: object
    ) -> tuple[str, dict[str, Any], Scope]:
        """The SQL of a template (see `ask`), the values that it refers to, and which events it can touch."""
        sql = self._composed(template, parts)
        return sql, self._values_in(sql, values), self._scope

    @property
    def _scope(self) -> Scope:
        return Scope(self.site_id, self.period.start_ms, self.period.end_ms)

    def _composed(self, template: str, parts: Mapping[str, object]) -> str:
        conditions = {name: getattr(self, name) for name in _CONDITIONS if f"{{{name}}}" in template}
        return template.format(**conditions, **parts)

    def _values_in(self, sql: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
        named = set(VALUE_NAME.findall(sql))
        given = {**self.parameters, **(values or {})}
        return {name: value for name, value in given.items() if name in named}

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
            InvalidInput: it is `limited`, and takes too long, or too much memory.
            TooSlow, TooLarge: it is not, and does so all the same.
        """
        return self._ask(store, None, *self.bound(template, values, **parts))

    def ask_of_visits(
        self,
        store: EventStore,
        visits: Visits,
        template: str,
        values: Mapping[str, Any] | None = None,
        **parts: object,
    ) -> list[tuple[Any, ...]]:
        """The same over the relation `visits` as well, of all events that match."""
        kept = visits.kept_condition and self._kept_condition
        visits = replace(visits, condition=self.matching, kept_condition=kept)
        sql = self._composed(template, parts)
        parameters = self._values_in(f"{sql} {visits.condition}", values)
        return self._ask(store, visits, sql, parameters, self._scope)

    @property
    def _kept_condition(self) -> str | None:
        """The filters as conditions on visits as a whole; None if they are not."""
        conditions = [each.kept_condition for each in self.filters]
        return None if None in conditions else " and ".join(filter(None, conditions)) or "true"

    def _ask(
        self, store: EventStore, visits: Visits | None, sql: str, parameters: Mapping[str, Any], scope: Scope
    ) -> list[tuple[Any, ...]]:
        try:
            seconds = None if self.limit is None else self.limit.seconds_left()
            return store.query(sql, parameters, scope=scope, visits=visits, seconds=seconds)
        except (TooSlow, TooLarge) as error:
            if self.limit is None:
                raise
            raise self.limit.refusal(error) from error


def parse_question(store: EventStore, site_id: int, arguments: Mapping[str, str]) -> Question:
    """The question that query parameters put to a site.

    Raises:
        InvalidInput: a parameter of the period, or `filters`, is malformed.
    """
    filters = parse_filters(arguments.get("filters"))
    for place, each in enumerate(filters):
        if each.pattern and not store.accepts_pattern(each.pattern):
            raise InvalidInput({"filters": [f"Filter {place + 1}: value must be regular expressions (RE2)"]})
    return Question(site_id, parse_period(arguments), filters).limited("filters", sum(map(_effort, filters)))


def _effort(given: Filter) -> int:
    if given.pattern:
        return _A_PATTERN
    if given.reads_numbers:
        return _A_NUMBER_IN_TEXT
    return _A_LOOK_AT_VISITS if given.dimension.level in (Level.VISIT, Level.EVENT) else 1
