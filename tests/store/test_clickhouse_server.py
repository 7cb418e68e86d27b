"""ClickHouse over HTTP: what is sent, an outage, several machines, forks, reading while events move."""

import json
import logging
import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from rybbit import clock
from rybbit.errors import ConfigurationError, Unavailable
from rybbit.store.base import TooSlow
from tests.stats.questions import QUESTIONS, as_question
from tests.stats.reference.asking import make_asking
from tests.stats.reference.traffic import as_line, random_traffic
from tests.stats.test_agreement import _differences
from tests.store.clickhouse_http import PASSWORD
from tests.store.clickhouse_parts import SmallServer, stored
from tests.store.parts import REPOSITORY, Parts, PartsMaker, child_command, entry, line, run_child


@pytest.fixture
def parts(new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path) -> Parts:
    """The parts of a process, on a server that does what it is told."""
    small_server.set_faults()
    return new_clickhouse(url=small_server.url(tmp_path))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[SmallServer]:
    """A server that the test may stop."""
    server = SmallServer(tmp_path / "server")
    yield server
    server.stop()


class TestStatements:
    """What the server is sent."""

    def test_values_and_lines_arrive(self, parts: Parts) -> None:
        text = "/ü'\\\n\t\"🦊 {a:String} $b"
        parts.move_line(line(1, pathname=text))
        parts.store_line(line(2, pathname=text), b"no event\n", line(3))
        sql = (
            "select id from events where pathname = $text or pathname in (select unnest($texts)) order by id"
        )
        assert parts.store.query(sql, {"text": text, "texts": [text, "'"]}) == [(1,), (2,)]

    def test_values_of_any_size_arrive(self, parts: Parts) -> None:
        """The server reads a field of a form up to 128 KiB alone, so larger ones go as tables."""
        parts.move_line(line(1, pathname="/x'\\"), line(2, pathname="/y"))
        texts = [f"/{number}" * 40 for number in range(10_000)]
        sql = "select id from events where pathname in (select unnest($texts)) or id in (select unnest($ids))"
        assert parts.store.query(sql, {"texts": [*texts, "/x'\\"], "ids": list(range(9, 20_000))}) == [(1,)]
        pattern = "|".join([*texts[:3000], "^/y$"])
        assert parts.store.query(
            "select id from events where regexp_matches(pathname, $p)", {"p": pattern}
        ) == [(2,)]

    def test_values_are_in_no_statement(self, parts: Parts, small_server: SmallServer) -> None:
        parts.move_line(line(1, user_id="anna@example.com"))
        parts.store.query("select id from events where user_id = $name", {"name": "anna@example.com"})
        assert [each for each in small_server.statements() if "anna" in each] == []

    def test_every_question_is_answered(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        made = random_traffic(7, 60)
        chance = Random(7)
        monkeypatch.setattr(clock, "now_ms", lambda: made.world.now_ms)
        lines = [as_line(each) for each in made.events]
        parts.move_line(*lines[::2])
        parts.store_line(*lines[1::2])
        asking = make_asking(chance.choice, made.world, most_filters=1)
        for name, question in QUESTIONS.items():
            found = question.ask(parts.store, as_question(asking.asked))
            assert list(_differences(found, question.count(made.events, asking.asked))) == [], name

    def test_errors_are_ours(self, parts: Parts, small_server: SmallServer) -> None:
        parts.count()
        for code, error in (("159", TooSlow), ("241", Unavailable), ("60", Unavailable)):
            small_server.set_faults({"contains": "from events", "how": code})
            with pytest.raises(error):
                parts.count()


class TestOutage:
    """The server goes away, and comes back."""

    def test_events_wait(
        self,
        new_clickhouse: PartsMaker,
        own_server: SmallServer,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        parts = new_clickhouse(tmp_path, url=own_server.url(tmp_path))
        parts.journal.append([entry(event_id="before", user_id="anna")])
        parts.journal.close_file()
        assert (parts.mover.tick(), parts.store.is_well()) == (1, True)
        own_server.stop()
        for number in range(5):
            parts.journal.append([entry(event_id=f"e{number}", user_id="anna")])
            parts.journal.close_file()
            assert parts.mover.tick() == 0
        with pytest.raises(Unavailable):
            parts.count()
        assert parts.store.is_well() is False
        described = parts.store.describe()
        assert described["reachable"] is False
        own_server.start()
        assert parts.count() == 6
        while parts.mover.tick():
            pass
        assert stored(parts) == [(6,)]
        told = [record.getMessage() for record in caplog.records if record.name.startswith("rybbit")]
        assert len([text for text in told if "does not answer" in text]) == 1
        assert len([text for text in told if "answers again" in text]) == 1
        assert not any(secret in caplog.text for secret in (PASSWORD, "p%40ss", "anna"))
        assert PASSWORD not in json.dumps(described)

    def test_a_start_without_a_server(
        self, new_clickhouse: PartsMaker, own_server: SmallServer, tmp_path: Path
    ) -> None:
        own_server.stop()
        parts = new_clickhouse(tmp_path, url=own_server.url(tmp_path))
        assert parts.store.is_well() is False
        own_server.start()
        parts.journal.append([entry()])
        assert parts.count() == 1

    def test_a_wrong_password(
        self, new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path
    ) -> None:
        url = small_server.url(tmp_path)
        parts = new_clickhouse(tmp_path / "other", url=url.replace("%2F", "x"))
        with pytest.raises(Unavailable, match="AUTHENTICATION_FAILED"):
            parts.count()

    def test_without_the_driver(
        self,
        small_server: SmallServer,
        new_clickhouse: PartsMaker,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        parts = new_clickhouse(url=small_server.url(tmp_path))
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, "clickhouse_connect", None)
            with pytest.raises(ConfigurationError, match=r"rybbit\[clickhouse\]"):
                parts.count()


class TestProcesses:
    """Several of them, on one machine and on several."""

    def test_machines_share_the_table(
        self, new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path
    ) -> None:
        url = small_server.url(tmp_path)
        one, other = (new_clickhouse(tmp_path / name, url=url) for name in ("one", "other"))
        for number in range(3):
            one.move_line(line(number * 2))
            other.move_line(line(number * 2 + 1))
        assert one.store.last_batch() == other.store.last_batch() == 3
        one.store_line(line(6))
        assert one.ids() == [0, 1, 2, 3, 4, 5, 6]
        assert other.ids() == [0, 1, 2, 3, 4, 5]

    def test_machines_give_other_ids(
        self, new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path
    ) -> None:
        url = small_server.url(tmp_path)
        firsts = {new_clickhouse(tmp_path / str(name), url=url).store.first_of_ms for name in range(5)}
        assert len(firsts) == 5
        assert all(0 <= first < 2**21 - 2**15 for first in firsts)

    def test_a_reader_never_sees_less(
        self, parts: Parts, small_server: SmallServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RYBBIT_TEST_EVENTS_URL", small_server.url(parts.folder))
        rounds = 40
        with subprocess.Popen(
            child_command(parts.folder, "write_and_move", str(rounds)),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            os.set_blocking(writer.stdout.fileno(), False)
            said = seen = 0
            for _ in count():
                ended = writer.poll() is not None
                said += len([text for text in iter(writer.stdout.readline, "") if text.strip()])
                ids = parts.ids()
                assert len(ids) == len(set(ids))
                assert len(ids) >= max(seen, said)
                seen = len(ids)
                if ended:
                    break
        assert seen == said == rounds

    def test_a_child_connects_anew(
        self, parts: Parts, small_server: SmallServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RYBBIT_TEST_EVENTS_URL", small_server.url(parts.folder))
        done = run_child(parts.folder, "fork")
        words = done.stdout.split()
        assert words[words.index("codes") + 1 :] == ["0", "0", "0"]
        assert words.count("True") == 3
        named = [word for word in words if word.startswith(("before", "twin", "busy", "child", "parent"))]
        assert parts.count() == len(named)
