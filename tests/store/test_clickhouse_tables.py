"""The tables, and how the address of a ClickHouse is read."""

import pytest

from rybbit.config import EventsAddress, load_config, parse_events_url
from rybbit.errors import ConfigurationError
from rybbit.store.base import EVERYTHING
from rybbit.store.clickhouse_journal import View
from rybbit.store.clickhouse_query import compose


class TestAddress:
    """RYBBIT_EVENTS_URL."""

    def test_all_of_it(self) -> None:
        found = parse_events_url("clickhouses://me:p%40ss%2F@example.com:9443/stats?cluster=main")
        assert found == EventsAddress(
            host="example.com",
            port=9443,
            user="me",
            password="p@ss/",
            database="stats",
            cluster="main",
            is_secure=True,
        )
        assert str(found) == "clickhouses://example.com:9443/stats?cluster=main"
        assert "p@ss" not in repr(found)

    @pytest.mark.parametrize(("scheme", "port"), [("clickhouse", 8123), ("clickhouses", 8443)])
    def test_as_little_as_will_do(self, scheme: str, port: int) -> None:
        found = parse_events_url(f"{scheme}://host")
        assert (found.port, found.user, found.password, found.database) == (port, "default", "", "default")

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("http://u:secret@host/db", "must begin with clickhouse://"),
            ("chdb:///folder?database=x", "must begin with clickhouse://"),
            ("clickhouse://u:secret@/db", "must name a host"),
            ("clickhouse://u:secret@host:port/db", "no address"),
            ("clickhouse://u:se/cret@host/db", "no address"),
            ("clickhouse://u:secret@host/a`b", "letters, digits and _"),
            ("clickhouse://u:secret@host/a/b", "letters, digits and _"),
            ("clickhouse://u:secret@host/db?compress=1", "knows no option 'compress'"),
            ("clickhouse://u:secret@host/db?cluster='", "a cluster is named"),
            ("clickhouse://u:secret@host/db?cluster", "no address"),
        ],
    )
    def test_others_are_refused(self, url: str, says: str) -> None:
        with pytest.raises(ConfigurationError, match=says) as caught:
            load_config({"RYBBIT_EVENTS_URL": url})
        assert "RYBBIT_EVENTS_URL" in str(caught.value)
        assert "cret" not in str(caught.value)

    def test_events_are_shipped_every_two_seconds(self) -> None:
        url = {"RYBBIT_EVENTS_URL": "clickhouse://host/db"}
        shipped, kept = load_config(url), load_config()
        assert (shipped.journal_file_seconds, shipped.move_seconds) == (1, 1)
        assert (kept.journal_file_seconds, kept.move_seconds) == (5, 30)
        assert load_config({**url, "RYBBIT_MOVE_SECONDS": "9"}).move_seconds == 9


def test_nothing_else_can_be_bound() -> None:
    with pytest.raises(TypeError, match="bytes"):
        compose(
            "select $x",
            {"x": b""},
            view=View(b"", 0, "false"),
            stored="t",
            last_id=9,
            scope=EVERYTHING,
            all_inline=True,
        )
