"""Kept and not kept in one list, and looking again without missing any."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rybbit.errors import InvalidInput
from rybbit.stats.inspector import InspectorPage, explain_address, inspector_page
from rybbit.store.event import SEQUENCE_BITS, first_id_at
from rybbit.store.unkept import SHOWN_MS, Unkept, UnkeptFile
from tests.store.conftest import Clocks, on_both_engines
from tests.store.parts import Parts, PartsMaker, line


@pytest.fixture
def file(tmp_path: Path) -> UnkeptFile:
    return UnkeptFile(tmp_path / "unkept.db")


def kept(parts: Parts, at_ms: int, number: int = 0, **columns: object) -> str:
    """Store an event received then; answers its row's id."""
    event_id = first_id_at(at_ms) + number
    parts.store_line(line(event_id, timestamp=1_600_000_000_000, **columns))
    return f"k{event_id:016x}"


def unkept(file: UnkeptFile, at_ms: int, rule: str = "") -> None:
    data = {"time": at_ms, "outcome": "refused", "rule": rule}
    file.write([Unkept(1, at_ms, "bot", None, None, json.dumps(data))])


class Looker:
    """Looks again and again, as a page does, and never sees a row twice."""

    def __init__(self, parts: Parts, file: UnkeptFile, limit: int = 100) -> None:
        self.parts, self.file, self.limit = parts, file, limit
        self.cursor: str | None = None
        self.seen: list[str] = []

    def look(self) -> InspectorPage:
        page = inspector_page(self.parts.store, self.file, 1, limit=self.limit, since=self.cursor)
        self.cursor = page.cursor
        self.seen += [row["id"] for row in reversed(page.rows)]
        return page


@on_both_engines
class TestOneLook:
    """What is there."""

    def test_nothing(self, parts: Parts, file: UnkeptFile) -> None:
        assert inspector_page(parts.store, file, 1) == InspectorPage([], "0-0-0")

    def test_both_by_time_of_receipt(self, parts: Parts, file: UnkeptFile, clocks: Clocks) -> None:
        now = clocks.now_ms
        first, third = kept(parts, now - 3000), kept(parts, now - 1000)
        unkept(file, now - 2000, "second")
        unkept(file, now, "fourth")
        rows = inspector_page(parts.store, file, 1).rows
        assert [row["id"] if row["outcome"] == "kept" else row["rule"] for row in rows] == [
            "fourth",
            third,
            "second",
            first,
        ]
        assert rows[3]["timestamp"] == "2020-09-13T12:26:40.000Z"
        assert rows[3]["time"] > rows[3]["timestamp"]
        assert len(inspector_page(parts.store, file, 1, limit=3).rows) == 3

    def test_an_hour(self, parts: Parts, file: UnkeptFile, clocks: Clocks) -> None:
        kept(parts, clocks.now_ms)
        unkept(file, clocks.now_ms)
        clocks.move(SHOWN_MS / 1000)
        assert len(inspector_page(parts.store, file, 1).rows) == 2
        clocks.move(1)
        assert inspector_page(parts.store, file, 1).rows == []

    def test_addresses_only_if_they_are_wanted(self, parts: Parts, file: UnkeptFile, clocks: Clocks) -> None:
        kept(parts, clocks.now_ms, ip="198.51.100.7")
        shown = [
            inspector_page(parts.store, file, 1, with_addresses=wanted).rows[0]["address"]
            for wanted in (False, True)
        ]
        assert shown == ["", "198.51.100.7"]

    @pytest.mark.parametrize(
        "since", ["x", "1-2", "1-2-3-4", "-1-2-3", "1-2-３", "1" * 17 + "-1-1", "1-1-1\n"]
    )
    def test_no_cursor(self, parts: Parts, file: UnkeptFile, since: str) -> None:
        with pytest.raises(InvalidInput):
            inspector_page(parts.store, file, 1, since=since)

    def test_any_cursor(self, parts: Parts, file: UnkeptFile) -> None:
        largest = "-".join(["f" * 16] * 3)
        assert inspector_page(parts.store, file, 1, since=largest).rows == []


