"""`rybbit demo`."""

from typing import Any

import pytest

from rybbit.config import load_config
from rybbit.store.engines import lake_options
from rybbit.store.lake import LakeStore
from tests.cli.conftest import Shell

UNTIL = ("--until", "2026-03-01T12:00:00")


def stored(shell: Shell, sql: str) -> list[tuple[Any, ...]]:
    store = LakeStore(lake_options(load_config({"RYBBIT_INSTANCE_PATH": str(shell.instance)})))
    try:
        return store.query(sql)
    finally:
        store.close()


@pytest.mark.usefixtures("first")
def test_a_site_is_made_and_filled(shell: Shell) -> None:
    text = shell.run("demo", "--events", "2500", "--days", "3", *UNTIL).stdout
    assert text == "demo.example.com (site 2) has 2500 more events of 3 days.\n"
    shell.run("demo", "--events", "100", "--domain", "demo.example.com", *UNTIL)
    shell.run("demo", "--events", "10", "--site", "1", *UNTIL)
    counts = "select site_id, count(*), count(distinct id) from events group by site_id order by site_id"
    assert stored(shell, counts) == [(1, 10, 10), (2, 2600, 2600)]
    assert [site["domain"] for site in shell.json("site", "list")] == ["example.com", "demo.example.com"]


@pytest.mark.usefixtures("first")
def test_a_site_is_found_in_any_spelling(shell: Shell) -> None:
    for domain in ("bücher.example.com", "https://BÜCHER.example.com/", "xn--bcher-kva.example.com"):
        shell.run("demo", "--events", "10", "--domain", domain, *UNTIL)
    assert [site["domain"] for site in shell.json("site", "list")] == [
        "example.com",
        "xn--bcher-kva.example.com",
    ]


@pytest.mark.usefixtures("first")
def test_a_part_of_it_can_be_read_by_name(shell: Shell) -> None:
    shell.run("demo", "--events", "2000", "--site", "1", *UNTIL)
    named = "select count(distinct user_id), count(distinct user_hash) from events where user_id is not null"
    (names, hashes) = stored(shell, named)[0]
    assert names == hashes > 0


@pytest.mark.usefixtures("first")
def test_mistakes_are_told(shell: Shell) -> None:
    assert "Site not found" in shell.run("demo", "--site", "99", code=1).stderr
    assert "host name" in shell.run("demo", "--domain", "nodot", code=1).stderr
    shell.run("demo", "--events", "0", code=2)
