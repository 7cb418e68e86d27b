"""Keys: made, found, used, revoked. A token is seen once, when it is made."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update

from rybbit import clock, security
from rybbit.errors import NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Account, Key, Site, UtcDateTime
from rybbit.services.validation import check_name


def create_tracking_key(site: Site, *, name: str = "Tracking key") -> tuple[Key, str]:
    """Make a key that may send events of one site; returns it with its token.

    Raises:
        InvalidInput: the name is unfit.
    """
    return _create(Key(name=check_name(name), site_id=site.site_id))


def create_account_key(
    account: Account,
    *,
    name: str = "Account key",
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """Make a key that may do what its account may, or what `scopes` leaves of it; returns it with its token.

    Raises:
        InvalidInput: the name is unfit.
    """
    limits = None if scopes is None else list(scopes)
    return _create(Key(name=check_name(name), account_id=account.id, scopes=limits, expires_at=expires_at))


def find_key(token: str) -> Key | None:
    """The key of a token, if it is active; None for a wrong, revoked or expired one."""
    if not security.looks_like_key(token):
        return None
    token_hash = security.hash_key(token)
    key = db.session.scalar(select(Key).where(Key.token_hash == token_hash))
    if key is None or not security.is_same(key.token_hash, token_hash) or not key.is_active(clock.now()):
        return None
    return key


def key_for(key_id: str) -> Key:
    """The key with this id.

    Raises:
        NotFound: there is none.
    """
    key = db.session.get(Key, key_id) if is_storable(key_id) else None
    if key is None:
        raise NotFound("Key not found")
    return key


def revoke_key(key: Key) -> None:
    """End a key for good; a key that was revoked before keeps the moment of that."""
    if key.revoked_at is None:
        key.revoked_at = clock.now()
        db.session.flush()


def list_keys(site: Site | None = None) -> list[Key]:
    """The keys of a site, or every key of the instance; the oldest first."""
    query = select(Key).order_by(Key.created_at, Key.id)
    return list(db.session.scalars(query if site is None else query.where(Key.site_id == site.site_id)))


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
