"""`rybbit db`: the control database."""

import click

from rybbit.cli.instance import read_settings, require_instance


@click.group()
def db() -> None:
    """The database of accounts, sites and keys."""


@db.command()
def upgrade() -> None:
    """Bring the database up to date; of a SQLite file a copy is kept first."""
    from rybbit import migrations
    from rybbit.database import make_engine

    config = read_settings()
    require_instance(config)
    engine = make_engine(config)
    try:
        before = migrations.current_revision(engine)
        migrations.upgrade(engine, backup_folder=config.instance_path / "backups")
    finally:
        engine.dispose()
    after = migrations.head_revision()
    click.echo(f"Up to date at step {after}." if before == after else f"From step {before or 0} to {after}.")
