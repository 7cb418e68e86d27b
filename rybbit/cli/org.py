"""`rybbit org`: organizations, who belongs to them, and their keys."""

from typing import Any

import click

from rybbit.cli.instance import open_instance, open_instance_with_settings
from rybbit.cli.key import print_made
from rybbit.cli.links import base_url, hand_over
from rybbit.cli.lookup import AS_JSON, ORGANIZATION, ROLE, ROLES, SCOPES, find_organization, read_end
from rybbit.cli.output import print_json, print_table, shown_time


@click.group()
def org() -> None:
    """Organizations, which sites belong to."""


@org.command()
@click.argument("name")
@click.option("--owner", required=True, help="Email address of the account that owns it.")
@AS_JSON
def create(name: str, owner: str, as_json: bool) -> None:
    """Make an organization."""
    with open_instance():
        from rybbit.services.accounts import account_for
        from rybbit.services.organizations import create_organization

        made = create_organization(name, owner=account_for(owner))
        row = {"id": made.id, "name": made.name}
    if as_json:
        print_json(row)
    else:
        print_table(("ID", "NAME"), [tuple(row.values())])


@org.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List every organization."""
    with open_instance():
        from rybbit.services.actor import COMMAND
        from rybbit.services.organizations import organizations_for

        rows = [
            {
                "id": each.organization.id,
                "name": each.organization.name,
                "members": each.members,
                "sites": each.sites,
                "createdAt": shown_time(each.organization.created_at),
            }
            for each in organizations_for(COMMAND)
        ]
    _print(rows, ("ID", "NAME", "MEMBERS", "SITES", "CREATED"), as_json)


@org.group()
def member() -> None:
    """Who belongs to an organization, and as what."""


@member.command("list")
@ORGANIZATION
@AS_JSON
def list_members(org: str | None, as_json: bool) -> None:
    """List the members."""
    with open_instance():
        from rybbit.services.organizations import members_of

        rows = [
            {
                "id": each.account.id,
                "email": each.account.email,
                "role": each.role.value,
                "since": shown_time(each.since),
            }
            for each in members_of(find_organization(org))
        ]
    _print(rows, ("ID", "EMAIL", "ROLE", "SINCE"), as_json)


@member.command()
@click.argument("email")
@ORGANIZATION
@ROLE
def add(email: str, org: str | None, role: str) -> None:
    """Make an account a member."""
    with open_instance():
        from rybbit.models import Role
        from rybbit.services.accounts import account_for
        from rybbit.services.organizations import add_member

        add_member(find_organization(org), account_for(email), role=Role(role))
    click.echo(f"{email} is {role}.")


@member.command()
@click.argument("email")
@ORGANIZATION
def remove(email: str, org: str | None) -> None:
    """End a membership; the account stays."""
    with open_instance():
        from rybbit.services.accounts import account_for
        from rybbit.services.organizations import remove_member

        remove_member(find_organization(org), account_for(email))
    click.echo(f"{email} is no member any more.")


@member.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@ORGANIZATION
def change_role(email: str, role: str, org: str | None) -> None:
    """Change what a member may do."""
    with open_instance():
        from rybbit.models import Role
        from rybbit.services.accounts import account_for
        from rybbit.services.organizations import set_role

        set_role(find_organization(org), account_for(email), Role(role))
    click.echo(f"{email} is {role}.")


@org.command()
@ORGANIZATION
@ROLE
@click.option("--email", help="Only the account of this address can accept.")
@click.option("--show", is_flag=True, help="Print the link even if it could be mailed.")
@AS_JSON
def invite(org: str | None, role: str, email: str | None, show: bool, as_json: bool) -> None:
    """Make a link with which one person joins, within seven days.

    It is mailed if an address is given and a mail server is configured, else printed.
    """
    with open_instance_with_settings() as (_, config):
        from rybbit.models import Role
        from rybbit.services.invitations import create_invitation, invitation_url
        from rybbit.services.mail import send_invitation

        organization = find_organization(org)
        invitation, token = create_invitation(organization, role=Role(role), email=email)
        url = invitation_url(base_url(config), token)
        address, name = invitation.email, organization.name
    hand_over(
        config,
        url,
        email=address,
        show=show,
        as_json=as_json,
        send=lambda server, recipient: send_invitation(server, recipient, url=url, organization=name),
    )


@org.group()
def key() -> None:
    """Keys that act for an organization."""


@key.command("create")
@ORGANIZATION
@click.option("--name", default="Organization key", show_default=True)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="All if none is given.")
@click.option("--expires", help="When it ends: a number of days such as 90d, or a date.")
@AS_JSON
def create_key(
    org: str | None, name: str, scopes: tuple[str, ...], expires: str | None, as_json: bool
) -> None:
    """Make a key of an organization, and print it once."""
    with open_instance():
        from rybbit.services.keys import create_organization_key

        made, token = create_organization_key(
            find_organization(org), name=name, scopes=scopes or None, expires_at=read_end(expires)
        )
        row = {"id": made.id, "name": made.name, "apiKey": token}
    print_made([row], as_json)


def _print(rows: list[dict[str, Any]], titles: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(titles, [tuple(row.values()) for row in rows])
