"""The columns of an event, its ids, and which lines can be read as one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit.store.event import (
    COLUMNS,
    LAST_MS,
    REQUIRED,
    Kind,
    first_id_at,
    is_readable,
    read_line,
    received_ms,
)
from tests.store.parts import NOON_MS, line

WHOLE: dict[str, Any] = json.loads(line(1))


def test_no_column_occurs_twice() -> None:
    names = [column.name for column in COLUMNS]
    assert len(names) == len(set(names))
    assert set(names) >= REQUIRED


class TestReadable:
    """Lines that every engine can hold."""

    def test_the_least_and_the_most(self) -> None:
        assert is_readable(WHOLE)
        full: dict[str, Any] = {
            column.name: {Kind.TEXT: "x", Kind.NUMBER: 0.5}.get(column.kind, 1) for column in COLUMNS
        }
        assert is_readable(full)
        assert is_readable(full | {"more": 1})

    @pytest.mark.parametrize("name", sorted(REQUIRED))
    def test_what_must_be_there(self, name: str) -> None:
        assert not is_readable(WHOLE | {name: None})
        assert not is_readable({key: value for key, value in WHOLE.items() if key != name})

    @pytest.mark.parametrize(
        ("name", "fits", "too_far"),
        [
            ("id", 2**63 - 1, 2**63),
            ("user_hash", -(2**63), -(2**63) - 1),
            ("screen_width", 2**31 - 1, 2**31),
            ("screen_height", -(2**31), -(2**31) - 1),
            ("timestamp", LAST_MS, LAST_MS + 1),
            ("timestamp", 0, -1),
            ("lat", 1.7e308, float("inf")),
            ("lcp", 3, float("nan")),
            ("pathname", "\U0001f600", "\ud83d"),
            ("pathname", "a\x01", "a\0"),
        ],
    )
    def test_limits(self, name: str, fits: object, too_far: object) -> None:
        assert is_readable(WHOLE | {name: fits})
        assert not is_readable(WHOLE | {name: too_far})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("id", value) for value in ("1", 1.0, True, [1])],
            *[("pathname", value) for value in (1, ["a"], {"a": 1}, True)],
            *[("lat", value) for value in ("1", True, [1.0])],
            *[("screen_width", value) for value in (1.0, "800", False)],
        ],
    )
    def test_types(self, name: str, value: object) -> None:
        assert not is_readable(WHOLE | {name: value})

    @pytest.mark.parametrize("row", [None, [], "x", 1])
    def test_what_is_no_object(self, row: object) -> None:
        assert not is_readable(row)


class TestLines:
    """Bytes of the journal."""

    def test_an_event(self) -> None:
        assert read_line(line(5, pathname="/ä")) == {**WHOLE, "id": 5, "session_id": 5, "user_hash": 5} | {
            "pathname": "/ä"
        }

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"\n",
            b"{}",
            b"nonsense",
            line(1)[:-3],
            line(1)[:-1] * 2,
            line(1)[:-2] + b',"id":2}',
            b"\xff" + line(1),
            b"\xef\xbb\xbf" + line(1),
            b"[" * 100_000,
        ],
    )
    def test_what_is_none(self, text: bytes) -> None:
        assert read_line(text) is None

    @given(st.binary(max_size=200))
    def test_it_never_fails(self, text: bytes) -> None:
        assert read_line(text) is None


class TestIds:
    """Ids carry the moment of receipt."""

    @given(moment=st.integers(NOON_MS, LAST_MS // 100), sequence=st.integers(0, 2**22 - 1))
    def test_back_and_forth(self, moment: int, sequence: int) -> None:
        assert received_ms(first_id_at(moment) + sequence) == moment
        assert first_id_at(moment) + sequence < first_id_at(moment + 1)

    def test_they_fit_for_a_long_time(self) -> None:
        year_2080 = 3_471_292_800_000
        assert 0 < first_id_at(NOON_MS) < first_id_at(year_2080) < 2**63
