"""Exports of a store: whole, exact, and unharmed by what happens meanwhile."""

import csv
import io
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rybbit.store.base import Scope
from rybbit.store.event import Kind
from rybbit.store.export import ByteStream, Form, Output, Selection
from rybbit.store.export_pages import Ask, export_by_pages
from rybbit.store.lake_lines import open_engine
from tests.store.clickhouse_parts import drop_database, make_clickhouse_parts
from tests.store.parts import NOON_MS, Parts, entry, line, make_parts

HOSTILE = (
    *(
        "=1+1",
        "+1",
        "-1",
        "@sum",
        "\tx",
        "\rx",
        "'x",
        "''",
        "plain",
        'quo"te',
        "a,b",
        "two\nlines",
        "",
        "é😀",
    ),
)
OUTPUTS = (
    Output("timestamp", "timestamp", Kind.TIME),
    Output("event", "hex_id(id)", Kind.TEXT),
    Output("page_title", "page_title", Kind.TEXT),
    Output("lat", "lat", Kind.NUMBER),
)


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    parts = make_parts(tmp_path)
    yield parts
    parts.close()


def selection(site_id: int = 1, **changes: Any) -> Selection:
    return Selection(
        **{
            "outputs": OUTPUTS,
            "condition": "site_id = $site_id",
            "parameters": {"site_id": site_id},
            "scope": Scope(site_id),
        }
        | changes
    )


def whole(stream: ByteStream) -> bytes:
    data = b"".join(stream)
    stream.close()
    return data


def new_engine(folder: Path) -> duckdb.DuckDBPyConnection:
    return open_engine(memory="256MB", threads=1, spill=folder / "spill")


def asks(parts: Parts) -> Ask:
    """Pages of the lake."""

    def ask(sql: str, parameters: Mapping[str, Any]) -> bytes:
        rows = parts.store.query(f"select cast(to_json(page) as varchar) from ({sql}) as page", parameters)
        return "".join(f"{row[0]}\n" for row in rows).encode()

    return ask


def read(data: bytes, form: Form, tmp_path: Path) -> list[tuple[str | None, ...]]:
    """The rows of an export as texts, with the apostrophes of CSV taken off."""
    if form is Form.JSONL:
        return [tuple(map(_text, json.loads(line).values())) for line in data.splitlines()]
    if form is Form.CSV:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        return [tuple(_restored(cell) for cell in row) for row in rows[1:]]
    (tmp_path / "out.parquet").write_bytes(data)
    sql = "select strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%gZ'), * exclude timestamp from read_parquet($file)"
    with duckdb.connect() as engine:
        rows = engine.execute(sql, {"file": str(tmp_path / "out.parquet")}).fetchall()
    return [tuple(map(_text, row)) for row in rows]


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _restored(cell: str) -> str | None:
    return cell.removeprefix("'") or None


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("engine", ["lake", "pages"])
def test_every_event_is_there_once_as_it_was_stored(
    form: Form, engine: str, parts: Parts, tmp_path: Path
) -> None:
    titles = [line(number, page_title=text, lat=-1.5) for number, text in enumerate(HOSTILE, 1)]
    parts.move_line(*titles[:5])
    parts.store_line(*titles[5:], line(900, 2, page_title="other site"))
    expected = sorted(
        ("2026-03-01T12:00:00.000Z", f"{number:016x}", text or None, "-1.5")
        for number, text in enumerate(HOSTILE, 1)
    )
    chosen = selection()
    if engine == "lake":
        stream: ByteStream = parts.store.export(chosen, form)
    else:
        stream = export_by_pages(asks(parts), chosen, form, engine=new_engine(tmp_path))
    assert sorted(read(whole(stream), form, tmp_path), key=str) == sorted(expected, key=str)


def test_csv_is_as_its_rfc_says(parts: Parts) -> None:
    parts.move_line(line(1, page_title='a"b\nc', lat=2.5), line(2))
    data = whole(parts.store.export(selection(), Form.CSV))
    assert data == (
        b"timestamp,event,page_title,lat\r\n"
        b'2026-03-01T12:00:00.000Z,0000000000000001,"a""b\nc",2.5\r\n'
        b"2026-03-01T12:00:00.000Z,0000000000000002,,\r\n"
    )


@pytest.mark.parametrize("form", Form)
def test_nothing_gives_a_file_without_rows(form: Form, parts: Parts, tmp_path: Path) -> None:
    assert read(whole(parts.store.export(selection(), form)), form, tmp_path) == []


