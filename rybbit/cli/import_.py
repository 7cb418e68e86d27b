"""`rybbit import`: events of another server, or of an export of this one."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from rybbit.cli.instance import open_instance
from rybbit.cli.output import progress_bar
from rybbit.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rybbit.runtime import Runtime
    from rybbit.transfer.importing import Outcome

_FORMATS = ("auto", "jsonl", "parquet", "umami", "plausible")
_SHOWN = 20
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command("import")
@click.argument("file", type=_FILE, required=False)
@click.option("--site", "site_id", required=True, help="Number or id of the site.")
@click.option("--format", "form", default="auto", show_default=True, type=click.Choice(_FORMATS))
@click.option(
    "--timezone", default="UTC", show_default=True, help="Time zone of moments and days without one."
)
@click.option("--again", is_flag=True, help="Import a file that was imported before; its events are doubled.")
@click.option(
    "--give-up",
    is_flag=True,
    help="Instead: end what was broken off; what is in stays, the rest does not come.",
)
def import_(file: Path | None, site_id: str, form: str, timezone: str, again: bool, give_up: bool) -> None:
    """Import events into a site: JSON lines or Parquet of `rybbit export`, Umami's or Plausible's CSV export.

    A server may run meanwhile. If it is broken off, the same command goes on where it was: nothing is lost,
    and nothing doubled. Lines that are no events are counted and told. Plausible exports daily figures, from
    which visits are made that add up to them.
    """
    if give_up:
        _give_up(site_id)
        return
    if file is None:
        raise click.UsageError("Missing argument 'FILE'.")
    from rybbit.transfer.files import open_export

    zone = _zone(timezone)
    with open_instance() as app:
        from rybbit.services.sites import site_for

        site = site_for(site_id)
        runtime: Runtime = app.extensions["rybbit"]
        _refuse_erasures(runtime, site.site_id)
        source = open_export(file, form, zone)
        from rybbit.transfer.importing import Importer
        from rybbit.transfer.loading import Loader

        tracked = runtime.directory.find_site(site.id)
        if tracked is None:
            raise NotFound("Site not found")
        runtime.journal_folder.create()
        runtime.loads.path.mkdir(exist_ok=True)
        importer = Importer(
            runtime.loads,
            Loader(runtime.journal_folder, runtime.mover),
            tracked,
            exists=lambda: runtime.directory.find_site(tracked.id) is not None,
        )
        with _Bars() as bars:
            outcome = importer.run(file, source, again=again, tell=bars.tell)
        runtime.receipts.close()
        runtime.store.close()
        domain = site.domain
    _report(outcome, domain)


def _give_up(site_id: str) -> None:
    """End what was broken off, so that visitors of the site can be erased again."""
    with open_instance() as app:
        from rybbit.services.sites import site_for
        from rybbit.transfer.importing import give_up

        site = site_for(site_id)
        runtime: Runtime = app.extensions["rybbit"]
        runtime.loads.path.mkdir(exist_ok=True)
        count = give_up(runtime.loads, site.site_id)
        click.echo(f"Gave up {count} unfinished import{'' if count == 1 else 's'} into {site.domain}.")


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput({"--timezone": ["Must be an IANA time zone, such as Europe/Berlin"]}) from None


def _refuse_erasures(runtime: "Runtime", site_id: int) -> None:
    """While a visitor is being erased, whatever comes in of the past could be taken for theirs."""
    if any(each.site_id == site_id and each.user_hash is not None for each in runtime.tombstones.all()):
        raise Conflict(
            "A visitor of this site is being erased. Import when that is done: a running server needs a"
            " minute, without one `rybbit compact` does it."
        )


class _Bars:
    """A bar for each thing that is done, one after the other."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._what = ""
        self._done = 0

    def tell(self, what: str, done: int, whole: int) -> None:
        """Move the bar on, or begin the next one."""
        if what != self._what:
            self._stack.close()
            self._what, self._done = what, 0
            self._bar = self._stack.enter_context(progress_bar(max(whole, 1), what))
        self._bar.update(max(done - self._done, 0))
        self._done = max(done, self._done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def _report(outcome: "Outcome", domain: str) -> None:
    if outcome.was_resumed:
        click.echo("Went on where the import was broken off.")
    click.echo(f"Imported {outcome.events} events into {domain}.")
    if not outcome.rejected_rows:
        return
    click.echo(f"{outcome.rejected_rows} rows are no events:", err=True)
    with outcome.rejected.open() as file:
        for _, line in zip(range(_SHOWN), file, strict=False):
            click.echo(f"  {line.rstrip()}", err=True)
    if outcome.rejected_rows > _SHOWN:
        click.echo(f"All of them are listed in {outcome.rejected}", err=True)
