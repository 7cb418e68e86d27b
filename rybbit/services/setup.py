"""The first owner, organization, site and keys of an empty instance."""

from dataclasses import dataclass

from rybbit import security
from rybbit.errors import Conflict, InvalidInput
from rybbit.extensions import db
from rybbit.models import Account, Site, bump_revision
from rybbit.services import accounts, keys, organizations, sites
from rybbit.services.domains import strip_domain
from rybbit.services.emails import normalise_email
from rybbit.services.site_settings import read_new_site
from rybbit.services.validation import LONGEST_NAME, check_all, check_name


@dataclass(frozen=True)
class FirstRun:
    """What the first run made. The keys, and a password that was made up, are shown this once."""

    email: str
    domain: str
    organization_id: str
    site_id: int
    id: str
    api_key: str
    account_key: str
    password: str | None

    def as_json(self) -> dict[str, object]:
        """The same by outside names; `password` only if it was made up."""
        shown: dict[str, object] = {
            "organizationId": self.organization_id,
            "siteId": self.site_id,
            "id": self.id,
            "apiKey": self.api_key,
            "accountKey": self.account_key,
        }
        return shown if self.password is None else shown | {"password": self.password}


def check_first_run(*, email: str, domain: str, name: str | None, password: str | None) -> None:
    """Refuse unfit input before anything is made for it, the instance folder included.

    Raises:
        InvalidInput: naming what is unfit.
    """
    # First, since an email address that nobody gave is made of it.
    read_new_site(_settings(domain, name))
    normalise_email(email)
    if password is not None:
        accounts.check_new_password(password)


def initialise(*, email: str, domain: str, name: str | None = None, password: str | None = None) -> FirstRun:
    """Make the first owner, an organization, a site, a tracking key of it and an account key.

    `name` is the site's and the organization's, by default the domain; a password is made up when
    none is given.

    Raises:
        InvalidInput: as `check_first_run`.
        Conflict: somebody has an account already.
    """
    made_up = security.make_password() if password is None else None
    owner, site = set_up(email=email, domain=domain, name=name, password=password or made_up or "")
    _, api_key = keys.create_tracking_key(site)
    _, account_key = keys.create_account_key(owner)
    return FirstRun(
        email=owner.email,
        domain=site.domain,
        organization_id=site.organization_id,
        site_id=site.site_id,
        id=site.id,
        api_key=api_key,
        account_key=account_key,
        password=made_up,
    )


def set_up(
    *, email: str, domain: str, password: str, name: str | None = None, owner_name: str = ""
) -> tuple[Account, Site]:
    """Make the first owner, an organization and a site, without keys; names as in `initialise`.

    Raises:
        InvalidInput: naming all that is unfit; `ownerName` too.
        Conflict: somebody has an account already.
    """
    check_all(
        lambda: normalise_email(email),
        lambda: accounts.check_new_password(password),
        lambda: read_new_site(_settings(domain, name)),
        lambda: _check_owner_name(owner_name),
    )
    # The lock makes the second of two first runs wait, and then see the accounts of the first.
    bump_revision(db.session)
    if accounts.has_accounts():
        raise Conflict("This instance has been set up already; `rybbit key create` makes further keys.")
    owner = accounts.create_account(email, password=password, name=owner_name)
    settings = _settings(domain, name)
    organization = organizations.create_organization(settings["name"], owner=owner)
    return owner, sites.create_site(organization, settings, created_by=owner.id)


def _settings(domain: str, name: str | None) -> dict[str, str]:
    # A domain that is unfit is refused as such, and not as a name too.
    by_default = strip_domain(domain)[:LONGEST_NAME] or "site"
    return {"domain": domain, "name": by_default if name is None else name}


def _check_owner_name(name: str) -> None:
    try:
        check_name(name or "owner")
    except InvalidInput as error:
        raise InvalidInput({"ownerName": error.field_errors["name"]}) from None
