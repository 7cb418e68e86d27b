"""`rybbit compact`: what the server does by itself, now and wholly."""

import click

from rybbit.cli.instance import open_instance


@click.command()
def compact() -> None:
    """Move the closed journal to the store and merge the store's files."""
    with open_instance() as app:
        runtime = app.extensions["rybbit"]
        runtime.journal_folder.create()
        moved = runtime.mover.move_all()
        before = runtime.store.describe()
        runtime.store.rewrite(everything=True)
        after = runtime.store.describe()
        runtime.store.close()
    click.echo(f"Moved {moved} events from the journal.")
    click.echo(
        f"{after['events']} events: {before['files']} files of {before['bytes']} bytes"
        f" became {after['files']} of {after['bytes']}."
    )
