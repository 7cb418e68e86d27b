"""`rybbit init`: the first owner, organization, site and keys."""

import json
import shlex
from typing import TYPE_CHECKING

import click

from rybbit.cli.instance import LOCAL_ADDRESS, open_app, read_settings
from rybbit.cli.output import print_json

if TYPE_CHECKING:
    from rybbit.services.setup import FirstRun


@click.command()
@click.option("--email", required=True, help="Email address of the owner.")
@click.option("--domain", required=True, help="Domain of the first site, such as example.com.")
@click.option("--name", help="Name of the site and the organization; the domain if not given.")
@click.option("--password", help="Password of the owner; made up if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def init(email: str, domain: str, name: str | None, password: str | None, as_json: bool) -> None:
    """Make an instance with its owner, a site and two keys, and print them once."""
    config = read_settings()
    first = set_up_instance(email=email, domain=domain, name=name, password=password)
    if as_json:
        print_json(first.as_json())
    else:
        click.echo(describe_first_run(first, address=config.base_url or LOCAL_ADDRESS))


def set_up_instance(
    *, email: str, domain: str, name: str | None = None, password: str | None = None
) -> "FirstRun":
    """Make the instance folder and its database where they are missing, and what a first run needs.

    Raises:
        InvalidInput: and nothing was made.
        Conflict: the instance has been set up before.
    """
    from rybbit.services.setup import check_first_run, initialise

    check_first_run(email=email, domain=domain, name=name, password=password)
    with open_app(migrate=True):
        return initialise(email=email, domain=domain, name=name, password=password)


def describe_first_run(first: "FirstRun", *, address: str) -> str:
    """What a person needs to see, with two commands to paste; `address` is that of the server."""
    password = first.password or "as you gave it"
    base = address.rstrip("/")
    return "\n".join(
        (
            f"Organization   {first.organization_id}",
            f"Site           {first.domain}, number {first.site_id}, id {first.id}",
            f"Owner          {first.email}",
            f"Password       {password}",
            f"Tracking key   {first.api_key}",
            f"Account key    {first.account_key}",
            "",
            "The keys and the password are shown this once. With the server running, send an event:",
            "",
            _send_command(first, base),
            "",
            "and read it back:",
            "",
            _read_command(first, base),
        )
    )


def _send_command(first: "FirstRun", base: str) -> str:
    event = {
        "site_id": str(first.site_id),
        "type": "pageview",
        "hostname": first.domain,
        "pathname": "/hello",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "ip_address": "8.8.8.8",
    }
    lines = (
        f"curl {shlex.quote(f'{base}/api/track')}",
        "-H 'Content-Type: application/json'",
        f"-H 'Authorization: Bearer {first.api_key}'",
        f"-d {shlex.quote(json.dumps(event))}",
    )
    return " \\\n  ".join(lines)


def _read_command(first: "FirstRun", base: str) -> str:
    address = shlex.quote(f"{base}/api/sites/{first.site_id}/events")
    return f"curl {address} \\\n  -H 'Authorization: Bearer {first.account_key}'"
