"""Trying exclusions, limiting a site to some members, and the audit log over HTTP."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from rybbit import clock
from tests.web.people import Cast, everything
from tests.web.world import BRITISH, CRAWLER, FIREFOX, GERMAN, PEER

PROXY = "192.0.2.200"
TRY = "/api/sites/{site}/exclusions/test"
KEPT = {"success": True, "kept": True, "reason": None, "setting": None, "rule": None}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRUSTED_PROXIES": PROXY}


def content(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)


def change(cast: Cast, **settings: Any) -> None:
    """Change settings as the owner."""
    assert cast.call("owner", "PUT", "/api/sites/{site}/config", settings).status_code == 200


EVENTS: list[tuple[dict[str, Any], tuple[str, str, str] | None, str | None]] = [
    ({}, None, None),
    ({"ip_address": "10.1.2.3"}, ("ip", "excludedIPs", "10.0.0.0/8"), None),
    ({"ip_address": "::ffff:10.1.2.3"}, ("ip", "excludedIPs", "10.0.0.0/8"), None),
    ({"ip_address": "11.0.0.1"}, None, None),
    ({"user_agent": CRAWLER}, ("bot", "blockBots", "blockBots"), None),
    ({"user_agent": FIREFOX}, None, None),
    ({"user_agent": CRAWLER, "ip_address": "10.1.2.3"}, ("bot", "blockBots", "blockBots"), None),
    ({"country": "DE"}, ("country", "excludedCountries", "DE"), "DE"),
    ({"country": "FR"}, None, "FR"),
    ({"ip_address": GERMAN}, ("country", "excludedCountries", "DE"), "DE"),
    ({"ip_address": BRITISH}, None, "GB"),
    ({"ip_address": GERMAN, "country": "FR"}, None, "FR"),
    ({"ip_address": None, "user_agent": None, "country": None}, None, None),
]


@pytest.mark.parametrize(("event", "rule", "country"), EVENTS)
def test_exclusions_are_tried(
    cast: Cast, event: dict[str, Any], rule: tuple[str, str, str] | None, country: str | None
) -> None:
    change(cast, excludedIPs=["10.0.0.0/8", "10.1.0.0/16"], excludedCountries=["DE"])
    before = everything(cast.world)
    answer = cast.call("member", "POST", TRY, event)
    reason, setting, pattern = rule or (None, None, None)
    verdict = {"kept": rule is None, "reason": reason, "setting": setting, "rule": pattern}
    assert answer.status_code == 200
    assert content(answer) == KEPT | verdict | {"country": country}
    assert everything(cast.world) == before


def test_a_site_that_lets_bots_in_says_so(cast: Cast) -> None:
    change(cast, blockBots=False)
    assert content(cast.call("member", "POST", TRY, {"user_agent": CRAWLER}))["kept"] is True


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"ip_address": "nonsense"}, "ip_address"),
        ({"ip_address": 5}, "ip_address"),
        ({"ip_address": "1" * 65}, "ip_address"),
        ({"user_agent": "x" * 513}, "user_agent"),
        ({"user_agent": "a\0"}, "user_agent"),
        ({"country": "de"}, "country"),
        ({"country": "DEU"}, "country"),
        ({"ipAddress": "10.0.0.1"}, "ipAddress"),
    ],
)
def test_an_unfit_event_is_not_tried(cast: Cast, event: dict[str, Any], field: str) -> None:
    answer = cast.call("member", "POST", TRY, event)
    assert answer.status_code == 400
    assert list(content(answer)["details"]["fieldErrors"]) == [field]


def test_a_site_is_limited_to_some_members(cast: Cast) -> None:
    path = "/api/sites/{site}/members"
    shown = content(cast.call("admin", "GET", path))
    assert shown["restricted"] is True
    assert [row["id"] for row in shown["members"]] == [cast.accounts["member"]]
    other = cast.accounts["other member"]
    changed = content(cast.call("admin", "PUT", path, {"members": [other, other]}))
    assert [row["id"] for row in changed["members"]] == [other]
    assert cast.call("member", "GET", "/api/sites/{site}").status_code == 404, "at once"
    assert cast.call("other member", "GET", "/api/sites/{site}").status_code == 200
    assert content(cast.call("admin", "PUT", path, {"restricted": False}))["restricted"] is False
    assert cast.call("member", "GET", "/api/sites/{site}").status_code == 200


@pytest.mark.parametrize(
    "body", [{"members": ["user_x"]}, {"members": ["\0"]}, {"members": [5]}, {"members": "x"}]
)
def test_only_members_are_listed(cast: Cast, body: dict[str, Any]) -> None:
    before = everything(cast.world)
    for names in (body, body | {"restricted": False}):
        answer = cast.call("admin", "PUT", "/api/sites/{site}/members", names)
        assert answer.status_code == 400
        assert list(content(answer)["details"]["fieldErrors"]) == ["members"]
    stranger = {"members": [cast.accounts["stranger"]]}
    assert cast.call("admin", "PUT", "/api/sites/{site}/members", stranger).status_code == 400
    assert everything(cast.world) == before


def test_the_audit_log_tells_who_changed_what_from_where(cast: Cast) -> None:
    change(cast, name="First", blockBots=False)
    cast.call("admin in a browser", "PUT", "/api/sites/{site}/config", {"name": "Second"})
    cast.call(
        "owner", "POST", "/api/sites/{site}/private-link-config", {"action": "generate_private_link_key"}
    )
    site = cast.site()
    assert site is not None
    answer = cast.call("admin", "GET", "/api/sites/{site}/audit")
    assert str(site["private_link_key"]) not in answer.get_data(as_text=True)
    link, second, first, *_ = content(answer)["data"]
    assert (link["action"], link["actorKind"]) == ("link.generate", "key")
    assert (second["action"], second["actorKind"]) == ("site.update", "account")
    assert second["actorId"] == cast.accounts["admin"]
    assert second["address"] == PEER
    assert second["changes"] == {"name": ["First", "Second"]}
    assert first["changes"]["blockBots"] == [True, False]
    assert first["siteId"] == cast.site_id


def test_the_audit_log_tells_the_moment_of_each_change(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [clock.now_ms() + 1_234, clock.now_ms() + 60_000]
    for moment in moments:
        monkeypatch.setattr(clock, "now_ms", lambda moment=moment: moment)
        change(cast, name=str(moment))
    for path in ("/api/sites/{site}/audit", "/api/organizations/{org}/audit"):
        rows = content(cast.call("owner", "GET", path))["data"][:2]
        assert [row["at"] for row in rows] == [clock.to_iso(clock.from_ms(each)) for each in moments[::-1]]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (None, PROXY),
        ("203.0.113.77", "203.0.113.77"),
        ("198.51.100.1, 2001:db8::7", "2001:db8::7"),
        ("nonsense", PROXY),
    ],
)
@pytest.mark.parametrize("caller", ["owner", "owner in a browser", "organization key"])
def test_the_audit_log_tells_the_address_behind_a_trusted_proxy(
    cast: Cast, caller: str, forwarded: str | None, address: str
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    client = cast.client(caller)
    answer = client.put(
        cast.fill("/api/sites/{site}/config"),
        json={"name": f"Changed from {forwarded}"},
        headers=cast.headers(client, caller, "PUT") | headers,
        environ_overrides={"REMOTE_ADDR": PROXY},
    )
    assert answer.status_code == 200
    assert content(cast.call("owner", "GET", "/api/sites/{site}/audit"))["data"][0]["address"] == address


def test_the_audit_log_believes_no_header_of_a_stranger(cast: Cast) -> None:
    headers = {"X-Forwarded-For": "203.0.113.77"}
    cast.call("owner", "PUT", "/api/sites/{site}/config", {"name": "Changed"}, headers=headers)
    assert content(cast.call("owner", "GET", "/api/sites/{site}/audit"))["data"][0]["address"] == PEER


def test_the_audit_log_is_read_page_by_page(cast: Cast) -> None:
    for number in range(5):
        change(cast, name=f"Name {number}")
    whole = content(cast.call("owner", "GET", "/api/organizations/{org}/audit"))["data"]
    pages, before = [], ""
    while True:
        page = content(cast.call("owner", "GET", "/api/organizations/{org}/audit?limit=3" + before))
        pages += page["data"]
        if page["before"] is None:
            break
        before = f"&before={page['before']}"
    assert pages == whole
    assert [row["id"] for row in pages] == sorted((row["id"] for row in pages), reverse=True)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "before=0", "before=-1", "before=" + "9" * 30]
)
def test_an_unfit_page_is_refused(cast: Cast, query: str) -> None:
    for path in ("/api/sites/{site}/audit?", "/api/organizations/{org}/audit?"):
        answer = cast.call("owner", "GET", path + query)
        assert answer.status_code == 400
        assert list(content(answer)["details"]["fieldErrors"]) == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "since", ["999999999999999", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"]
)
def test_a_moment_off_the_calendar_is_refused(cast: Cast, since: str) -> None:
    for path in ("/api/sites/{site}/drops?since=", "/api/sites/{site}/events?since_timestamp="):
        assert cast.call("owner", "GET", path + since.replace("+", "%2B")).status_code == 400
