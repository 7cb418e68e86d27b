"""Signing in, and the sessions that come of it."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from rybbit import clock, security
from rybbit.errors import NotFound
from rybbit.errors import WrongCredentials as WrongCredentials  # callers find it where it is raised
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.models import Account, Session
from rybbit.models.session import ADDRESS_LENGTH, USER_AGENT_LENGTH
from rybbit.services.accounts import account_by_email, verify_password

SESSION_LIFE = timedelta(days=30)
"""How long a session lasts after it was last used."""

# Using a session is noted now and then only, since it costs a write.
_NOTED_EVERY = timedelta(minutes=5)


def sign_in(email: str, password: str, *, address: str, user_agent: str) -> tuple[Session, str]:
    """Begin a session of the account; returns it with its token, which is seen this once.

    Takes as long for an unknown address as for a wrong password. How often somebody may try is for
    the caller to limit.

    Raises:
        WrongCredentials: no account has both.
    """
    account = account_by_email(email)
    if not verify_password(account, password) or account is None:
        raise WrongCredentials
    return start_session(account, address=address, user_agent=user_agent)


def start_session(account: Account, *, address: str, user_agent: str) -> tuple[Session, str]:
    """Begin a session of somebody who need not show a password, as after a sign-up."""
    now = clock.now()
    db.session.execute(delete(Session).where(Session.expires_at <= now))
    token = security.make_token()
    session = Session(
        token_hash=security.hash_key(token),
        account_id=account.id,
        created_at=now,
        last_seen_at=now,
        expires_at=now + SESSION_LIFE,
        address=address[:ADDRESS_LENGTH],
        user_agent=_storable(user_agent),
    )
    db.session.add(session)
    db.session.flush()
    return session, token


def session_for(token: str) -> Session | None:
    """The session of a token; None for a wrong, ended or expired one.

    Notes every five minutes that it is used, which moves its end: commit after reading requests too.
    """
    token_hash = security.hash_key(token)
    session = db.session.scalar(select(Session).where(Session.token_hash == token_hash))
    now = clock.now()
    if session is None or not security.is_same(session.token_hash, token_hash) or now >= session.expires_at:
        return None
    if now - session.last_seen_at >= _NOTED_EVERY:
        _note_use(session, now)
    return session


def sessions_of(account: Account) -> list[Session]:
    """The sessions in which an account is signed in, the last used first."""
    query = select(Session).where(Session.account_id == account.id, Session.expires_at > clock.now())
    return list(db.session.scalars(query.order_by(Session.last_seen_at.desc(), Session.id)))


def session_of(account: Account, session_id: str) -> Session:
    """The session of an account with this id.

    Raises:
        NotFound: there is none, or it is another account's.
    """
    session = db.session.get(Session, session_id) if is_storable(session_id) else None
    if session is None or session.account_id != account.id:
        raise NotFound("Session not found")
    return session


def end_session(session: Session) -> None:
    """End a session; nothing happens if it has ended."""
    db.session.execute(delete(Session).where(Session.id == session.id))


def end_all_sessions(account: Account, *, but: Session | None = None) -> None:
    """End the sessions of an account, all or all but one."""
    condition = [Session.account_id == account.id]
    if but is not None:
        condition.append(Session.id != but.id)
    db.session.execute(delete(Session).where(*condition))


def _note_use(session: Session, now: datetime) -> None:
    # A statement rather than a changed object: another request may have ended the session meanwhile.
    db.session.execute(
        update(Session)
        .where(Session.id == session.id)
        .values(last_seen_at=now, expires_at=now + SESSION_LIFE)
    )


def _storable(user_agent: str) -> str:
    """The start of a header, without what a database cannot hold."""
    shown = user_agent[:USER_AGENT_LENGTH].replace("\0", "?")
    return shown.encode("utf-8", "replace").decode()
