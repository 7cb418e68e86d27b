"""`rybbit user`: accounts of people."""

from typing import TYPE_CHECKING

import click

from rybbit.cli.instance import open_instance, open_instance_with_settings
from rybbit.cli.links import base_url, hand_over
from rybbit.cli.lookup import AS_JSON
from rybbit.cli.output import print_json, print_table, shown_time

if TYPE_CHECKING:
    from rybbit.models import Account


@click.group()
def user() -> None:
    """People who sign in."""


@user.command()
@click.option("--email", required=True, help="Email address.")
@click.option("--name", default="", help="Name; the first part of the address if not given.")
@click.option("--password", help="Password; made up if not given.")
@AS_JSON
def create(email: str, name: str, password: str | None, as_json: bool) -> None:
    """Make an account. It belongs to no organization yet: see `rybbit org`."""
    with open_instance():
        from rybbit.services.accounts import create_account, make_up_password

        made_up = make_up_password() if password is None else None
        chosen = made_up if password is None else password
        row = _describe(create_account(email, password=chosen, name=name))
    if made_up is not None:
        row["password"] = made_up
    if as_json:
        print_json(row)
        return
    click.echo(f"{row['email']} has an account, {row['id']}.")
    if made_up is not None:
        click.echo(f"Password, shown this once: {made_up}")


@user.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List every account."""
    with open_instance():
        from rybbit.services.accounts import list_accounts

        rows = [_describe(account) for account in list_accounts()]
    if as_json:
        print_json(rows)
    else:
        print_table(("ID", "EMAIL", "NAME", "CREATED"), [tuple(row.values()) for row in rows])


@user.command()
@click.argument("email")
@click.option("--show", is_flag=True, help="Print the link even if it could be mailed.")
@AS_JSON
def reset(email: str, show: bool, as_json: bool) -> None:
    """Make a link that sets a new password, once and within an hour.

    It is mailed where a mail server is configured, else printed. Links made before end.
    """
    with open_instance_with_settings() as (_, config):
        from rybbit.services.accounts import account_for
        from rybbit.services.mail import send_reset
        from rybbit.services.password_resets import make_reset, reset_url

        account = account_for(email)
        url = reset_url(base_url(config), make_reset(account))
        address = account.email
    hand_over(
        config,
        url,
        email=address,
        show=show,
        as_json=as_json,
        send=lambda server, recipient: send_reset(server, recipient, url=url),
    )


@user.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(email: str, yes: bool) -> None:
    """Delete an account with its sessions and keys; the last owner of an organization cannot be deleted."""
    with open_instance():
        from rybbit.services.accounts import account_for, delete_account

        account = account_for(email)
        address = account.email
        if not yes:
            click.confirm(f"Delete the account of {address}?", abort=True, err=True)
        delete_account(account)
    click.echo(f"{address} has no account any more.")


@user.command("password")
@click.argument("email")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for.")
def change_password(email: str, password: str) -> None:
    """Give an account another password, and end its sessions."""
    with open_instance():
        from rybbit.services.accounts import account_for, set_password

        account = account_for(email)
        set_password(account, password)
        address = account.email
    click.echo(f"{address} has another password, and has to sign in again.")


def _describe(account: "Account") -> dict[str, str | None]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "createdAt": shown_time(account.created_at),
    }
