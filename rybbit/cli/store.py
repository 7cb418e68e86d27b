"""`rybbit compact`: what the server does by itself, now and wholly."""

import click

from rybbit.cli.instance import open_instance


@click.command()
def compact() -> None:
    """Move the closed journal to the store, erase what is deleted, and merge the lake's files."""
    with open_instance() as app:
        runtime = app.extensions["rybbit"]
        runtime.journal_folder.create()
        moved = runtime.mover.move_all()
        before = runtime.store.describe()
        runtime.store.rewrite(everything=True)
        after = runtime.store.describe()
        runtime.store.close()
    click.echo(f"Moved {moved} events from the journal.")
    if after["engine"] == "clickhouse":
        click.echo("Deleted events are erased; ClickHouse merges its files by itself.")
        click.echo(f"{after['events']} events: {after['files']} files of {after['bytes']} bytes.")
        return
    click.echo(
        f"{after['events']} events: {before['files']} files of {before['bytes']} bytes"
        f" became {after['files']} of {after['bytes']}."
    )
