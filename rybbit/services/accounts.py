"""Accounts and their passwords."""

from sqlalchemy import select

from rybbit import security
from rybbit.errors import Conflict, InvalidInput
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Account, bump_revision
from rybbit.services.validation import check_name

_LONGEST_EMAIL = 254
_SHORTEST_PASSWORD = 8
# Argon2 hashes any length; a bound keeps a request from sending megabytes to be hashed.
_LONGEST_PASSWORD = 1024


def create_account(email: str, *, password: str | None, name: str = "") -> Account:
    """Make an account; without a password it cannot sign in with one. The name defaults to the email's.

    Raises:
        InvalidInput: `email`, `password` or `name` is unfit.
        Conflict: the email has an account.
    """
    address = normalise_email(email)
    if password is not None:
        check_new_password(password)
    shown = check_name(name.strip() or address.partition("@")[0])
    # Hashed before others have to wait: it takes long on purpose.
    password_hash = None if password is None else security.hash_password(password)
    bump_revision(db.session)
    if account_by_email(address) is not None:
        raise Conflict("Email already in use")
    account = Account(email=address, name=shown, password_hash=password_hash)
    db.session.add(account)
    db.session.flush()
    return account


def account_by_email(email: str) -> Account | None:
    """The account of an email address, however it is capitalised."""
    address = email.strip().lower()
    return (
        db.session.scalar(select(Account).where(Account.email == address)) if is_storable(address) else None
    )


def has_accounts() -> bool:
    """Whether anybody has an account here."""
    return db.session.scalar(select(Account.id).limit(1)) is not None


def verify_password(account: Account | None, password: str) -> bool:
    """Whether the password is the account's; for None it takes as long and says no."""
    password_hash = account.password_hash if account else None
    if len(password) > _LONGEST_PASSWORD or not security.check_password(password, password_hash):
        return False
    if account and password_hash and security.is_outdated(password_hash):
        account.password_hash = security.hash_password(password)
    return True


def normalise_email(email: str) -> str:
    """An email address as it is kept: trimmed, lower case.

    Raises:
        InvalidInput: it has not the form of one.
    """
    address = email.strip().lower()
    user, _, host = address.rpartition("@")
    is_fit = bool(user and host) and len(address) <= _LONGEST_EMAIL and address.isprintable()
    if not is_fit or any(character.isspace() or character in '@<>",;' for character in user + host):
        raise InvalidInput({"email": ["Must be an email address"]})
    return address


def check_new_password(password: str) -> None:
    """Refuse a password that is too short or far too long.

    Raises:
        InvalidInput: naming `password`.
    """
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD or not is_storable(password):
        text = f"Must have {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
        raise InvalidInput({"password": [text]})
