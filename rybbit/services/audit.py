"""Who changed what on a site or an organization, when, from where."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from rybbit.extensions import db
from rybbit.models import Account, AuditEntry, Organization, Site
from rybbit.services.actor import Actor

Changes = Mapping[str, tuple[Any, Any]]
"""Old and new value by a field's outside name; values are JSON, and never secrets."""

_LONGEST_ADDRESS = 45
_LONGEST_TARGET = 255


def record(
    actor: Actor,
    action: str,
    *,
    organization_id: str,
    site_id: int | None = None,
    target: str = "",
    changes: Changes | None = None,
) -> AuditEntry:
    """Note a change in the transaction that makes it.

    `action` is what it was done to and what was done (`site.update`, `key.create`); `target` tells
    which one, by an id or a name.
    """
    entry = AuditEntry(
        organization_id=organization_id,
        site_id=site_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=_name_of(actor),
        address=actor.address[:_LONGEST_ADDRESS],
        action=action,
        target=target[:_LONGEST_TARGET],
        changes={field: list(values) for field, values in (changes or {}).items()},
    )
    db.session.add(entry)
    db.session.flush()
    return entry


def entries_of(
    holder: Organization | Site, *, limit: int = 100, before: int | None = None
) -> list[AuditEntry]:
    """The changes of a site, or of an organization with its sites, deleted ones too; the latest first.

    `before` is the id of the last entry of the page before.
    """
    if isinstance(holder, Site):
        query = select(AuditEntry).where(AuditEntry.site_id == holder.site_id)
    else:
        query = select(AuditEntry).where(AuditEntry.organization_id == holder.id)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def _name_of(actor: Actor) -> str:
    """The actor's name; of a key also the person it acts for, since it may be deleted with them."""
    if actor.key_id is None or actor.account_id is None:
        return actor.name
    email = db.session.scalar(select(Account.email).where(Account.id == actor.account_id))
    return f"{actor.name} ({email})"
