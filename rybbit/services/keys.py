"""Keys: made, found, used, revoked. A token is seen once, when it is made."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from rybbit import clock, security
from rybbit.errors import Forbidden, InvalidInput, NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Account, Key, Organization, Scope, Site, UtcDateTime
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.validation import check_name

Holder = Site | Account | Organization
"""Whom a key belongs to."""


def create_tracking_key(site: Site, *, name: str = "Tracking key", actor: Actor = COMMAND) -> tuple[Key, str]:
    """Make a key that may send events of one site; returns it with its token.

    Raises:
        InvalidInput: the name is unfit.
    """
    key, token = _create(Key(name=check_name(name), site_id=site.site_id))
    _record(actor, "key.create", key)
    return key, token


def create_account_key(
    account: Account,
    *,
    name: str = "Account key",
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    actor: Actor = COMMAND,
) -> tuple[Key, str]:
    """Make a key that may do what its account may, or what `scopes` leaves of it; returns it with its token.

    Raises:
        InvalidInput: the name, a scope or the end is unfit.
        Forbidden: the actor is a key that may do less than the new one.
    """
    key = _limited(name, scopes, expires_at, actor)
    key.account_id = account.id
    return _create(key)


def create_organization_key(
    organization: Organization,
    *,
    name: str = "Organization key",
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    actor: Actor = COMMAND,
) -> tuple[Key, str]:
    """Make a key that acts for an organization, as an admin of it; returns it with its token.

    It belongs to no person, and stays when the one who made it leaves.

    Raises:
        InvalidInput: the name, a scope or the end is unfit.
        Forbidden: the actor is a key that may do less than the new one.
    """
    key = _limited(name, scopes, expires_at, actor)
    key.organization_id = organization.id
    _, token = _create(key)
    _record(actor, "key.create", key)
    return key, token


def find_key(token: str) -> Key | None:
    """The key of a token, if it is active; None for a wrong, revoked or expired one."""
    if not security.looks_like_key(token):
        return None
    token_hash = security.hash_key(token)
    key = db.session.scalar(select(Key).where(Key.token_hash == token_hash))
    if key is None or not security.is_same(key.token_hash, token_hash) or not key.is_active(clock.now()):
        return None
    return key


def key_for(key_id: str, *, holder: Holder | None = None) -> Key:
    """The key with this id, of a certain holder if one is given.

    Raises:
        NotFound: there is none.
    """
    key = db.session.get(Key, key_id) if is_storable(key_id) else None
    if key is None or (holder is not None and not _is_of(key, holder)):
        raise NotFound("Key not found")
    return key


def revoke_key(key: Key, *, actor: Actor = COMMAND) -> None:
    """End a key for good; a key that was revoked before keeps the moment of that."""
    if key.revoked_at is None:
        key.revoked_at = clock.now()
        db.session.flush()
        _record(actor, "key.revoke", key)


def list_keys(holder: Holder | None = None) -> list[Key]:
    """The keys of a site, an account or an organization, or every key of the instance; the oldest first.

    Revoked and expired ones are among them.
    """
    query = select(Key).order_by(Key.created_at, Key.id)
    if holder is not None:
        column, value = _place(holder)
        query = query.where(column == value)
    return list(db.session.scalars(query))


def check_scopes(scopes: Sequence[str]) -> list[Scope]:
    """The scopes by name, each once and in their own order.

    Raises:
        InvalidInput: one is unknown, or there is none; a key that may do all has None instead.
    """
    known = list(Scope)
    unknown = [
        f"[{place}]: Must be one of {', '.join(known)}"
        for place, scope in enumerate(scopes)
        if scope not in known
    ]
    if unknown or not scopes:
        raise InvalidInput({"scopes": unknown or ["Must name at least one scope"]})
    return [scope for scope in known if scope in scopes]


def record_key_uses(connection: Connection, uses: Mapping[str, datetime]) -> None:
    """Note when keys (by their ids) were last used; an earlier moment than the one known changes nothing.

    For the flushing of what a worker has collected: in the transaction of `connection`, without
    raising the revision, since nothing that tracking depends on changes.
    """
    if not uses:
        return
    moment = bindparam("moment", type_=UtcDateTime())
    earlier = or_(Key.last_used_at.is_(None), Key.last_used_at < moment)
    statement = update(Key).where(Key.id == bindparam("key_id"), earlier)
    # One order for all workers, so that two of them cannot wait for each other in a circle.
    rows = [{"key_id": key_id, "moment": uses[key_id]} for key_id in sorted(uses)]
    connection.execute(statement.values(last_used_at=moment), rows)


def _create(key: Key) -> tuple[Key, str]:
    token = security.make_key()
    key.token_hash = security.hash_key(token)
    db.session.add(key)
    db.session.flush()
    return key, token


def _limited(name: str, scopes: Sequence[str] | None, expires_at: datetime | None, actor: Actor) -> Key:
    limits = None if scopes is None else check_scopes(scopes)
    _refuse_wider(actor, limits, expires_at)
    if expires_at is not None and expires_at <= clock.now():
        raise InvalidInput({"expiresAt": ["Must be in the future"]})
    return Key(
        name=check_name(name),
        scopes=None if limits is None else list(map(str, limits)),
        expires_at=expires_at,
    )


def _refuse_wider(actor: Actor, limits: Sequence[Scope] | None, expires_at: datetime | None) -> None:
    if actor.key_id is None:
        return
    if actor.scopes is not None and (limits is None or not actor.scopes.issuperset(limits)):
        raise Forbidden("A key cannot make one that may do more")
    end = db.session.get_one(Key, actor.key_id).expires_at
    if end is not None and (expires_at is None or expires_at > end):
        raise Forbidden("A key cannot make one that lasts longer")


def _place(holder: Holder) -> tuple[InstrumentedAttribute[Any], int | str]:
    if isinstance(holder, Site):
        return Key.site_id, holder.site_id
    return (Key.account_id, holder.id) if isinstance(holder, Account) else (Key.organization_id, holder.id)


def _is_of(key: Key, holder: Holder) -> bool:
    column, value = _place(holder)
    return bool(getattr(key, column.key) == value)


def _record(actor: Actor, action: str, key: Key) -> None:
    """Note what concerns a site or an organization; the keys of an account are its own affair."""
    organization_id = key.organization_id
    if key.site_id is not None:
        organization_id = db.session.get_one(Site, key.site_id).organization_id
    if organization_id is not None:
        target = f"{key.id} {key.name}"
        audit.record(actor, action, organization_id=organization_id, site_id=key.site_id, target=target)
