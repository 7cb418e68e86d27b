"""Which events a question is about, beside their time: the `filters` of the API.

Several filters must all hold; the values of one are alternatives. Filters of type `not_…` keep the events
that the same filter without `not_` leaves out. Patterns run in the engines' matchers, whose time is linear
in the text (RE2), never in Python's.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rybbit.errors import InvalidInput
from rybbit.stats.dimensions import SHOWN_USER, Dimension, Level, find_dimension, is_plain, of_users

_MOST_FILTERS = 20
_MOST_VALUES = 10_000
_MOST_PATTERNS = 1_000
_LONGEST_VALUE = 2048
_LONGEST_PATTERN = 512
_LARGEST_NUMBER = 1e15


class Operator(StrEnum):
    """How a value is compared."""

    EQUALS = "equals"
    CONTAINS = "contains"
    REGEX = "regex"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"


_NEGATED = {f"not_{operator}": operator for operator in (Operator.EQUALS, Operator.CONTAINS, Operator.REGEX)}
TYPES = (*Operator, *_NEGATED)
"""What `type` may be."""

_NUMERIC = frozenset({Operator.EQUALS, Operator.GREATER_THAN, Operator.LESS_THAN})
_COMPARISONS = {Operator.EQUALS: "=", Operator.GREATER_THAN: ">", Operator.LESS_THAN: "<"}


@dataclass(frozen=True)
class Filter:
    """One filter, checked but for its `pattern`, which only an engine can check.

    `test` is SQL over the value that stands for `{value}` in it.
    """

    dimension: Dimension
    test: str
    negated: bool
    values: Mapping[str, Any] = field(default_factory=dict)
    pattern: str | None = None

    def condition(self, within: str, *, of_events: bool = False) -> str:
        """The SQL condition on a row of `events`.

        Args:
            within: the condition of site and period, within which a visit is looked at.
            of_events: whether the question is about single events, of which the name then has to fit.
        """
        level = self.dimension.level
        if level is Level.VISIT:
            return self._visit_condition(f"{self.dimension.sql} as value", "group by session_id", within)
        if level is Level.EVENT and not of_events:
            return self._visit_condition(f"{self.dimension.sql} as value", "", within)
        condition = self.test.format(value=self.dimension.sql)
        # A number that is not there is null, and would be neither equal nor unequal.
        return f"not coalesce({condition}, false)" if self.negated else f"({condition})"

    @property
    def reads_numbers(self) -> bool:
        """Whether each value is a text of which the number at its beginning is compared."""
        return "leading_number(" in self.test

    @property
    def kept_condition(self) -> str | None:
        """The SQL condition on a row of the relation `visits`; None if that does not tell."""
        if not self.dimension.of_visits:
            return None
        condition = self.test.format(value=self.dimension.of_visits)
        return f"not ({condition})" if self.negated else f"({condition})"

    def _visit_condition(self, value: str, grouping: str, within: str) -> str:
        """Chooses visits by all that happened in them within the period, whatever the other filters say."""
        visits = f"select session_id, {value} from events where {within} {grouping}"
        chosen = f"select session_id from ({visits}) as visits where {self.test.format(value='value')}"
        return f"session_id {'not ' if self.negated else ''}in ({chosen})"


def parse_filters(text: str | None) -> tuple[Filter, ...]:
    """The filters that a query parameter holds as JSON; none if it is empty.

    Raises:
        InvalidInput: it is malformed; `filters` is the field that is named.
    """
    if text is None or not text.strip():
        return ()
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refusal("Must be a JSON array of filters") from error
    if not isinstance(rows, list):
        raise _refusal("Must be a JSON array of filters")
    if len(rows) > _MOST_FILTERS:
        raise _refusal(f"Must be at most {_MOST_FILTERS} filters")
    return tuple(_parse(row, place) for place, row in enumerate(rows))


def _refusal(message: str, place: int | None = None) -> InvalidInput:
    where = "" if place is None else f"Filter {place + 1}: "
    return InvalidInput({"filters": [f"{where}{message}"]})


def _parse(row: object, place: int) -> Filter:
    if not isinstance(row, dict):
        raise _refusal("must be an object with parameter, type and value", place)
    if unknown := sorted(set(row) - {"parameter", "type", "value"}):
        raise _refusal(f"unknown field {unknown[0][:100]!r}", place)
    name, kind, value = (row.get(key) for key in ("parameter", "type", "value"))
    if not isinstance(name, str):
        raise _refusal("parameter is required, as text", place)
    if not isinstance(kind, str) or kind not in TYPES:
        raise _refusal(f"type must be one of {', '.join(TYPES)}", place)
    try:
        dimension = find_dimension(name, bind=f"filter_{place}_name")
    except InvalidInput as error:
        raise _refusal(f"parameter: {error.field_errors['parameter'][0]}", place) from error
    values = value if isinstance(value, list) else [value]
    if not values or len(values) > _MOST_VALUES:
        raise _refusal(f"value must be a list of 1 to {_MOST_VALUES} values", place)
    return _built(dimension, kind, values, place)


def _built(dimension: Dimension, kind: str, values: Sequence[object], place: int) -> Filter:
    operator = _NEGATED.get(kind) or Operator(kind)
    bind = f"filter_{place}"
    if dimension.is_number and operator not in _NUMERIC:
        raise _refusal(f"{dimension.name} is a number and cannot be compared by {kind}", place)
    if dimension.is_number or operator in (Operator.GREATER_THAN, Operator.LESS_THAN):
        bound = _numbers(values, place)
        value = "{value}" if dimension.is_number else "leading_number({value})"
        test, found = _number_test(operator, value, bound, bind)
    elif operator is Operator.EQUALS:
        test, found = _text_test(dimension, _texts(values, place), bind)
    else:
        test, found = f"regexp_matches({{value}}, ${bind})", {bind: _pattern(operator, values, place)}
    pattern = found[bind] if isinstance(found[bind], str) else None
    return Filter(dimension, test, kind in _NEGATED, {**found, **dimension.values}, pattern)


def _text_test(dimension: Dimension, texts: list[str], bind: str) -> tuple[str, dict[str, Any]]:
    if dimension.sql == SHOWN_USER:
        return of_users(texts, bind)
    return f"{{value}} in (select unnest(${bind}))", {bind: texts}


def _number_test(
    operator: Operator, value: str, numbers: list[float], bind: str
) -> tuple[str, dict[str, Any]]:
    if operator is Operator.EQUALS:
        return f"{value} in (select unnest(${bind}))", {bind: numbers}
    # The values are alternatives, so the easiest one decides.
    easiest = min(numbers) if operator is Operator.GREATER_THAN else max(numbers)
    return f"{value} {_COMPARISONS[operator]} ${bind}", {bind: easiest}


def _texts(values: Sequence[object], place: int, *, longest: int = _LONGEST_VALUE) -> list[str]:
    return [_text(value, place, longest) for value in values]


def _text(value: object, place: int, longest: int) -> str:
    # Programs send numbers where the value is one, a version for example.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float) and math.isfinite(value):
        value = str(value)
    if not isinstance(value, str):
        raise _refusal("each value must be a text or a number", place)
    if len(value) > longest:
        raise _refusal(f"a value is longer than {longest} characters", place)
    if not is_plain(value):
        raise _refusal("a value has a character that no event can have", place)
    return value


def _numbers(values: Sequence[object], place: int) -> list[float]:
    numbers = []
    for text in _texts(values, place):
        try:
            number = float(text)
        except ValueError as error:
            raise _refusal("each value must be a number", place) from error
        if not abs(number) <= _LARGEST_NUMBER:
            raise _refusal("each value must be a number of ordinary size", place)
        numbers.append(number)
    return numbers


def _pattern(operator: Operator, values: Sequence[object], place: int) -> str:
    """One pattern for all alternatives, so that a text is read once however many there are."""
    if len(values) > _MOST_PATTERNS:
        raise _refusal(f"value must be at most {_MOST_PATTERNS} texts for this type", place)
    if operator is Operator.CONTAINS:
        return "|".join(re.escape(text) for text in _texts(values, place))
    return "|".join(f"(?:{pattern})" for pattern in _texts(values, place, longest=_LONGEST_PATTERN))
