"""Accounts and their passwords."""

from sqlalchemy import delete, select, update

from rybbit import clock, security
from rybbit.errors import Conflict, Forbidden, InvalidInput, NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Account, PasswordReset, Session, bump_revision
from rybbit.services import invitations, organizations
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.emails import email_spellings, normalise_email
from rybbit.services.validation import check_name

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


def sign_up(
    email: str,
    *,
    password: str,
    name: str = "",
    disabled: bool | None = None,
    invitation: str | None = None,
    address: str = "",
) -> Account:
    """Make an account for somebody who asks for one.

    Where sign-up is `disabled` this is for whoever has the token of an open `invitation`; None disables
    it from the second account on. With a token the account also becomes a member of that organization;
    `address` is for the audit log.

    Raises:
        InvalidInput: `email`, `password` or `name` is unfit.
        Forbidden: sign-up is disabled, or the invitation is for another email address.
        NotFound: the token is that of no open invitation.
        Conflict: the email has an account.
    """
    if invitation is None:
        _refuse_strangers(disabled)
    if invitation is not None:
        invitations.check_invitation(invitation, normalise_email(email))
    account = create_account(email, password=password, name=name)
    if invitation is not None:
        invitations.accept_invitation(invitation, account, address=address)
    return account


def make_up_password() -> str:
    """A password for a person who gave none, to be shown once."""
    return security.make_password()


def account_by_email(email: str) -> Account | None:
    """The account of an email address, however it is capitalised, and in either form of its domain."""
    spellings = [spelling for spelling in email_spellings(email) if is_storable(spelling)]
    found = db.session.scalars(select(Account).where(Account.email.in_(spellings)))
    # Earlier versions could make one account for each form: then the one that was named counts.
    return min(found, key=lambda account: spellings.index(account.email), default=None)


def is_signup_disabled(setting: bool | None) -> bool:
    """Whether strangers are kept out: as the operator says, else once there is an account."""
    return has_accounts() if setting is None else setting


def has_accounts() -> bool:
    """Whether anybody has an account here."""
    return db.session.scalar(select(Account.id).limit(1)) is not None


def account_for(email: str) -> Account:
    """The account of an email address.

    Raises:
        NotFound: there is none.
    """
    account = account_by_email(email)
    if account is None:
        raise NotFound("Account not found")
    return account


def list_accounts() -> list[Account]:
    """Every account of the instance, by email address; for the operator."""
    return list(db.session.scalars(select(Account).order_by(Account.email)))


def rename_account(account: Account, name: str) -> None:
    """Give an account another name.

    Raises:
        InvalidInput: the name is unfit.
    """
    account.name = check_name(name)
    db.session.flush()


def delete_account(account: Account, *, actor: Actor = COMMAND) -> None:
    """Delete an account with its sessions and keys; it leaves its organizations.

    Raises:
        Conflict: it is the last owner of one of them; nothing may be committed then.
    """
    for membership in organizations.organizations_of(account):
        organizations.remove_member(membership.organization, account, actor=actor)
    bump_revision(db.session)
    db.session.delete(account)
    db.session.flush()


def change_password(
    account: Account, *, current_password: str, new_password: str, keep: Session | None = None
) -> None:
    """Change the password for somebody who knows the old one, and end every session but `keep`.

    How often somebody may try is for the caller to limit.

    Raises:
        InvalidInput: `newPassword` is unfit, or `currentPassword` wrong.
    """
    check_new_password(new_password, field="newPassword")
    if not verify_password(account, current_password):
        raise InvalidInput({"currentPassword": ["Is not the password of this account"]})
    store_password_hash(account, security.hash_password(new_password), keep=keep)


def set_password(account: Account, password: str) -> None:
    """Give an account another password without asking for the old one, and end every session.

    Raises:
        InvalidInput: the password is unfit.
    """
    check_new_password(password)
    store_password_hash(account, security.hash_password(password))


def store_password_hash(account: Account, password_hash: str, *, keep: Session | None = None) -> None:
    """Replace the password; every session but `keep`, and every link to reset it, ends."""
    account.password_hash = password_hash
    db.session.flush()
    now = clock.now()
    is_open = (PasswordReset.account_id == account.id, PasswordReset.used_at.is_(None))
    db.session.execute(update(PasswordReset).where(*is_open).values(used_at=now))
    ended = [Session.account_id == account.id]
    if keep is not None:
        ended.append(Session.id != keep.id)
    db.session.execute(delete(Session).where(*ended))


def verify_password(account: Account | None, password: str) -> bool:
    """Whether the password is the account's; for None it takes as long and says no."""
    password_hash = account.password_hash if account else None
    if len(password) > _LONGEST_PASSWORD or not security.check_password(password, password_hash):
        return False
    if account and password_hash and security.is_outdated(password_hash):
        account.password_hash = security.hash_password(password)
    return True


def check_new_password(password: str, *, field: str = "password") -> None:
    """Refuse a password that is too short or far too long.

    Raises:
        InvalidInput: naming `field`.
    """
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD or not is_storable(password):
        text = f"Must have {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
        raise InvalidInput({field: [text]})


def _refuse_strangers(disabled: bool | None) -> None:
    """Refuse sign-up where it is disabled; of two first ones at once, one passes."""
    if disabled is None and not has_accounts():
        bump_revision(db.session)
    if is_signup_disabled(disabled):
        raise Forbidden("Sign-up is disabled")
