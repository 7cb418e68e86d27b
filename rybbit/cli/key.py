"""`rybbit key`: keys of sites, accounts and organizations."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from rybbit.cli.instance import open_instance
from rybbit.cli.lookup import SCOPES, find_organization, read_end
from rybbit.cli.output import print_json, print_table, shown_time

if TYPE_CHECKING:
    from rybbit.models import Key


@click.group()
def key() -> None:
    """Keys that programs use."""


@key.command()
@click.option("--site", "site_id", help="Number or id of a site: the key may track there.")
@click.option("--account", "email", help="Email address of an account: the key acts for that person.")
@click.option("--org", help="Id of an organization: the key acts as an admin of it.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="All if none is given.")
@click.option("--expires", help="When it ends: a number of days such as 90d, or a date. Not for --site.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--name", help="Name; numbered if several.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def create(
    site_id: str | None,
    email: str | None,
    org: str | None,
    scopes: tuple[str, ...],
    expires: str | None,
    count: int,
    name: str | None,
    as_json: bool,
) -> None:
    """Make keys of a site, an account or an organization, and print them once."""
    if sum(holder is not None for holder in (site_id, email, org)) != 1:
        raise click.UsageError("Name one of --site, --account and --org.")
    if site_id is not None and (scopes or expires):
        raise click.UsageError("A key of a site may track, and has no --scope and no --expires.")
    with open_instance():
        make = _maker(site_id, email, org, scopes or None, read_end(expires))
        made = _create_keys(make, name or ("Tracking key" if site_id else "Key"), count)
    print_made(made, as_json)


def print_made(rows: list[dict[str, str]], as_json: bool) -> None:
    """Print keys that were just made, with their tokens."""
    if as_json:
        print_json(rows)
    else:
        print_table(("ID", "NAME", "KEY"), [tuple(row.values()) for row in rows])
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
            ("ID", "NAME", "HOLDER", "CREATED", "LAST USED", "EXPIRES", "REVOKED"),
            [_cells(row) for row in rows],
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


def _maker(
    site_id: str | None,
    email: str | None,
    org: str | None,
    scopes: tuple[str, ...] | None,
    expires_at: datetime | None,
) -> Callable[..., tuple["Key", str]]:
    """What makes a key of the given name for the one holder that is named."""
    from rybbit.services import keys

    if site_id is not None:
        from rybbit.services.sites import site_for

        return partial(keys.create_tracking_key, site_for(site_id))
    if email is not None:
        from rybbit.services.accounts import account_for

        return partial(keys.create_account_key, account_for(email), scopes=scopes, expires_at=expires_at)
    organization = find_organization(org)
    return partial(keys.create_organization_key, organization, scopes=scopes, expires_at=expires_at)


def _create_keys(make: Callable[..., tuple["Key", str]], name: str, count: int) -> list[dict[str, str]]:
    names = [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]
    made = [make(name=each) for each in names]
    return [{"id": row.id, "name": row.name, "apiKey": token} for row, token in made]


def _describe(row: "Key") -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "siteId": row.site_id,
        "accountId": row.account_id,
        "organizationId": row.organization_id,
        "scopes": row.scopes,
        "createdAt": shown_time(row.created_at),
        "expiresAt": shown_time(row.expires_at),
        "lastUsedAt": shown_time(row.last_used_at),
        "revokedAt": shown_time(row.revoked_at),
    }


def _cells(row: dict[str, object]) -> tuple[object, ...]:
    holder = f"site {row['siteId']}" if row["siteId"] else row["accountId"] or row["organizationId"]
    return (
        row["id"],
        row["name"],
        holder,
        row["createdAt"],
        row["lastUsedAt"],
        row["expiresAt"],
        row["revokedAt"],
    )