PEER, HOP = {"peer": "10.1.1.1", "forwarded_for": ""}, {"address": "10.1.1.1", "range": "10.0.0.0/8"}
CAME = "The connection came from 10.1.1.1"


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [
        (None, ""),
        ({"source": "host"}, "The app that this server is mounted in names it."),
        ({"source": "ip_address"}, "The event names it in ip_address, under a key."),
        ({"source": "peer", **PEER, "trusted": []}, f"{CAME}."),
        (
            {"source": "peer", **PEER, "peer": "", "trusted": []},
            "The connection came from an address that is not kept.",
        ),
        (
            {"source": "peer", **PEER, "forwarded_for": "x", "trusted": []},
            f"{CAME}, which is not among the trusted proxies; so its X-Forwarded-For does not count.",
        ),
        (
            {"source": "peer", **PEER, "forwarded_for": "x", "trusted": [HOP]},
            f"{CAME}, a trusted proxy, but its X-Forwarded-For names no address.",
        ),
        (
            {"source": "x-forwarded-for", **PEER, "trusted": [HOP]},
            "X-Forwarded-For names it, and is believed because of the trusted proxies:"
            " 10.1.1.1 (10.0.0.0/8).",
        ),
    ],
)
def test_why_an_address(origin: dict[str, object] | None, sentence: str) -> None:
    assert explain_address({"address_from": origin}) == sentence


@on_both_engines
class TestLookingAgain:
    """Each look shows what came since."""

    def test_only_what_is_new(self, parts: Parts, file: UnkeptFile, clocks: Clocks) -> None:
        looker = Looker(parts, file)
        one = kept(parts, clocks.now_ms)
        unkept(file, clocks.now_ms)
        assert len(looker.look().rows) == 2
        assert looker.look().rows == []
        clocks.move(2)
        two = kept(parts, clocks.now_ms)
        assert [row["id"] for row in looker.look().rows] == [two]
        unkept(file, clocks.now_ms)
        assert [row["outcome"] for row in looker.look().rows] == ["refused"]
        assert looker.look().rows == []
        assert looker.seen[0] == one

    def test_one_that_comes_to_light_late(self, parts: Parts, file: UnkeptFile, clocks: Clocks) -> None:
        looker = Looker(parts, file)
        kept(parts, clocks.now_ms)
        looker.look()
        late = kept(parts, clocks.now_ms - 2000)
        assert late in [row["id"] for row in looker.look().rows]
        assert looker.look().rows == []

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 1500), st.integers(0, 2000), st.booleans()) | st.just("look"),
            max_size=14,
        )
    )
    def test_none_is_missed(
        self,
        new_parts: PartsMaker,
        tmp_path_factory: pytest.TempPathFactory,
        clocks: Clocks,
        steps: list[tuple[int, int, bool] | str],
    ) -> None:
        folder = tmp_path_factory.mktemp("looks")
        parts = new_parts()
        for path in parts.journal_folder.path.glob("*.jsonl"):
            path.unlink()
        file = UnkeptFile(folder / "unkept.db")
        looker = Looker(parts, file)
        sent = set()
        for number, step in enumerate(steps):
            if isinstance(step, str):
                looker.look()
                continue
            pause, late, is_kept = step
            clocks.move(pause / 1000)
            if is_kept:
                sent.add(kept(parts, clocks.now_ms - late, number % (1 << SEQUENCE_BITS)))
            else:
                unkept(file, clocks.now_ms - late)
        looker.look()
        assert {name for name in looker.seen if name.startswith("k")} == sent
        unseen = [name for name in looker.seen if name.startswith("u")]
        assert len(unseen) == len(set(unseen)) == sum(not step[2] for step in steps if step != "look")  # type: ignore[misc]

    def test_a_flood(self, parts: Parts, file: UnkeptFile, clocks: Clocks) -> None:
        looker = Looker(parts, file, limit=10)
        for turn in range(4):
            clocks.move(0.5)
            first = first_id_at(clocks.now_ms)
            parts.store_line(*[line(first + number) for number in range(400)])
            page = looker.look()
            assert [row["id"] for row in page.rows] == [f"k{first + n:016x}" for n in range(399, 389, -1)], (
                turn
            )
        assert looker.look().rows == []
