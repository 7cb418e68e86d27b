"""Changes by HTTP on one server, obeyed by every worker of it and of a second one on the same folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.conftest import DATABASES
from tests.faults.server import Instance, serving
from tests.faults.workers import Answer, Worker, every_worker
from tests.web.people import Cast, make_cast
from tests.web.world import BRITISH, CRAWLER, FIREFOX, World, running

STORED = Answer(200, {"success": True})
WRONG_KEY = Answer(403, {"success": False, "error": "Invalid API key"})
UNAUTHORIZED = Answer(401, {"error": "Unauthorized"})
NOT_FOUND = Answer(404, {"error": "Site not found"})
FORBIDDEN = Answer(403, {"error": "Forbidden"})
LINK = "/api/sites/{site}/private-link-config"


@dataclass
class Cluster:
    """Two servers with two workers each, on one instance folder."""

    world: World
    here: list[Worker]
    there: list[Worker]

    @property
    def workers(self) -> list[Worker]:
        return [*self.here, *self.there]

    def change(self, cast: Cast, method: str, path: str, body: object = None) -> Answer:
        """Change something as the owner, with one worker of the first server."""
        answer = self.here[0].ask(method, cast.fill(path), body, key=cast.keys["owner"])
        assert answer.status == 200, answer
        return answer

    def obey_within_a_second(self, ask: Callable[[Worker], Answer], expected: Answer) -> None:
        """Ask all workers again and again; none may answer as before to what is asked a second from now."""
        end = time.monotonic() + 1.0
        waiting = self.workers
        while waiting:
            began = time.monotonic()
            answers = {worker.pid: ask(worker) for worker in waiting}
            waiting = [worker for worker in waiting if answers[worker.pid] != expected]
            assert not waiting or began < end, (answers, expected)
        assert [ask(worker) for worker in self.workers] == [expected] * 4, "and so it stays"


@pytest.fixture(scope="module", params=DATABASES)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[Cluster]:
    places: dict[str, str] = {}
    if request.param == "postgresql":
        places["RYBBIT_SQLALCHEMY_DATABASE_URI"] = request.getfixturevalue("new_postgres_database")()
    folder = tmp_path_factory.mktemp("servers") / "instance"
    with running(folder, migrated_file, **places) as world, ExitStack() as stack:
        instance = Instance(folder, 0, "", "")
        environment = places | {
            "RYBBIT_GEOIP_DATABASE": str(folder / "places.mmdb"),
            # Workers are asked as fast as they answer.
            "RYBBIT_BROWSER_RATE_LIMIT": "",
        }
        workers = []
        for _ in range(2):
            server = stack.enter_context(serving(instance, workers=2, environment=environment))
            workers.append(stack.enter_context(every_worker(server)))
            assert len(workers[-1]) == 2
        yield Cluster(world, *workers)


@pytest.fixture
def cast(cluster: Cluster) -> Cast:
    return make_cast(cluster.world)


def pageview(cast: Cast, **fields: object) -> dict[str, object]:
    return {"site_id": str(cast.site_id), "pathname": "/", **fields}


def as_server(cast: Cast, key: str, **fields: object) -> Callable[[Worker], Answer]:
    """Send a pageview as a program does."""
    return lambda worker: worker.ask(
        "POST", "/api/track", pageview(cast, user_agent=FIREFOX, **fields), key=key
    )


def as_page(cast: Cast, origin: str, agent: str = FIREFOX) -> Callable[[Worker], Answer]:
    """Send a pageview as a page does."""
    headers = {"Origin": origin, "User-Agent": agent}
    return lambda worker: worker.ask("POST", "/api/track", pageview(cast), headers=headers)


def read(cast: Cast, *, key: str | None = None, link: str | None = None) -> Callable[[Worker], Answer]:
    """Read the overview with a key, with a private link, or with nothing."""
    headers = {} if link is None else {"X-Private-Key": link}
    return lambda worker: worker.ask("GET", cast.fill("/api/sites/{site}/overview"), key=key, headers=headers)


def all_answer(workers: list[Worker], ask: Callable[[Worker], Answer]) -> set[int]:
    return {ask(worker).status for worker in workers}


@pytest.mark.parametrize("holder", ["account", "organization"])
def test_a_revoked_key_tracks_nowhere_a_second_later(cluster: Cluster, cast: Cast, holder: str) -> None:
    path = "/api/account/keys" if holder == "account" else "/api/organizations/{org}/keys"
    made = cluster.here[0].ask("POST", cast.fill(path), {"name": "K"}, key=cast.keys["owner"])
    send = as_server(cast, made.body["key"])
    assert [send(worker) for worker in cluster.workers] == [STORED] * 4
    cluster.change(cast, "DELETE", f"{path}/{made.body['id']}")
    cluster.obey_within_a_second(send, WRONG_KEY)


def test_settings_are_obeyed_everywhere_a_second_later(cluster: Cluster, cast: Cast) -> None:
    config = "/api/sites/{site}/config"
    british = as_server(cast, cast.keys["tracking key"], ip_address=BRITISH)
    crawler = as_page(cast, f"https://{cast.domain}", CRAWLER)
    old, new = f"https://{cast.domain}", f"https://new.{cast.domain.replace('.', '-')}.example"
    assert [british(worker) for worker in cluster.workers] == [STORED] * 4
    cluster.change(cast, "PUT", config, {"excludedCountries": ["GB"]})
    excluded = {"success": True, "message": "Event not tracked - country excluded"}
    cluster.obey_within_a_second(british, Answer(200, excluded))
    assert all("bot detected" in crawler(worker).body["message"] for worker in cluster.workers)
    cluster.change(cast, "PUT", config, {"blockBots": False})
    cluster.obey_within_a_second(crawler, STORED)
    cluster.change(cast, "PUT", config, {"domain": new.removeprefix("https://")})
    mismatch = {"success": False, "error": f"Origin mismatch. Received: {old}"}
    cluster.obey_within_a_second(as_page(cast, old), Answer(403, mismatch))
    assert [as_page(cast, new)(worker) for worker in cluster.workers] == [STORED] * 4


def test_what_strangers_see_ends_at_the_next_request_elsewhere(cluster: Cluster, cast: Cast) -> None:
    cluster.change(cast, "PUT", "/api/sites/{site}/config", {"public": True})
    assert all_answer(cluster.there, read(cast)) == {200}
    cluster.change(cast, "PUT", "/api/sites/{site}/config", {"public": False})
    assert [read(cast)(worker) for worker in cluster.there] == [UNAUTHORIZED] * 2
    made = cluster.change(cast, "POST", LINK, {"action": "generate_private_link_key"})
    by_link = read(cast, link=made.body["data"]["privateLinkKey"])
    assert all_answer(cluster.there, by_link) == {200}
    cluster.change(cast, "POST", LINK, {"action": "revoke_private_link_key"})
    assert [by_link(worker) for worker in cluster.there] == [UNAUTHORIZED] * 2


def test_what_members_may_ends_at_the_next_request_elsewhere(cluster: Cluster, cast: Cast) -> None:
    path = "/api/organizations/{org}/members/{admin}"
    cluster.change(cast, "PUT", "/api/sites/{site}/members", {"restricted": False})

    def rename(worker: Worker) -> Answer:
        config = cast.fill("/api/sites/{site}/config")
        return worker.ask("PUT", config, {"name": "N"}, key=cast.keys["admin"])

    assert all_answer(cluster.there, rename) == {200}
    cluster.change(cast, "PUT", path, {"role": "member"})
    assert [rename(worker) for worker in cluster.there] == [FORBIDDEN] * 2
    by_key = read(cast, key=cast.keys["admin"])
    assert all_answer(cluster.there, by_key) == {200}
    cluster.change(cast, "DELETE", path)
    assert [by_key(worker) for worker in cluster.there] == [NOT_FOUND] * 2


def test_an_account_key_is_worth_nothing_at_the_next_request_elsewhere(cluster: Cluster, cast: Cast) -> None:
    made = cluster.here[0].ask("POST", "/api/account/keys", {"name": "K"}, key=cast.keys["owner"])
    by_key = read(cast, key=made.body["key"])
    assert all_answer(cluster.there, by_key) == {200}
    cluster.change(cast, "DELETE", f"/api/account/keys/{made.body['id']}")
    assert [by_key(worker) for worker in cluster.there] == [UNAUTHORIZED] * 2


def test_nothing_is_read_of_a_deleted_site_while_events_stream_in(cluster: Cluster, cast: Cast) -> None:
    made = cluster.change(cast, "POST", LINK, {"action": "generate_private_link_key"})
    link = made.body["data"]["privateLinkKey"]
    send = as_server(cast, cast.keys["tracking key"])
    streaming = {worker.pid: Event() for worker in cluster.workers[1:]}
    ends: dict[int, Answer] = {}

    def stream(worker: Worker) -> None:
        while (answer := send(worker)) == STORED:
            streaming[worker.pid].set()
        ends[worker.pid] = answer

    threads = [Thread(target=stream, args=(worker,)) for worker in cluster.workers[1:]]
    for thread in threads:
        thread.start()
    assert all(event.wait(30) for event in streaming.values())
    store, parameters = cluster.world.runtime.store, {"site_id": cast.site_id}
    stored = "select count(*) from events where site_id = $site_id"
    assert store.query(stored, parameters) > [(0,)]
    cluster.change(cast, "DELETE", "/api/sites/{site}")
    # Of what the others take until they know of it, nothing may be read either.
    assert store.query(stored, parameters) == [(0,)]
    for thread in threads:
        thread.join(30)
    assert {answer.status for answer in ends.values()} == {403}
    assert len(ends) == 3
    assert store.query(stored, parameters) == [(0,)]
    for worker in cluster.workers:
        for path in ("", "/overview", "/events", "/has-data"):
            answer = worker.ask("GET", cast.fill("/api/sites/{site}") + path, key=cast.keys["owner"])
            assert answer == NOT_FOUND
        assert read(cast, link=link)(worker) == UNAUTHORIZED
