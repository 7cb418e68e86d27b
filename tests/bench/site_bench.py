"""`python -m tests.bench.site_bench`: `GET /api/sites/:siteId` at one connection, on each kind of database.

PostgreSQL is the server of RYBBIT_TEST_POSTGRES_URL, in a database made for it; without it SQLite only.
"""

import argparse
import http.client
import os
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import create_engine, make_url

from tests.bench.server import Server, serving

_WARM_UP = 200


@dataclass(frozen=True)
class Latencies:
    """How long answers took, in milliseconds."""

    p50: float
    p99: float
    worst: float

    def __str__(self) -> str:
        return f"p50 {self.p50:6.2f} ms   p99 {self.p99:6.2f} ms   max {self.worst:6.1f} ms"


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database, which is removed at the end."""
    url = make_url(server).set(drivername="postgresql+psycopg")
    name = f"rybbit_bench_{secrets.token_hex(6)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"drop database {name} with (force)")
        engine.dispose()


def measure(server: Server, path: str, *, requests: int) -> Latencies:
    """Ask one after the other over one connection; every answer must be a 200."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    headers = {"Authorization": f"Bearer {server.account_key}"}
    times = []
    for _ in range(_WARM_UP + requests):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}")
    connection.close()
    times = sorted(times[_WARM_UP:])
    return Latencies(statistics.median(times), times[int(len(times) * 0.99)], times[-1])


def report(name: str, environment: dict[str, str], *, requests: int) -> None:
    """Start a server with these settings and print its figures."""
    with serving(workers=2, environment=environment) as server:
        figures = measure(server, f"/api/sites/{server.site_id}", requests=requests)
        print(
            f"{name:10} GET /api/sites/:siteId, one connection, {requests:,} requests: {figures}", flush=True
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3_000)
    arguments = parser.parse_args()
    report("SQLite", {}, requests=arguments.requests)
    postgres = os.environ.get("RYBBIT_TEST_POSTGRES_URL")
    if postgres:
        with new_database(postgres) as uri:
            report("PostgreSQL", {"RYBBIT_SQLALCHEMY_DATABASE_URI": uri}, requests=arguments.requests)
    else:
        print("PostgreSQL is left out: RYBBIT_TEST_POSTGRES_URL names none")


if __name__ == "__main__":
    main()
