"""`rybbit site`: sites and their settings."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rybbit.cli.instance import open_instance
from rybbit.cli.lookup import AS_JSON, ORGANIZATION, find_organization
from rybbit.cli.output import print_json, print_table, shown_time
from rybbit.errors import InvalidInput

if TYPE_CHECKING:
    from rybbit.models import Site

_SWITCHES = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


_RETENTION = "retentionDays"


@click.group()
def site() -> None:
    """Sites and their settings."""


@site.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(as_json: bool) -> None:
    """List every site."""
    with open_instance():
        from rybbit.services.sites import list_sites

        rows = [_describe(row) for row in list_sites()]
    if as_json:
        print_json(rows)
    else:
        titles = ("NUMBER", "ID", "DOMAIN", "NAME")
        print_table(titles, [(row["siteId"], row["id"], row["domain"], row["name"]) for row in rows])


@site.command()
@click.argument("site_id", metavar="SITE")
@AS_JSON
def show(site_id: str, as_json: bool) -> None:
    """Show a site, by its number or id, with every setting."""
    with open_instance():
        from rybbit.services.sites import site_for

        row = _describe(site_for(site_id))
    if as_json:
        print_json(row)
    else:
        print_table(("FIELD", "VALUE"), [(name, _written(value)) for name, value in row.items()])


@site.command()
@click.option("--domain", required=True, help="Domain, such as example.com.")
@click.option("--name", help="Name; the domain if not given.")
@ORGANIZATION
@AS_JSON
def create(domain: str, name: str | None, org: str | None, as_json: bool) -> None:
    """Make a site."""
    with open_instance():
        from rybbit.services.domains import strip_domain
        from rybbit.services.organizations import owner_of
        from rybbit.services.sites import create_site

        organization = find_organization(org)
        settings = {"domain": domain, "name": strip_domain(domain) if name is None else name}
        row = _describe(create_site(organization, settings, created_by=owner_of(organization).id))
    if as_json:
        print_json(row)
    else:
        print_table(("NUMBER", "ID", "DOMAIN"), [(row["siteId"], row["id"], row["domain"])])


@site.command()
@click.argument("site_id", metavar="SITE")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(site_id: str, yes: bool) -> None:
    """Delete a site with its keys and every event; nothing of it can be had back.

    The events cannot be read any more at once, and are gone from disk within two hours while a
    server runs.
    """
    with open_instance() as app:
        from rybbit.extensions import db
        from rybbit.services.sites import delete_site, site_for

        found = site_for(site_id)
        domain, number = found.domain, found.site_id
        if not yes:
            click.confirm(f"Delete {domain} and all of its events?", abort=True, err=True)
        delete_site(found)
        runtime = app.extensions["rybbit"]
        with runtime.deletion.deleting_site(number):
            db.session.commit()
        runtime.receipts.close()
    click.echo(f"{domain} is deleted.")


@site.command("erase-user")
@click.option("--site", "site_id", required=True, help="Number or id of the site.")
@click.option(
    "--user", "user_id", required=True, help="Name of the visitor, or the 16 digits of one without."
)
@AS_JSON
def erase_user(site_id: str, user_id: str, as_json: bool) -> None:
    """Erase everything that came in of one visitor, and print a receipt.

    It cannot be read any more at once, and is gone from disk by the time that the receipt names while a
    server runs.
    """
    with open_instance() as app:
        from rybbit.services.erasure import erase_user
        from rybbit.services.sites import site_for

        runtime = app.extensions["rybbit"]
        receipt = erase_user(
            site_for(site_id),
            user_id,
            store=runtime.store,
            deletion=runtime.deletion,
            erase_hours=runtime.config.erase_hours,
        )
        runtime.receipts.close()
        runtime.store.close()
    row = {_camel(name): _shown(value) for name, value in asdict(receipt).items()}
    if as_json:
        print_json(row)
    else:
        print_table(("FIELD", "VALUE"), list(row.items()))


@site.command()
@click.argument("site_id", metavar="SITE")
@click.option("--generate", "change", flag_value="generate", help="Make a new key; the one before ends.")
@click.option("--revoke", "change", flag_value="revoke", help="End the link.")
@AS_JSON
def link(site_id: str, change: str | None, as_json: bool) -> None:
    """Show the key of a site's private link, with which anybody reads its statistics, or change it."""
    with open_instance():
        from rybbit.services.links import generate_link, revoke_link
        from rybbit.services.sites import site_for

        found = site_for(site_id)
        if change is not None:
            (generate_link if change == "generate" else revoke_link)(found)
        key = found.private_link_key
    if as_json:
        print_json({"privateLinkKey": key})
    else:
        click.echo(key or "There is no private link.")


@site.command("set")
@click.option("--site", "site_id", required=True, help="Number or id of the site.")
@click.option("--json", "as_json", is_flag=True, help="Print the settings as a JSON object.")
@click.argument("changes", metavar="NAME=VALUE...", nargs=-1, required=True)
def set_(site_id: str, as_json: bool, changes: tuple[str, ...]) -> None:
    """Change settings of a site, such as `blockBots=false excludedIPs=10.0.0.0/8,192.0.2.1`.

    Lists are separated by commas, and an empty value empties them. `retentionDays=365` keeps events for a
    year, and without a value for ever. Running servers obey within a second, there within a minute.
    """
    with open_instance():
        from rybbit.services.retention import set_retention
        from rybbit.services.sites import settings_of, site_for, update_site

        found = site_for(site_id)
        given = _read_changes(changes)
        if _RETENTION in given:
            set_retention(found, {_RETENTION: given.pop(_RETENTION)})
        if given:
            update_site(found, given)
        settings = {**settings_of(found), _RETENTION: found.retention_days}
    if as_json:
        print_json(settings)
    else:
        print_table(("SETTING", "VALUE"), [(name, _written(value)) for name, value in settings.items()])


def _describe(row: "Site") -> dict[str, Any]:
    from rybbit.clock import to_iso
    from rybbit.services.sites import settings_of

    return {
        "siteId": row.site_id,
        "id": row.id,
        "organizationId": row.organization_id,
        "restricted": row.restricted,
        "createdAt": to_iso(row.created_at),
        **settings_of(row),
        _RETENTION: row.retention_days,
    }


def _read_changes(texts: Sequence[str]) -> dict[str, object]:
    """The changes by their outside names; a value that fits no type is left for the settings to refuse."""
    from rybbit.services.site_settings import SETTING_NAMES

    outside_names = {inside: outside for outside, inside in SETTING_NAMES.items()}
    outside_names["retention_days"] = _RETENTION
    changes: dict[str, object] = {}
    for text in texts:
        written, separator, value = text.partition("=")
        if not separator:
            raise InvalidInput(form_errors=[f"{text}: write it as NAME=VALUE"])
        name = outside_names.get(written, written)
        if name in changes:
            raise InvalidInput({name: ["Given twice"]})
        changes[name] = _read_value(name, value)
    return changes


def _read_value(name: str, text: str) -> object:
    from rybbit.services.site_settings import SETTING_NAMES, SiteSettings

    if name == _RETENTION:
        digits = text.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 9 else digits or None
    field = SiteSettings.model_fields.get(SETTING_NAMES.get(name, ""))
    if field is None or isinstance(field.default, str):
        return text
    if isinstance(field.default, bool):
        return _SWITCHES.get(text.strip().lower(), text)
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _shown(value: object) -> object:
    return shown_time(value) if isinstance(value, datetime) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _written(value: object) -> str:
    """A value as `set` takes it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
