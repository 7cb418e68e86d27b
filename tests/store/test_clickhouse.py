"""The ClickHouse store in this process: what a reader sees, and how batches come in exactly once."""

import pytest

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.store import clickhouse_journal
from rybbit.store.base import Scope, TooSlow
from rybbit.store.event import LAST_MS
from tests.store.clickhouse_parts import clickhouse_of, drop_database, stored
from tests.store.parts import NOON_MS, Parts, PartsMaker, entry, line

MONTH_MS = 31 * 86_400_000


@pytest.fixture
def parts(new_clickhouse: PartsMaker) -> Parts:
    """The parts of one process."""
    return new_clickhouse()


class TestReading:
    """The relation `events`."""

    def test_journal_and_table_are_one(self, parts: Parts) -> None:
        assert parts.count() == 0
        parts.move_line(line(1), line(2))
        parts.store_line(line(3))
        (parts.journal_folder.path / "9-a.open").write_bytes(line(4) + line(5)[:-9])
        assert parts.ids() == [1, 2, 3, 4]
        assert parts.mover.move_all() == 2
        assert parts.ids() == [1, 2, 3, 4]
        assert stored(parts, "id") == [(1,), (2,), (3,), (4,)]

    @pytest.mark.parametrize("moved", [False, True])
    def test_values_come_back_as_they_were(self, parts: Parts, moved: bool) -> None:
        texts = {
            "pathname": "/ü'\\\n\t\"🦊",
            "page_title": "",
            "browser": "",
            "country": "'); drop table x; --",
        }
        numbers = {"lat": -0.5, "screen_width": -(2**31), "lcp": 1e300}
        parts.store_line(line(-(2**63), **texts, **numbers), line(2**63 - 1, timestamp=LAST_MS))
        if moved:
            parts.mover.move_all()
        names = [*texts, *numbers, "city", "lon", "screen_height"]
        rows = parts.store.query(f"select epoch_ms(timestamp), {', '.join(names)} from events order by id")
        assert rows == [
            (NOON_MS, *texts.values(), *numbers.values(), None, None, None),
            (LAST_MS, *(None for _ in names)),
        ]

    def test_values_are_bound(self, parts: Parts) -> None:
        parts.move_line(line(1, pathname="it's {x:String} \\ $y"), line(2, pathname=""), line(3))
        sql = (
            "select id from events where pathname = $path or id in (select unnest($ids)) or user_id = $none"
            " order by id"
        )
        values = {"path": "it's {x:String} \\ $y", "ids": [3, 4], "none": None}
        assert parts.store.query(sql, values) == [(1,), (3,)]
        named = "select $text, $number, $half, $yes from events limit 1"
        assert parts.store.query(named, {"text": "\\N", "number": -1, "half": 0.5, "yes": True}) == [
            ("\\N", -1, 0.5, True)
        ]

    def test_properties_are_those_of_the_lake(self, parts: Parts, new_parts: PartsMaker) -> None:
        wholes = ("1.0", "-0.0", "1e2", "1e-400")
        values = (
            *("1", "-0", "1.5", "1e22", "1e300", "1e999", "-1.5E+999", "9" * 400, "true", "null", "[1, 2]"),
            *('""', '"x"', '"1e999"', '"\\" 1e999 \\\\"', '"\\u00e4\\n"', "{}"),
        )
        texts = [f'{{"k":{value}}}' for value in (*wholes, *values)]
        texts += [f'{{"a b":"\\"1e999","n":1e999, "k" :{value},"o":[-1e999]}}' for value in values]
        texts += ['{"n":1e999}', "{}", "[]", "1", "1e999", '"k"']
        lines = [line(number, properties=text) for number, text in enumerate(texts)]
        sql = "select id, json_text(properties, 'k') from events order by id"
        answers = []
        for each in (parts, new_parts()):
            each.move_line(*lines, line(len(texts)))
            answers.append(each.store.query(sql))
        assert answers[0] == answers[1]

    def test_a_query_may_have_a_thousand_conditions(self, parts: Parts) -> None:
        parts.move_line(line(1, properties='{"a":1}'))
        condition = " or ".join(f"number(json_text(properties, $key)) = {number}" for number in range(1000))
        assert parts.store.query(f"select id from events where {condition}", {"key": "a"}) == [(1,)]

    def test_a_scope_leaves_out_what_is_beyond(self, parts: Parts) -> None:
        parts.move_line(line(1), line(2, site_id=2), line(3, timestamp=NOON_MS + 5))
        parts.store_line(line(4), line(5, site_id=2), line(6, timestamp=NOON_MS + 5))
        scope = Scope(1, NOON_MS, NOON_MS + 5)
        assert parts.store.query("select id from events order by id", scope=scope) == [(1,), (4,)]

    def test_a_slow_query_is_given_up(self, parts: Parts) -> None:
        sql = "select count(*) from events, numbers(100000000000) as n where sipHash64(n.number) = 7"
        parts.move_line(line(1))
        with pytest.raises(TooSlow):
            parts.store.query(sql, seconds=0.2)

    def test_patterns(self, parts: Parts) -> None:
        found = [parts.store.accepts_pattern(pattern) for pattern in ("^/a.*$", "", "(", "(?=x)", "[ü🦊]")]
        assert found == [True, True, False, False, True]
        parts.move_line(line(1, pathname="a\nb"))
        sql = "select regexp_matches(pathname, $pattern) from events"
        assert [parts.store.query(sql, {"pattern": each})[0][0] for each in ("a.b", "(?s)a.b")] == [0, 1]

    def test_damaged_lines_are_passed_over(self, parts: Parts) -> None:
        parts.store_line(
            line(1), b'{"id": 2, "site', b"\n", b"\xff\xfe\n", b"{}\n", b'{"id": "x"}\n', line(3)
        )
        assert parts.ids() == [1, 3]
        assert parts.mover.move_all() == 2
        assert parts.ids() == [1, 3]
        assert len(list(parts.journal_folder.quarantine.iterdir())) == 1


