"""Links for those who forgot their password."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update

from rybbit import clock, security
from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Account, PasswordReset
from rybbit.services import accounts

RESET_LIFE = timedelta(hours=1)
"""How long a link works."""


def make_reset(account: Account) -> str:
    """Make the token of a link that sets a new password once; one made before ends."""
    now = clock.now()
    is_over = or_(PasswordReset.account_id == account.id, PasswordReset.expires_at <= now)
    db.session.execute(delete(PasswordReset).where(is_over))
    token = security.make_token()
    db.session.add(
        PasswordReset(
            token_hash=security.hash_key(token),
            account_id=account.id,
            created_at=now,
            expires_at=now + RESET_LIFE,
        )
    )
    db.session.flush()
    return token


def reset_url(base_url: str, token: str) -> str:
    """The link; `base_url` is the configured address of the server, never what a request names."""
    return f"{base_url.rstrip('/')}/reset-password/{token}"


def account_of(token: str) -> Account | None:
    """Whose password the link of a token sets; None if it does not work, or not any more."""
    reset = _find_open(security.hash_key(token), clock.now())
    return None if reset is None else db.session.get_one(Account, reset.account_id)


def reset_password(token: str, new_password: str) -> Account:
    """Set a new password with the token of a link, which is used up, and end every session.

    Raises:
        InvalidInput: `newPassword` is unfit (the link still works), or the link of `token` does not work.
    """
    accounts.check_new_password(new_password, field="newPassword")
    token_hash = security.hash_key(token)
    now = clock.now()
    reset = _find_open(token_hash, now)
    if reset is None:
        raise _broken_link()
    # Hashed before others have to wait: it takes long on purpose.
    password_hash = security.hash_password(new_password)
    if not _use(token_hash, now):
        raise _broken_link()
    account = db.session.get_one(Account, reset.account_id)
    accounts.store_password_hash(account, password_hash)
    return account


def _find_open(token_hash: str, now: datetime) -> PasswordReset | None:
    reset = db.session.get(PasswordReset, token_hash)
    return reset if reset is not None and reset.used_at is None and now < reset.expires_at else None


def _broken_link() -> InvalidInput:
    return InvalidInput({"token": ["This link does not work any more"]})


def _use(token_hash: str, now: datetime) -> bool:
    """Mark a link as used; of several who try at once, one succeeds."""
    used = db.session.execute(
        update(PasswordReset)
        .where(PasswordReset.token_hash == token_hash, PasswordReset.used_at.is_(None))
        .values(used_at=now)
        .returning(PasswordReset.token_hash)
    )
    return used.first() is not None
