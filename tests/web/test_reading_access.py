"""Who may read what of a site."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from werkzeug.test import TestResponse

from rybbit.models import Role
from tests.web.world import BRITISH, Sender, Tenant, World

UNAUTHORIZED = (401, {"error": "Unauthorized"})
NOT_FOUND = (404, {"error": "Site not found"})
FOR_READERS = ["overview", "events", "has-data", "live-user-count"]
FOR_MEMBERS = ["drops", "inspector"]
QUESTIONS = [*FOR_READERS, *FOR_MEMBERS]


@dataclass
class People:
    """A site, and the keys of everybody who might ask about it; None for nobody's."""

    tenant: Tenant
    members: dict[str, str]
    strangers: dict[str, str]
    nobodies: dict[str, str | None]


@pytest.fixture(scope="module")
def people(world: World) -> Iterator[People]:
    tenant = world.add_tenant()
    Sender(world.client(), tenant).send(ip_address=BRITISH)
    stranger = world.add_tenant()
    revoked, expired = world.add_member_key(tenant), world.add_member_key(tenant)
    world.revoke(revoked)
    world.expire(expired)
    yield People(
        tenant,
        members={
            "owner": tenant.account_key,
            "admin": world.add_member_key(tenant, Role.ADMIN),
            "member": world.add_member_key(tenant),
            "organization": world.add_organization_key(tenant),
        },
        strangers={
            "account of another": stranger.account_key,
            "organization of another": world.add_organization_key(stranger),
        },
        nobodies={
            "none": None,
            "empty": "",
            "unknown": "rb_" + "0" * 32,
            "malformed": "x" * 5000,
            "revoked": revoked,
            "expired": expired,
            "cut": tenant.account_key[:-1],
            # It lies in the servers of others: it sends, acts for nobody, and is no account key.
            "tracking key of another": stranger.api_key,
            "tracking key of the site": tenant.api_key,
        },
    )


