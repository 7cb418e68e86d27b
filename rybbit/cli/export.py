"""`rybbit export`: events of a site as a file."""

import sys
from typing import IO

import click

from rybbit.cli.instance import open_instance

_FORMS = ("csv", "jsonl", "parquet")


@click.command()
@click.option("--site", "site_id", required=True, help="Number or id of the site.")
@click.option("--format", "form", required=True, type=click.Choice(_FORMS))
@click.option(
    "--output", type=click.File("wb", atomic=True), help="File to write; standard output if not given."
)
@click.option("--start", help="First day, such as 2026-01-31; from the beginning if not given.")
@click.option("--end", help="Last day, included; up to now if not given.")
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of the days.")
def export(
    site_id: str, form: str, output: IO[bytes] | None, start: str | None, end: str | None, timezone: str
) -> None:
    """Write events of a site as CSV, JSON lines or Parquet, whatever a running server does meanwhile."""
    with open_instance() as app:
        from rybbit.services.sites import site_for
        from rybbit.stats.export import Form, export_events
        from rybbit.stats.question import parse_question

        site = site_for(site_id)
        store = app.extensions["rybbit"].store
        days = {"start_date": start or "", "end_date": end or "", "time_zone": timezone}
        question = parse_question(store, site.site_id, days)
        stream = export_events(store, question, Form(form), with_addresses=site.track_ip)
        target = output or sys.stdout.buffer
        try:
            for piece in stream:
                target.write(piece)
        finally:
            stream.close()
            store.close()
