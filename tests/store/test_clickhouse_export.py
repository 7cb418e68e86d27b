"""An export out of ClickHouse, page by page: what the server reads for each of them."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from rybbit.store.export import Form
from tests.store.clickhouse_parts import clickhouse_of
from tests.store.parts import NOON_MS, PartsMaker, line
from tests.store.test_export import selection, whole

EVENTS = 60_000
PAGE = 20_000
GRANULE = 8192


def test_a_page_reads_neither_what_was_before_it_nor_all_that_comes_after(
    new_clickhouse: PartsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the time of an export would grow with the square of its events."""
    monkeypatch.setattr("rybbit.store.export._PAGE_EVENTS", PAGE)
    parts = new_clickhouse()
    parts.move_line(*(line(number, timestamp=NOON_MS + number) for number in range(EVENTS)))
    store = clickhouse_of(parts)
    ask, plans = store._server.rows, list[str]()

    def rows(sql: str, parameters: Mapping[str, Any], **named: Any) -> list[tuple[Any, ...]]:
        # Of a cluster what one shard does.
        on_shard = sql.replace(f"{store._tables.events} ", f"{store._tables.stored} ")
        settings = named["settings"]
        plan = ask(f"explain indexes = 1 {on_shard}", parameters, settings=settings)
        plans.append("\n".join(row[0] for row in plan))
        return ask(sql, parameters, **named)

    monkeypatch.setattr(store._server, "rows", rows)
    assert whole(store.export(selection(), Form.JSONL)).count(b"\n") == EVENTS
    read = [int(re.findall(r"Granules: (\d+)/", plan)[-1]) for plan in plans]
    left = [EVENTS - page * PAGE for page in range(EVENTS // PAGE + 1)]
    # A page begins and ends within a granule.
    assert [most for most, rows in zip(read, left, strict=True) if most > rows / GRANULE + 2] == []
    # And in this order the server ends with the rows that were asked for.
    assert [plan for plan in plans if not re.search(r"read ?type: inorder", plan, re.IGNORECASE)] == []