class TestBacklog:
    """More in the journal than a query can be sent, as after an outage."""

    def test_it_is_refused_till_it_is_shipped(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        parts.journal.append([entry()])
        parts.journal.close_file()
        with monkeypatch.context() as patch:
            patch.setattr(clickhouse_journal, "_MOST_BYTES", 10)
            with pytest.raises(Unavailable) as caught:
                parts.count()
            assert caught.value.retry_after == 5
            parts.mover.move_all()
            assert parts.count() == 1

    def test_it_is_shipped_after_a_reboot_too(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which sessions and ids there were can only be asked afterwards; events are refused until then."""
        parts.journal.append([entry(event_id="a")])
        parts.journal.close_file()
        monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
        monkeypatch.setattr(clickhouse_journal, "_MOST_BYTES", 10)
        parts.receipts.close()
        with pytest.raises(Unavailable):
            parts.journal.append([entry(event_id="b")])
        assert parts.mover.tick() == 1
        assert parts.journal.append([entry(event_id="a"), entry(event_id="b")]) == [False, True]


class TestBatches:
    """From the journal into the table."""

    def test_months_come_in_apart(self, parts: Parts) -> None:
        lines = [line(number, timestamp=NOON_MS + number % 3 * MONTH_MS) for number in range(30)]
        parts.move_line(*lines)
        assert stored(parts, "toYYYYMM(timestamp), count(*)", "group by 1") == [
            (202603, 10),
            (202604, 10),
            (202605, 10),
        ]

    def test_months_lie_apart_and_sites_together(self, parts: Parts) -> None:
        """As erasing, questions and exports count on it: what is of another month or site is not read."""
        parts.move_line(*(line(number, timestamp=NOON_MS + number % 3 * MONTH_MS) for number in range(30)))
        server, tables = clickhouse_of(parts)._server, clickhouse_of(parts)._tables
        names = {"database": server.address.database, "table": tables.stored_name}
        keys = (
            "select partition_key, sorting_key from system.tables"
            " where database = {database:String} and name = {table:String}"
        )
        assert server.rows(keys, names) == [("toYYYYMM(timestamp)", "site_id, timestamp")]
        pieces = (
            "select distinct partition from system.parts"
            " where database = {database:String} and table = {table:String} and active order by partition"
        )
        assert server.rows(pieces, names) == [("202603",), ("202604",), ("202605",)]

    def test_many_events_are_one_part_a_month(self, parts: Parts) -> None:
        parts.move_line(*(line(number, pathname=f"/{number}") for number in range(150_000)))
        assert parts.store.describe()["files"] == 1
        assert parts.count() == 150_000

    def test_a_batch_is_taken_once(self, parts: Parts) -> None:
        name = parts.store_line(line(1))
        path = parts.journal_folder.path / name
        assert [parts.store.commit_batch(1, [path]) for _ in range(3)] == [1, 0, 0]
        assert parts.store.last_batch() == 1
        assert stored(parts) == [(1,)]

    def test_numbers_go_on_after_the_notes_are_lost(self, parts: Parts, new_clickhouse: PartsMaker) -> None:
        """As when an instance folder comes from a backup: ClickHouse knows how far it was."""
        parts.move_line(line(1))
        parts.move_line(line(2))
        (parts.folder / "clickhouse" / "progress").unlink()
        other = new_clickhouse()
        assert other.ids() == [1, 2]
        other.move_line(line(3))
        assert other.store.last_batch() == 3
        assert other.ids() == [1, 2, 3]

    def test_numbers_go_on_after_the_tables_are_lost(self, parts: Parts, new_clickhouse: PartsMaker) -> None:
        """Numbers are never used again: ClickHouse might remember a batch by its token."""
        parts.move_line(line(1))
        drop_database(parts.store)
        other = new_clickhouse()
        other.move_line(line(2))
        assert other.store.last_batch() == 2
        assert other.ids() == [2]

    def test_columns_of_a_later_version_are_added(self, parts: Parts, new_clickhouse: PartsMaker) -> None:
        parts.move_line(line(1, ttfb=1.5))
        store = clickhouse_of(parts)
        store._server.run(f"alter table {store._tables.events} drop column ttfb")
        other = new_clickhouse()
        other.move_line(line(2, ttfb=2.5))
        assert other.store.query("select ttfb from events order by id") == [(None,), (2.5,)]
