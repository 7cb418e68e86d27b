"""Making, finding and changing sites."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import InvalidRequestError

from rybbit import clock
from rybbit.errors import Conflict, NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Drop, ExclusionNote, Organization, Site, bump_revision
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.site_settings import SETTING_NAMES, read_changes, read_new_site

_PUBLIC_ID_LENGTH = 12
_LARGEST_NUMBER = 2**31 - 1


def create_site(
    organization: Organization, settings: object, *, created_by: str | None = None, actor: Actor = COMMAND
) -> Site:
    """Make a site with settings by their outside names; `name` and `domain` are required.

    `created_by` is the actor's account unless it is given, for a key of an organization that key.

    Raises:
        InvalidInput: a setting is missing, unknown or unfit.
        Conflict: another site has the domain.
    """
    values = read_new_site(settings)
    bump_revision(db.session)
    _refuse_taken(values["domain"])
    site = Site(
        organization_id=organization.id, created_by=created_by or actor.account_id or actor.key_id, **values
    )
    site.exclusion_notes = _noted_exclusions(site, {}, actor)
    db.session.add(site)
    db.session.flush()
    _record(actor, "site.create", site)
    return site


def update_site(site: Site, changes: object, *, actor: Actor = COMMAND, note: str = "") -> Site:
    """Change the settings given, by their outside names, and leave the others alone.

    `note` says of exclusions that are new why they are there.

    Raises:
        InvalidInput: a setting is unknown or unfit, or none is given; nothing is changed.
        Conflict: another site has the domain; nothing is changed.
        NotFound: the site was deleted meanwhile.
    """
    values = read_changes(changes)
    lock_site(site)
    if "domain" in values:
        _refuse_taken(values["domain"], by_other_than=site)
    before = settings_of(site)
    for name, value in values.items():
        setattr(site, name, value)
    site.exclusion_notes = _noted_exclusions(site, before, actor, note)
    site.updated_at = clock.now()
    db.session.flush()
    after = settings_of(site)
    changed = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if changed:
        _record(actor, "site.update", site, changed)
    return site


def delete_site(site: Site, *, actor: Actor = COMMAND) -> None:
    """Remove a site with its keys, private link, list of members and counts of drops.

    What is written in the audit log stays. Events are not control data, so the caller deletes them, and
    commits inside: `with runtime.deletion.deleting_site(site_id)`. Whatever can refuse has been asked then.

    Raises:
        NotFound: the site was deleted meanwhile.
    """
    lock_site(site)
    db.session.execute(delete(Drop).where(Drop.site_id == site.site_id))
    _record(actor, "site.delete", site)
    db.session.delete(site)
    db.session.flush()


def site_for(identifier: str | int) -> Site:
    """The site with this public id (12 hex digits) or number.

    Raises:
        NotFound: there is none.
    """
    text = str(identifier)
    if len(text) == _PUBLIC_ID_LENGTH:
        site = db.session.scalar(select(Site).where(Site.id == text.lower())) if text.isalnum() else None
    else:
        number = _to_number(text)
        site = db.session.get(Site, number) if number is not None else None
    if site is None:
        raise NotFound("Site not found")
    return site


def list_sites() -> list[Site]:
    """Every site of the instance, the oldest first; for the operator."""
    return list(db.session.scalars(select(Site).order_by(Site.site_id)))


def has_pages_of(host: str) -> bool:
    """Whether a host is the domain of a site or a subdomain of one; for any site of the instance."""
    labels = host.rstrip(".").split(".") if is_storable(host) else []
    domains = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return db.session.scalar(select(Site.site_id).where(Site.domain.in_(domains)).limit(1)) is not None


def settings_of(site: Site) -> dict[str, Any]:
    """Every setting of a site by its outside name."""
    return {outside: getattr(site, inside) for outside, inside in SETTING_NAMES.items()}


def lock_site(site: Site) -> None:
    """Keep every other change waiting until the commit, and see what the last one did.

    Raises:
        NotFound: the site was deleted meanwhile.
    """
    bump_revision(db.session)
    try:
        # Without this, a value that equals the one read before another's change would not be written.
        db.session.refresh(site)
    except InvalidRequestError as error:
        raise NotFound("Site not found") from error


def _noted_exclusions(
    site: Site, before: Mapping[str, Any], actor: Actor, note: str = ""
) -> dict[str, ExclusionNote]:
    """The notes on what a site excludes now: those there were, less what is gone, and on what is new."""
    known = site.exclusion_notes or {}
    old = {*before.get("excludedIPs", ()), *before.get("excludedCountries", ())}
    new = ExclusionNote(note=note, by=actor.name, at=clock.to_iso(clock.now()))
    rules = [*site.excluded_ips, *site.excluded_countries]
    return {rule: known.get(rule, new) for rule in rules if rule in known or rule not in old}


def _to_number(text: str) -> int | None:
    """The number that a text writes in digits; None for any other text, and for one that no site has."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_NUMBER))):
        return None
    number = int(text)
    return number if number <= _LARGEST_NUMBER else None


def _refuse_taken(domain: str, *, by_other_than: Site | None = None) -> None:
    holder = db.session.scalar(select(Site.site_id).where(Site.domain == domain))
    if holder is not None and (by_other_than is None or holder != by_other_than.site_id):
        raise Conflict("Domain already in use")


def _record(actor: Actor, action: str, site: Site, changes: audit.Changes | None = None) -> None:
    audit.record(
        actor,
        action,
        organization_id=site.organization_id,
        site_id=site.site_id,
        target=site.domain,
        changes=changes,
    )
