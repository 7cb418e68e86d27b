"""Counting what was not stored."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import scoped_session

from rybbit.models import Drop, Reason
from rybbit.services.drops import DropKey, drops_of, record_drops
from tests.factories import make_site

AppSession = scoped_session[Any]
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def _record(engine: Engine, counts: dict[DropKey, int]) -> None:
    with engine.begin() as connection:
        record_drops(connection, counts)


def test_counts_add_up(session: AppSession, engine: Engine) -> None:
    site = make_site()
    session.commit()
    _record(engine, {(site.site_id, "bot", "crawler", NINE): 2, (site.site_id, "ip", "10.0.0.0/8", NINE): 1})
    _record(engine, {(site.site_id, "bot", "crawler", NINE): 40})
    _record(engine, {})
    rows = [(row.reason, row.rule, row.hour, row.count) for row in drops_of(site)]
    assert rows == [(Reason.BOT, "crawler", NINE, 42), (Reason.IP, "10.0.0.0/8", NINE, 1)]


def test_a_moment_counts_for_its_hour(session: AppSession, engine: Engine) -> None:
    site = make_site()
    session.commit()
    moments = [NINE, NINE + timedelta(minutes=59, seconds=59, milliseconds=999), NINE + timedelta(hours=1)]
    _record(engine, {(site.site_id, "bot", "", moment): 1 for moment in moments})
    assert [(row.hour, row.count) for row in drops_of(site)] == [(NINE + timedelta(hours=1), 1), (NINE, 2)]


def test_rules_that_no_database_can_hold_are_counted_nevertheless(
    session: AppSession, engine: Engine
) -> None:
    site = make_site()
    session.commit()
    rules = ["x" * 300, "x" * 400, "a\0b", "a\ud800", "'; drop table rybbit_drop; --", "☕"]
    _record(engine, {(site.site_id, "origin", rule, NINE): 1 for rule in rules})
    found = {row.rule: row.count for row in drops_of(site)}
    assert found == {"x" * 255: 2, "a?b": 1, "a?": 1, "'; drop table rybbit_drop; --": 1, "☕": 1}


def test_a_flush_of_many_rows(session: AppSession, engine: Engine) -> None:
    site = make_site()
    session.commit()
    counts = {(site.site_id, "country", f"rule {number}", NINE): 1 for number in range(2_500)}
    _record(engine, counts)
    _record(engine, counts)
    rows = drops_of(site, limit=10_000)
    assert len(rows) == 2_500
    assert {row.count for row in rows} == {2}


def test_a_site_sees_its_own_drops_since_a_moment(session: AppSession, engine: Engine) -> None:
    site, other = make_site(), make_site()
    session.commit()
    hours = [NINE + timedelta(hours=number) for number in range(5)]
    _record(engine, {(site.site_id, "bot", "", hour): 1 for hour in hours})
    _record(engine, {(other.site_id, "bot", "", NINE): 1})
    since = hours[3] + timedelta(minutes=30)
    assert [row.hour for row in drops_of(site, since=since)] == [hours[4], hours[3]]
    assert [row.hour for row in drops_of(site, limit=2)] == [hours[4], hours[3]]
    assert [row.hour for row in drops_of(other)] == [NINE]


def test_a_reason_that_is_none_is_a_mistake_of_ours(engine: Engine) -> None:
    with pytest.raises(ValueError, match="boredom"):
        _record(engine, {(1, "boredom", "", NINE): 1})


def test_drops_of_an_unknown_site_do_not_spoil_the_others(session: AppSession, engine: Engine) -> None:
    site = make_site()
    session.commit()
    _record(engine, {(site.site_id, "bot", "", NINE): 1, (site.site_id + 1, "bot", "", NINE): 1})
    assert [row.count for row in drops_of(site)] == [1]
    assert session.scalars(select(Drop.site_id)).all() == [site.site_id], "nothing is kept of a deleted site"


def test_workers_that_flush_at_once_lose_nothing(session: AppSession, engine: Engine) -> None:
    site = make_site()
    session.commit()
    number, rules = site.site_id, [f"rule {number}" for number in range(20)]
    session.rollback()
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def work(order: int) -> None:
        try:
            start.wait()
            for _ in range(10):
                _record(engine, {(number, "bot", rule, NINE): 1 for rule in rules[::order]})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row.count for row in drops_of(site)} == {40}
