"""`rybbit demo`: a site full of plausible traffic."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from rybbit.cli.instance import open_instance
from rybbit.cli.lookup import ORGANIZATION, find_organization
from rybbit.cli.output import progress_bar
from rybbit.errors import NotFound

if TYPE_CHECKING:
    from rybbit.models import Site
    from rybbit.runtime import Runtime

_DOMAIN = "demo.example.com"
_UNTIL = click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the traffic ends, in UTC; now if not given. The same seed and end give the same traffic.",
)


@click.command()
@click.option("--site", "site_id", help="Number or id of a site that exists.")
@click.option("--domain", help=f"Domain of the site, which is made if there is none; {_DOMAIN} by default.")
@click.option("--events", default=100_000, show_default=True, type=click.IntRange(1, 1_000_000_000))
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650))
@click.option("--seed", default=1, show_default=True, type=int, help="Another number gives other traffic.")
@_UNTIL
@ORGANIZATION
def demo(
    site_id: str | None,
    domain: str | None,
    events: int,
    days: int,
    seed: int,
    until: datetime | None,
    org: str | None,
) -> None:
    """Fill a site with plausible traffic, to look at or to measure with; with goals and a funnel to look at.

    What is there stays there, and doing it again adds as much again. A server may run meanwhile.
    """
    with open_instance() as app:
        from rybbit.extensions import db

        site = _find_or_make_site(site_id, domain, org)
        _add_examples(site)
        db.session.commit()
        runtime = app.extensions["rybbit"]
        _fill(runtime, site.site_id, events=events, days=days, seed=seed, until=until)
        told = f"{site.domain} (site {site.site_id}) has {events} more events of {days} days."
    click.echo(told)


def _find_or_make_site(site_id: str | None, domain: str | None, org: str | None) -> "Site":
    from sqlalchemy import select

    from rybbit.extensions import db
    from rybbit.models import Site
    from rybbit.services.domains import normalise_domain, strip_domain
    from rybbit.services.organizations import owner_of
    from rybbit.services.sites import create_site, site_for

    if site_id is not None:
        return site_for(site_id)
    domain = strip_domain(domain or _DOMAIN)
    # One that is no domain is refused below, with the reason.
    with suppress(ValueError):
        found = db.session.scalar(select(Site).where(Site.domain == normalise_domain(domain)))
        if found is not None:
            return found
    organization = find_organization(org)
    settings = {"domain": domain, "name": domain}
    return create_site(organization, settings, created_by=owner_of(organization).id)


def _add_examples(site: "Site") -> None:
    """Goals and a funnel, unless the site has some."""
    from rybbit.services.funnels import funnels_of, save_funnel
    from rybbit.services.goals import create_goal, goals_of
    from rybbit.transfer.demo_world import FUNNEL, GOALS

    if not goals_of(site, limit=1)[1]:
        for goal in GOALS:
            create_goal(site, goal)
    if not funnels_of(site):
        save_funnel(site, FUNNEL)


def _fill(
    runtime: "Runtime", site_id: int, *, events: int, days: int, seed: int, until: datetime | None
) -> None:
    from rybbit import clock
    from rybbit.ingest.visitor import hash_named
    from rybbit.transfer.demo import DAY_MS, Demo, Target, demo_lines
    from rybbit.transfer.loading import Loader

    tracked = runtime.directory.find_site(str(site_id))
    if tracked is None:
        raise NotFound("Site not found")
    end = clock.now_ms() if until is None else clock.to_ms(until)
    target = Target(site_id, tracked.domain, lambda name: hash_named(tracked, name))
    loads = runtime.loads
    number = loads.next_number()
    traffic = Demo(
        targets=[target], events=events, start_ms=end - days * DAY_MS, end_ms=end, seed=seed, load=number
    )
    runtime.journal_folder.create()
    with progress_bar(events, "Events") as bar:
        Loader(runtime.journal_folder, runtime.mover).load(
            loads.path, number, demo_lines(traffic), tell=bar.update
        )
    runtime.receipts.close()
    runtime.store.close()
