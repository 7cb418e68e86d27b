"""What commands name by a word: organizations, roles, scopes, ends."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from rybbit.errors import InvalidInput

if TYPE_CHECKING:
    from rybbit.models import Organization

ROLES = ("owner", "admin", "member")
SCOPES = ("track", "sites:read", "sites:write", "stats:read")

ORGANIZATION = click.option("--org", help="Id of the organization; not needed if there is only one.")
ROLE = click.option("--role", default="member", show_default=True, type=click.Choice(ROLES))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")


def find_organization(organization_id: str | None) -> "Organization":
    """The organization with this id; without one, the only one there is.

    Raises:
        NotFound: there is none with this id.
        InvalidInput: none is named, and there is not exactly one.
    """
    from rybbit.services.organizations import list_organizations, organization_for

    if organization_id is not None:
        return organization_for(organization_id)
    found = list_organizations()
    if len(found) != 1:
        text = f"There are {len(found)}; name one as `rybbit org list` shows it"
        raise InvalidInput({"--org": [text]})
    return found[0]


def read_end(text: str | None) -> datetime | None:
    """The moment that `90d` (from now) or a date such as `2030-01-31` (its end, UTC) names.

    Raises:
        InvalidInput: it is neither.
    """
    from rybbit import clock

    if text is None:
        return None
    days = _DAYS.fullmatch(text.strip())
    try:
        if days:
            return clock.now() + timedelta(days=int(days[1]))
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        message = "Write it as a number of days such as 90d, or as a date such as 2030-01-31"
        raise InvalidInput({"--expires": [message]}) from None
