"""Exports over HTTP: who may have one, what is in it, and under which name."""

import csv
import io
import json

import pytest

from rybbit.stats.export import EXPORTED
from tests.web.world import Sender, Tenant, World


@pytest.fixture
def way() -> str:
    """The front hands exports on as it does everything else."""
    return "front"


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_what_came_in_goes_out(world: World, tenant: Tenant, sender: Sender) -> None:
    sender.send(pathname="/a", page_title="=cmd|' /C calc'!A0", user_id="ann", ip_address="203.0.113.7")
    sender.send(type="custom_event", event_name="buy", properties='{"a": 1}', pathname="/b")
    answer = world.read(tenant, "export")
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={tenant.domain}.csv"
    assert answer.headers["Cache-Control"] == "no-store"
    first, second = sorted(rows(answer.data), key=lambda row: row["pathname"])
    assert tuple(first) == EXPORTED
    assert (first["user_id"], first["page_title"]) == ("ann", "'=cmd|' /C calc'!A0")
    assert (second["event_name"], second["properties"]) == ("buy", '{"a": 1}')
    assert second["user_id"] == second["visitor_id"]
    (shown,) = json.loads(world.read(tenant, "events?page_size=1").data)["data"][:1]
    assert shown["event_id"] in {first["event_id"], second["event_id"]}


def test_period_and_filters_choose(world: World, tenant: Tenant, sender: Sender) -> None:
    for path in ("/a", "/b", "/b"):
        sender.send(pathname=path)
    filters = json.dumps([{"parameter": "pathname", "type": "equals", "value": ["/b"]}])
    answer = world.read(tenant, f"export?format=jsonl&filters={filters}")
    assert [json.loads(line)["pathname"] for line in answer.data.splitlines()] == ["/b", "/b"]
    answer = world.read(tenant, "export?start_date=2020-01-01&end_date=2020-01-02")
    assert rows(answer.data) == []
    name = f"{tenant.domain}-20200101-20200103.csv"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"


def test_addresses_are_for_sites_that_keep_them(world: World, tenant: Tenant, sender: Sender) -> None:
    world.change(tenant, trackIp=True)
    sender.send(ip_address="203.0.113.7")
    (row,) = rows(world.read(tenant, "export").data)
    assert row["ip"] == "203.0.113.7"
    world.change(tenant, trackIp=False)
    (row,) = rows(world.read(tenant, "export").data)
    assert "ip" not in row


def test_it_is_nothing_for_viewers(world: World, tenant: Tenant) -> None:
    world.change(tenant, public=True)
    assert world.read(tenant, "overview", key=None).status_code == 200
    answer = world.read(tenant, "export", key=None)
    assert (answer.status_code, json.loads(answer.data)) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("export?format=xml", "format"),
        ("export?filters=x", "filters"),
        ("export?start_date=x", "start_date"),
    ],
)
def test_mistakes_are_named(world: World, tenant: Tenant, question: str, field: str) -> None:
    answer = world.read(tenant, question)
    assert answer.status_code == 400
    assert list(json.loads(answer.data)["details"]["fieldErrors"]) == [field]


def test_asking_for_the_head_alone_leaves_nothing_behind(world: World, tenant: Tenant) -> None:
    token = {"Authorization": f"Bearer {tenant.account_key}"}
    answer = world.client().head(f"/api/sites/{tenant.site_id}/export?format=parquet", headers=token)
    assert answer.status_code == 200
    answer.close()
    pins = world.runtime.config.instance_path / "events.pins"
    assert not list(pins.glob("*"))
