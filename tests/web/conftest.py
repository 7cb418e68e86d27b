"""The world of the web tests; each module has one, and each test a site of its own in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rybbit import Rybbit
from tests.conftest import DATABASES
from tests.store.clickhouse_parts import SmallServer, clickhouse_store, drop_database
from tests.store.conftest import small_server
from tests.web.host_app import PREFIX, Host, host_db, make_host_app
from tests.web.people import Cast, make_cast
from tests.web.statistics import fill
from tests.web.world import WAYS, Sender, Tenant, World, prepare, running

__all__ = ["small_server"]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Settings of the module's app by their outside names; a module that needs some has its own."""
    return {}


@pytest.fixture(scope="module")
def events_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the module's app has its events: in the instance, unless the module is `on_both_engines`."""
    if getattr(request, "param", "lake") == "lake":
        yield ""
        return
    server: SmallServer = request.getfixturevalue("small_server")
    folder = tmp_path_factory.mktemp("events")
    url = server.url(folder)
    yield url
    store = clickhouse_store(folder, url)
    drop_database(store)
    store.close()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, events_url: str, settings: dict[str, Any]
) -> Iterator[World]:
    """A running app."""
    places = {"RYBBIT_EVENTS_URL": events_url}
    with running(tmp_path_factory.mktemp("web") / "instance", migrated_file, **places, **settings) as world:
        yield world


@pytest.fixture
def tenant(world: World) -> Tenant:
    """A site of the test's own, with default settings."""
    return world.add_tenant()


@pytest.fixture(scope="module")
def shop(world: World) -> Tenant:
    """A site with the visits of `statistics.VISITS`, for what only reads."""
    tenant = world.add_tenant()
    fill(world, tenant)
    return tenant


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Through the front, or to the Flask app below it."""
    return str(request.param)


@pytest.fixture
def sender(world: World, tenant: Tenant, way: str) -> Sender:
    """Whoever posts events to that site, in either way."""
    return Sender(world.client(way), tenant)


@pytest.fixture
def host(tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host app with the server in it, whose tracking goes to one site."""
    app = make_host_app(tmp_path)
    config = prepare(tmp_path / "instance", migrated_file)
    rybbit = Rybbit(app, url_prefix=PREFIX, config=config)
    world = World(rybbit.app)
    tenant = world.add_tenant(trackIp=True)
    monkeypatch.setattr(rybbit, "_site", tenant.id)
    yield Host(app, rybbit, world, tenant)
    world.close()
    with app.app_context():
        host_db.engine.dispose()


@pytest.fixture(scope="module", params=DATABASES)
def api_world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_file: Path,
    settings: dict[str, Any],
) -> Iterator[World]:
    """A running app, on each kind of control database."""
    places = {}
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        places["RYBBIT_SQLALCHEMY_DATABASE_URI"] = new_database()
    folder = tmp_path_factory.mktemp("api") / "instance"
    with running(folder, migrated_file, **places, **settings) as world:
        yield world


@pytest.fixture
def cast(api_world: World) -> Cast:
    """A site of the test's own, and everybody around it."""
    return make_cast(api_world)
