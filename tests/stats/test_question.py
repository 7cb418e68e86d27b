"""How long a question may take: what is easy as long as it needs, what is hard a second and a half in all."""

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from rybbit import clock
from rybbit.errors import InvalidInput, Unavailable
from rybbit.stats.conversions import Step, StepKind, conversions, funnel
from rybbit.stats.question import Question, parse_question
from rybbit.store.base import EventStore, TooBusy, TooLarge, TooSlow

_SQL = "select 1 from events where {matching}"
_PATTERN = {"parameter": "pathname", "type": "contains", "value": "a"}


class Store:
    """An engine that notes how long it may take, and fails if it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.seconds: list[float | None] = []
        self.error = error

    def accepts_pattern(self, pattern: str) -> bool:
        return True

    def query(
        self, sql: str, values: object, *, scope: object, visits: object, seconds: float | None = None
    ) -> list[Any]:
        self.seconds.append(seconds)
        if self.error:
            raise self.error
        return [(0,) * 100]


def _question(store: Store, *filters: object) -> Question:
    return parse_question(cast(EventStore, store), 1, {"filters": json.dumps(filters)})


def _plain(parameter: str, count: int) -> Sequence[object]:
    return [{"parameter": parameter, "type": "equals", "value": "a"}] * count


def _numbers(parameter: str, count: int) -> Sequence[object]:
    return [{"parameter": parameter, "type": "greater_than", "value": "1"}] * count


@pytest.mark.parametrize(
    "filters",
    [
        *(
            (),
            _plain("country", 12),
            _plain("channel", 3),
            _numbers("browser_version", 3),
            _numbers("lat", 12),
        ),
        [*_plain("entry_page", 2), *_plain("browser", 4)],
    ],
)
def test_what_is_easy_may_take_its_time(filters: Sequence[object]) -> None:
    store = Store()
    _question(store, *filters).ask(cast(EventStore, store), _SQL)
    assert store.seconds == [None]


@pytest.mark.parametrize(
    "filters",
    [
        *([_PATTERN], _plain("country", 13), _plain("channel", 4), _plain("event_name", 4)),
        _numbers("browser_version", 4),
    ],
)
def test_all_queries_of_a_hard_one_share_the_time(
    filters: Sequence[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    store = Store()
    question = _question(store, *filters)
    for moment in (100.0, 101.0, 101.5):
        now[0] = moment
        if moment < 101.5:
            question.ask(cast(EventStore, store), _SQL)
            continue
        with pytest.raises(InvalidInput) as refused:
            question.ask(cast(EventStore, store), _SQL)
        assert list(refused.value.field_errors) == ["filters"]
    assert store.seconds == [1.5, 0.5]


def _steps(count: int, properties: int) -> list[Step]:
    wanted = {f"p{place}": "x" for place in range(properties)}
    return [Step(StepKind.PAGE, "/**", properties=wanted) for _ in range(count)]


@pytest.mark.parametrize(("ask", "field"), [(funnel, "steps"), (conversions, "page_size")])
@pytest.mark.parametrize(
    ("count", "properties", "is_hard"), [(12, 0, False), (13, 0, True), (2, 5, False), (2, 6, True)]
)
def test_of_steps_and_goals_the_conditions_count(
    ask: Any, field: str, count: int, properties: int, is_hard: bool
) -> None:
    store = Store(TooSlow("slow"))
    with pytest.raises(InvalidInput if is_hard else Unavailable) as refused:
        ask(cast(EventStore, store), _question(store), _steps(count, properties))
    assert [seconds is not None for seconds in store.seconds] == [is_hard]
    if isinstance(refused.value, InvalidInput):
        assert list(refused.value.field_errors) == [field]


@pytest.mark.parametrize(
    ("error", "told"), [(TooSlow("x"), "too long"), (TooLarge("x"), "too long"), (TooBusy("x"), "Others")]
)
def test_who_asks_for_much_is_told_so_and_who_does_not_may_ask_again(error: Exception, told: str) -> None:
    store = Store(error)
    with pytest.raises(InvalidInput, match=f"filters.*{told}"):
        _question(store, _PATTERN).ask(cast(EventStore, store), _SQL)
    with pytest.raises(Unavailable):
        _question(store).ask(cast(EventStore, store), _SQL)
