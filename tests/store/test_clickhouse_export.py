"""An export out of ClickHouse, page by page: what the server reads for each of them, and what goes wrong."""

import gc
import os
import re
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rybbit.errors import Unavailable
from rybbit.store.base import TooSlow
from rybbit.store.export import Form
from tests.store.clickhouse_parts import SmallServer, clickhouse_of
from tests.store.parts import NOON_MS, Parts, PartsMaker, line
from tests.store.test_export import selection, whole

EVENTS = 60_000
FIRST, PAGE = 100, 20_000
GRANULE = 8192


PAGES = 12


@pytest.fixture
def parts(
    new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Parts:
    """Events in twelve pages, of which one alone is as much as the formats keep back, behind a server."""
    monkeypatch.setattr("rybbit.store.export_pages._FIRST_EVENTS", 150)
    monkeypatch.setattr("rybbit.store.export_pages._PAGE_EVENTS", 150)
    small_server.set_faults()
    parts = new_clickhouse(url=small_server.url(tmp_path))
    titles = [os.urandom(20_000).hex() for _ in range(10)]
    parts.move_line(*(line(number, page_title=titles[number % 10]) for number in range(1, 150 * PAGES)))
    return parts


def pages_of(server: SmallServer) -> int:
    """How many pages it was asked for."""
    return sum("page_ms" in each for each in server.statements())


@pytest.mark.parametrize("form", [Form.CSV, Form.JSONL])
def test_it_begins_before_the_last_page_was_asked_for(
    form: Form, parts: Parts, small_server: SmallServer
) -> None:
    before = pages_of(small_server)
    stream = parts.store.export(selection(), form)
    # The engine goes no further than the pipe lets it.
    assert 1 <= pages_of(small_server) - before < PAGES
    assert next(stream)
    assert whole(stream)
    assert pages_of(small_server) - before == PAGES


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(("how", "error"), [("drop", Unavailable), ("159", TooSlow), ("241", Unavailable)])
def test_a_page_that_cannot_be_had_is_no_end(
    form: Form, how: str, error: type[Exception], parts: Parts, small_server: SmallServer
) -> None:
    small_server.set_faults({"contains": "page_ms", "how": how, "times": 99, "skip": 9})
    pieces = []
    with pytest.raises(error) as caught:
        for piece in parts.store.export(selection(), form):
            pieces.append(piece)
    assert type(caught.value) is error
    assert not b"".join(pieces).endswith(b"PAR1")
    small_server.set_faults()


def test_a_server_that_is_away_is_told_before_the_first_byte(parts: Parts, small_server: SmallServer) -> None:
    small_server.set_faults({"contains": "page_ms", "how": "241"})
    with pytest.raises(Unavailable):
        parts.store.export(selection(), Form.CSV)
    small_server.set_faults()


def test_nothing_is_left_of_one_that_is_broken_off(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def held() -> tuple[set[str], int, set[Path]]:
        gc.collect()
        threads = {each.name for each in threading.enumerate()}
        return threads, len(list(Path("/dev/fd").iterdir())), set(temporary.iterdir())

    for form in Form:
        parts.store.export(selection(), form).close()
    before = held()
    for form in Form:
        stream = parts.store.export(selection(), form)
        # No file is made of what is on its way.
        assert set(temporary.iterdir()) == before[2]
        next(stream)
        stream.close()
        stream.close()
    assert held() == before


def test_a_page_reads_neither_what_was_before_it_nor_all_that_comes_after(
    new_clickhouse: PartsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the time of an export would grow with the square of its events."""
    parts = new_clickhouse()
    parts.move_line(*(line(number, timestamp=NOON_MS + number) for number in range(EVENTS)))
    store = clickhouse_of(parts)
    ask, plans = store._server.lines, list[str]()

    def lines(sql: str, parameters: Mapping[str, Any], **named: Any) -> bytes:
        # Of a cluster what one shard does.
        on_shard = sql.replace(f"{store._tables.events} ", f"{store._tables.stored} ")
        settings = named["settings"]
        plan = store._server.rows(f"explain indexes = 1 {on_shard}", parameters, settings=settings)
        plans.append("\n".join(row[0] for row in plan))
        return ask(sql, parameters, **named)

    monkeypatch.setattr(store._server, "lines", lines)
    assert whole(store.export(selection(), Form.JSONL)).count(b"\n") == EVENTS
    read = [int(re.findall(r"Granules: (\d+)/", plan)[-1]) for plan in plans]
    left = [EVENTS, *(EVENTS - FIRST - page * PAGE for page in range(EVENTS // PAGE))]
    # A page begins and ends within a granule.
    assert [most for most, rows in zip(read, left, strict=True) if most > rows / GRANULE + 2] == []
    # And in this order the server ends with the rows that were asked for.
    assert [plan for plan in plans if not re.search(r"read ?type: inorder", plan, re.IGNORECASE)] == []
