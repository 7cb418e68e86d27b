"""`rybbit serve`: the server, with several workers."""

import logging
import multiprocessing
import os
from functools import partial
from typing import TYPE_CHECKING

import click

from rybbit.cli.init import describe_first_run, set_up_instance
from rybbit.cli.instance import has_instance, open_app, read_settings
from rybbit.cli.listening import address_here, find_address, server_url
from rybbit.cli.worker import keep_workers_listening, load_worker
from rybbit.errors import Conflict

if TYPE_CHECKING:
    from rybbit.config import Config

logger = logging.getLogger("rybbit.serve")

# A group commit makes a thread wait; more than these cost more in switching than they gain (see
# tests/bench/track_bench.py).
DEFAULT_THREADS = 16
# Docker kills after ten seconds; only who sends or fetches slowly needs so long.
_STOP_SECONDS = 8


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address or name to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; by default one a core, at least two.")
@click.option("--threads", default=DEFAULT_THREADS, show_default=True, type=click.IntRange(1, 256))
@click.option("--domain", help="Domain of the first site, on an empty instance.")
@click.option("--email", help="Email address of the first owner, on an empty instance.")
def serve(
    host: str, port: int, workers: int | None, threads: int, domain: str | None, email: str | None
) -> None:
    """Run the server; an empty instance is set up first if a domain is given, else in the browser."""
    listen_on = find_address(host, port)
    config = read_settings()
    _prepare(config, domain=domain, email=email, address=address_here(listen_on, port))
    # The workers read the settings again, from wherever they are started.
    os.environ["RYBBIT_INSTANCE_PATH"] = str(config.instance_path)
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    click.echo(f"Serving on {server_url(listen_on, port)}", err=True)
    _serve(listen_on, port, workers or max(2, os.cpu_count() or 2), threads)


def _prepare(config: "Config", *, domain: str | None, email: str | None, address: str) -> None:
    """Bring the database up to date, and set an empty instance up."""
    if has_instance(config):
        with open_app(migrate=True):
            from rybbit.services.accounts import has_accounts

            if has_accounts():
                _tell_unused(domain, email)
                return
    if domain is None:
        if email is not None:
            click.echo("--email has no effect without --domain.", err=True)
        with open_app(migrate=True):
            click.echo(_invite_to_setup(config, address), err=True)
        return
    try:
        first = set_up_instance(email=email or f"owner@{_host_of(domain)}", domain=domain)
    except Conflict:
        # Another server was started on the same folder just now, and was first.
        _tell_unused(domain, email)
        return
    click.echo(describe_first_run(first, address=config.base_url or address))
    click.echo()


def _tell_unused(domain: str | None, email: str | None) -> None:
    """Say that what was given for an empty instance has no effect on one with accounts."""
    given = {"--domain": domain, "--email": email}
    names = [name for name, value in given.items() if value is not None]
    if names:
        click.echo(
            f"This instance is set up already: {' and '.join(names)} had no effect."
            " `rybbit site create --domain EXAMPLE.COM` adds a site.",
            err=True,
        )


def _invite_to_setup(config: "Config", address: str) -> str:
    """Where the first account is made in a browser, by whoever reads this."""
    from rybbit.services.setup_token import make_setup_token, setup_url

    url = setup_url(config.base_url or address, make_setup_token(config.instance_path))
    return (
        f"This instance is empty. Open this link to set it up; it works until the first account is made:\n\n"
        f"  {url}\n\n"
        "Or run `rybbit init --email YOU@EXAMPLE.COM --domain EXAMPLE.COM` beside it.\n"
    )


def _host_of(domain: str) -> str:
    from rybbit.services.domains import strip_domain

    return strip_domain(domain)


def _serve(host: str, port: int, workers: int, threads: int) -> None:
    """Run granian until somebody stops it: when workers are killed in quick succession, it gives up."""
    keep_workers_listening()
    while _run_granian(host, port, workers, threads):
        logger.error("Workers died in quick succession; starting all of them anew")


def _run_granian(host: str, port: int, workers: int, threads: int) -> bool:
    """Serve; answers whether it ended because workers died that had begun well."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.log import logger as server_logger

    # More threads than cores are meant: most of them wait for the disk.
    server_logger.addFilter(lambda record: "Python threads" not in record.getMessage())
    # Without a lock, which a worker that is killed would take along.
    loaded = multiprocessing.RawValue("b", 0)
    server = Granian(
        "rybbit",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
        websockets=False,
        log_level=LogLevels.warning,
    )
    try:
        server.serve(target_loader=partial(load_worker, os.getpid(), loaded), wrap_loader=False)
    except SystemExit:
        # Asked to stop, workers that end before they are told to are no failure.
        if server.interrupt_signal:
            return False
        if not loaded.value:
            raise
        return True
    return False