@pytest.fixture(params=QUESTIONS)
def question(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _ask(world: World, site: object, question: str, key: str | None) -> TestResponse:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return world.client().get(f"/api/sites/{site}/{question}", headers=headers)


def _told(answer: TestResponse) -> tuple[int, object]:
    return answer.status_code, answer.json


class TestPrivate:
    """A site as it is unless somebody makes it public."""

    def test_members_read(self, world: World, people: People, question: str) -> None:
        answers = {_ask(world, people.tenant.id, question, key).data for key in people.members.values()}
        assert len(answers) == 1
        statuses = [
            _ask(world, people.tenant.site_id, question, key).status_code for key in people.members.values()
        ]
        assert statuses == [200] * len(people.members)

    def test_strangers_are_told_that_there_is_no_such_site(
        self, world: World, people: People, question: str
    ) -> None:
        for name, key in people.strangers.items():
            assert _told(_ask(world, people.tenant.id, question, key)) == NOT_FOUND, name
            assert _told(_ask(world, "99999999", question, key)) == NOT_FOUND, name

    def test_nobody_is_told_nothing(self, world: World, people: People, question: str) -> None:
        for name, key in people.nobodies.items():
            for site in (people.tenant.id, "99999999"):
                answer = _ask(world, site, question, key)
                assert _told(answer) == UNAUTHORIZED, name
                assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_another_scheme_is_no_credential(self, world: World, people: People, question: str) -> None:
        path = f"/api/sites/{people.tenant.id}/{question}"
        for authorization in (
            "Basic cmI6cmI=",
            people.tenant.account_key,
            f"Token {people.tenant.account_key}",
        ):
            answer = world.client().get(path, headers={"Authorization": authorization})
            assert _told(answer) == UNAUTHORIZED

    def test_the_scheme_is_written_in_any_case(self, world: World, people: People, question: str) -> None:
        path = f"/api/sites/{people.tenant.id}/{question}"
        headers = {"Authorization": f"bearer  {people.tenant.account_key}"}
        assert world.client().get(path, headers=headers).status_code == 200

    def test_who_is_asking_comes_before_what_is_asked(self, world: World, people: People) -> None:
        wrong = (
            "overview?start_date=x&filters=[1]",
            "events?page_size=0&filters=[1]",
            "drops?limit=x&filters=[1]",
            "inspector?since=x&filters=[1]",
        )
        for question in (*wrong, "has-data?filters=[1]", "live-user-count?minutes=x&filters=[1]"):
            assert _told(_ask(world, people.tenant.id, question, None)) == UNAUTHORIZED
            stranger = people.strangers["account of another"]
            assert _told(_ask(world, people.tenant.id, question, stranger)) == NOT_FOUND
            assert _ask(world, people.tenant.id, question, people.tenant.account_key).status_code == 400

    @pytest.mark.parametrize(
        "site",
        ["0", "-1", "x", "abcdefabcdef", "9" * 40, "%00", "1%00", "' or 1=1 --", "%C3%A4", "１", "1.0"],
    )
    def test_a_site_that_is_none(self, world: World, people: People, question: str, site: str) -> None:
        assert _told(_ask(world, site, question, people.tenant.account_key)) == NOT_FOUND
        assert _told(_ask(world, site, question, None)) == UNAUTHORIZED

    def test_only_reading(self, world: World, people: People, question: str) -> None:
        headers = {"Authorization": f"Bearer {people.tenant.account_key}"}
        path = f"/api/sites/{people.tenant.id}/{question}"
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = world.client().open(path, method=method, headers=headers)
            assert answer.status_code == 405
            assert json.loads(answer.data)["success"] is False


class TestPublic:
    """A site whose figures anyone may see."""

    @pytest.fixture(autouse=True)
    def _published(self, world: World, people: People) -> Iterator[None]:
        world.change(people.tenant, public=True, trackIp=True)
        yield
        world.change(people.tenant, public=False, trackIp=False)

    @pytest.mark.parametrize("question", FOR_READERS)
    def test_anybody_reads(self, world: World, people: People, question: str) -> None:
        keys = [*people.members.values(), *people.strangers.values(), None]
        assert {_ask(world, people.tenant.id, question, key).status_code for key in keys} == {200}

    @pytest.mark.parametrize("question", FOR_READERS)
    def test_a_key_that_does_not_count_is_refused_here_too(
        self, world: World, people: People, question: str
    ) -> None:
        for name, key in people.nobodies.items():
            if key is not None:
                assert _told(_ask(world, people.tenant.id, question, key)) == UNAUTHORIZED, name

    @pytest.mark.parametrize("question", FOR_MEMBERS)
    def test_what_was_dropped_is_for_members(self, world: World, people: People, question: str) -> None:
        for key in people.members.values():
            assert _ask(world, people.tenant.id, question, key).status_code == 200
        for key in people.strangers.values():
            assert _told(_ask(world, people.tenant.id, question, key)) == NOT_FOUND
        assert _told(_ask(world, people.tenant.id, question, None)) == UNAUTHORIZED

    def test_addresses_are_for_members(self, world: World, people: People) -> None:
        Sender(world.client(), people.tenant).send(ip_address=BRITISH)

        def shown(key: str | None) -> list[str | None]:
            answer = _ask(world, people.tenant.id, "events?page_size=1", key)
            return [event.get("ip") for event in json.loads(answer.data)["data"]]

        assert [shown(key) for key in people.members.values()] == [[BRITISH]] * 4
        assert [shown(key) for key in (*people.strangers.values(), None)] == [[None]] * 3

    def test_its_neighbour_stays_private(self, world: World, people: People) -> None:
        (neighbour,) = world.add_neighbours(people.tenant, 1)
        assert _told(_ask(world, neighbour, "overview", None)) == UNAUTHORIZED
        assert _ask(world, neighbour, "overview", people.tenant.account_key).status_code == 200


def test_access_ends_with_the_next_request(world: World) -> None:
    tenant = world.add_tenant(public=True)
    key = world.add_member_key(tenant)
    assert world.read(tenant, "overview", key=key).status_code == 200
    assert world.read(tenant, "overview", key=None).status_code == 200
    world.change(tenant, public=False)
    assert _told(world.read(tenant, "overview", key=None)) == UNAUTHORIZED
    assert world.read(tenant, "overview", key=key).status_code == 200
    world.revoke(key)
    assert _told(world.read(tenant, "overview", key=key)) == UNAUTHORIZED
