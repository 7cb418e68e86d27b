"""Rows for tests, in the current session; what a test does not care about is made up."""

from itertools import count
from typing import Any

from rybbit.models import Account, Key, Organization, Role, Site
from rybbit.services import accounts, keys, organizations, sites

PASSWORD = "correct horse battery"

_numbers = count(1)


def make_account(*, email: str = "", password: str = PASSWORD) -> Account:
    """An account, by default with an email address that nobody has."""
    return accounts.create_account(email or f"person{next(_numbers)}@example.com", password=password)


def make_organization(*, owner: Account | None = None, name: str = "Acme") -> Organization:
    """An organization with its owner."""
    return organizations.create_organization(name, owner=owner or make_account())


def make_member(organization: Organization, role: Role = Role.MEMBER) -> Account:
    """A new account that belongs to the organization."""
    account = make_account()
    organizations.add_member(organization, account, role=role)
    return account


def make_site(organization: Organization | None = None, **settings: Any) -> Site:
    """A site, with settings by their outside names."""
    number = next(_numbers)
    values = {"name": f"Site {number}", "domain": f"site{number}.example.com"} | settings
    return sites.create_site(organization or make_organization(), values)


def make_tracking_key(site: Site | None = None) -> tuple[Key, str]:
    """A tracking key of a site, with its token."""
    return keys.create_tracking_key(site or make_site())
