"""`rybbit key`: tracking keys of sites, and what there is of other keys."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from rybbit.cli.instance import open_instance
from rybbit.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rybbit.models import Key, Site


@click.group()
def key() -> None:
    """Keys that programs use."""


@key.command()
@click.option("--site", "site_id", required=True, help="Number or id of the site.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--name", default="Tracking key", show_default=True, help="Name; numbered if several.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def create(site_id: str, count: int, name: str, as_json: bool) -> None:
    """Make tracking keys of a site, and print them once."""
    with open_instance():
        from rybbit.services.sites import site_for

        made = _create_keys(site_for(site_id), name, count)
    if as_json:
        print_json(made)
    else:
        print_table(("ID", "NAME", "KEY"), [tuple(row.values()) for row in made])
        click.echo("Keys are shown this once.", err=True)


@key.command("list")
@click.option("--site", "site_id", help="Number or id of a site; without it, every key.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(site_id: str | None, as_json: bool) -> None:
    """List keys: whose they are and when they were last used. The keys themselves are not kept."""
    with open_instance():
        from rybbit.services.keys import list_keys
        from rybbit.services.sites import site_for

        rows = [_describe(row) for row in list_keys(site_for(site_id) if site_id else None)]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("ID", "NAME", "HOLDER", "CREATED", "LAST USED", "REVOKED"), [_cells(row) for row in rows]
        )


@key.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """End a key for good; running servers obey within a second."""
    with open_instance():
        from rybbit.services.keys import key_for, revoke_key

        found = key_for(key_id)
        revoke_key(found)
    click.echo(f"{key_id} is revoked.")


def _create_keys(site: "Site", name: str, count: int) -> list[dict[str, str]]:
    from rybbit.services.keys import create_tracking_key

    names = [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]
    made = [create_tracking_key(site, name=each) for each in names]
    return [{"id": row.id, "name": row.name, "apiKey": token} for row, token in made]


def _describe(row: "Key") -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "siteId": row.site_id,
        "accountId": row.account_id,
        "organizationId": row.organization_id,
        "createdAt": _time(row.created_at),
        "expiresAt": _time(row.expires_at),
        "lastUsedAt": _time(row.last_used_at),
        "revokedAt": _time(row.revoked_at),
    }


def _cells(row: dict[str, object]) -> tuple[object, ...]:
    holder = f"site {row['siteId']}" if row["siteId"] else row["accountId"] or row["organizationId"]
    return (row["id"], row["name"], holder, row["createdAt"], row["lastUsedAt"], row["revokedAt"])


def _time(moment: datetime | None) -> str | None:
    from rybbit.clock import to_iso

    return None if moment is None else to_iso(moment)
