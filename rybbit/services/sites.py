"""Making, finding and changing sites."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError

from rybbit import clock
from rybbit.errors import Conflict, NotFound
from rybbit.extensions import db
from rybbit.models import Organization, Site, bump_revision
from rybbit.services.site_settings import SETTING_NAMES, read_changes, read_new_site

_PUBLIC_ID_LENGTH = 12
_LARGEST_NUMBER = 2**31 - 1


def create_site(organization: Organization, settings: object, *, created_by: str | None = None) -> Site:
    """Make a site with settings by their outside names; `name` and `domain` are required.

    Raises:
        InvalidInput: a setting is missing, unknown or unfit.
        Conflict: another site has the domain.
    """
    values = read_new_site(settings)
    bump_revision(db.session)
    _refuse_taken(values["domain"])
    site = Site(organization_id=organization.id, created_by=created_by, **values)
    db.session.add(site)
    db.session.flush()
    return site


def update_site(site: Site, changes: object) -> Site:
    """Change the settings given, by their outside names, and leave the others alone.

    Raises:
        InvalidInput: a setting is unknown or unfit, or none is given; nothing is changed.
        Conflict: another site has the domain; nothing is changed.
        NotFound: the site was deleted meanwhile.
    """
    values = read_changes(changes)
    _lock(site)
    if "domain" in values:
        _refuse_taken(values["domain"], by_other_than=site)
    for name, value in values.items():
        setattr(site, name, value)
    site.updated_at = clock.now()
    db.session.flush()
    return site


def site_for(identifier: str | int) -> Site:
    """The site with this public id (12 hex digits) or number.

    Raises:
        NotFound: there is none.
    """
    text = str(identifier)
    if len(text) == _PUBLIC_ID_LENGTH:
        site = db.session.scalar(select(Site).where(Site.id == text)) if text.isalnum() else None
    else:
        number = _to_number(text)
        site = db.session.get(Site, number) if number is not None else None
    if site is None:
        raise NotFound("Site not found")
    return site


def list_sites() -> list[Site]:
    """Every site of the instance, the oldest first; for the operator."""
    return list(db.session.scalars(select(Site).order_by(Site.site_id)))


def settings_of(site: Site) -> dict[str, Any]:
    """Every setting of a site by its outside name."""
    return {outside: getattr(site, inside) for outside, inside in SETTING_NAMES.items()}


def _to_number(text: str) -> int | None:
    """The number that a text writes in digits; None for any other text, and for one that no site has."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_NUMBER))):
        return None
    number = int(text)
    return number if number <= _LARGEST_NUMBER else None


def _lock(site: Site) -> None:
    """Keep every other change waiting until the commit, and see what the last one did."""
    bump_revision(db.session)
    try:
        # Without this, a value that equals the one read before another's change would not be written.
        db.session.refresh(site)
    except InvalidRequestError as error:
        raise NotFound("Site not found") from error


def _refuse_taken(domain: str, *, by_other_than: Site | None = None) -> None:
    holder = db.session.scalar(select(Site.site_id).where(Site.domain == domain))
    if holder is not None and (by_other_than is None or holder != by_other_than.site_id):
        raise Conflict("Domain already in use")