def test_pages_that_share_a_moment_neither_skip_nor_double(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rybbit.store.export_pages._FIRST_EVENTS", 7)
    monkeypatch.setattr("rybbit.store.export_pages._PAGE_EVENTS", 7)
    parts.move_line(*(line(number, timestamp=NOON_MS + number // 10) for number in range(1, 101)))
    stream = export_by_pages(asks(parts), selection(), Form.JSONL, engine=new_engine(tmp_path))
    rows = read(whole(stream), Form.JSONL, tmp_path)
    assert [row[1] for row in rows] == [f"{number:016x}" for number in range(1, 101)]


def fill(parts: Parts, count: int = 60_000) -> None:
    for start in range(0, count, count // 3):
        parts.move_line(*(line(start + number + 1, page_title="x" * 200) for number in range(count // 3)))
    parts.journal.append([entry(page_title="open") for _ in range(3)])
    parts.store_line(line(10**9, page_title="closed"))


def test_what_happens_meanwhile_changes_nothing(parts: Parts) -> None:
    fill(parts)
    before = parts.count()
    stream = parts.store.export(selection(), Form.JSONL)
    first = next(iter(stream))
    parts.journal.append([entry(page_title="later")])
    parts.journal.close_file()
    parts.mover.move_all()
    parts.deletion.delete_visitor(1, 7)
    parts.age_tombstones()
    parts.store.rewrite(everything=True)
    assert len(parts.files()) == 1
    rest = whole(stream)
    titles = [json.loads(line)["page_title"] for line in (first + rest).splitlines()]
    assert len(titles) == before == 60_004
    assert titles.count("open") == 3
    assert "later" not in titles


def test_nothing_is_left_of_one_that_is_broken_off(parts: Parts) -> None:
    fill(parts)
    pins = parts.folder / "events.pins"
    stream = parts.store.export(selection(), Form.JSONL)
    next(iter(stream))
    assert len(list(pins.iterdir())) == 1
    stream.close()
    stream.close()
    assert list(pins.iterdir()) == []
    assert not [each for each in threading.enumerate() if each.name == "rybbit-export"]


def test_a_mistake_is_told_before_the_first_byte(parts: Parts) -> None:
    parts.move_line(line(1))
    with pytest.raises(duckdb.Error):
        parts.store.export(selection(condition="no_such_column = 1"), Form.CSV)
    assert list((parts.folder / "events.pins").iterdir()) == []


def test_what_a_dead_process_pinned_is_swept_and_what_is_read_is_not(parts: Parts) -> None:
    fill(parts, 3_000)
    pins = parts.folder / "events.pins"
    (pins / "1-dead").mkdir(parents=True)
    (pins / "1-dead" / "lock").touch()
    (pins / "1-unborn").mkdir()
    stream = parts.store.export(selection(), Form.JSONL)
    parts.store.rewrite()
    assert len(list(pins.iterdir())) == 1
    whole(stream)
    assert list(pins.iterdir()) == []


def test_half_a_batch_and_damaged_lines_are_left_out(parts: Parts, tmp_path: Path) -> None:
    parts.store_line(line(1), b"\xff\xfe no event\n", line(2))
    (parts.journal_folder.path / "1-1-open.open").write_bytes(
        line(3) + line(4)[:-2] + b',"more":1}\n' + line(5)[:-20]
    )
    rows = read(whole(parts.store.export(selection(), Form.JSONL)), Form.JSONL, tmp_path)
    assert sorted(str(row[1]) for row in rows) == [f"{number:016x}" for number in (1, 2, 3)]


def test_what_is_deleted_is_not_exported(parts: Parts, tmp_path: Path) -> None:
    parts.move_line(line(1), line(2), line(3))
    parts.deletion.delete_visitor(1, 2)
    rows = read(whole(parts.store.export(selection(), Form.CSV)), Form.CSV, tmp_path)
    assert [row[1] for row in rows] == [f"{1:016x}", f"{3:016x}"]


def test_one_that_takes_too_long_is_ended(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    from rybbit.errors import Unavailable

    monkeypatch.setattr("rybbit.store.export._LONGEST_SECONDS", 0.3)
    fill(parts)
    stream = parts.store.export(selection(), Form.JSONL)
    next(iter(stream))
    (pin,) = (parts.folder / "events.pins").iterdir()
    while pin.exists():
        threading.Event().wait(0.05)
    with pytest.raises(Unavailable, match="too long"):
        whole(stream)


@pytest.mark.parametrize("form", Form)
def test_the_other_engine_exports_the_same(form: Form, tmp_path: Path) -> None:
    parts = make_clickhouse_parts(tmp_path)
    try:
        parts.move_line(*(line(number, page_title=text) for number, text in enumerate(HOSTILE[:6], 1)))
        parts.store_line(line(7, page_title=HOSTILE[6], lat=1.5), line(8, 2))
        rows = read(whole(parts.store.export(selection(), form)), form, tmp_path)
        expected = [(f"{number:016x}", text) for number, text in enumerate(HOSTILE[:7], 1)]
        assert [(row[1], row[2]) for row in rows] == expected
        assert [row[3] for row in rows] == [None] * 6 + ["1.5"]
    finally:
        drop_database(parts.store)
        parts.close()
