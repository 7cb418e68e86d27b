"""Who does something: a signed-in person, a program with a key, the operator at the command line."""

from dataclasses import dataclass

from sqlalchemy import select

from rybbit.extensions import db
from rybbit.models import Account, ActorKind, Key, Member, Role, Scope, Session

__all__ = ["COMMAND", "Actor", "ActorKind", "Scope", "actor_of_account", "actor_of_key", "actor_of_session"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, with what they may be limited to; what they may do with whom is asked each time.

    An account acts for itself (`account_id`); a key acts for its account, or for its organization
    (`organization_id`). `scopes` None means all. `address` is where they are, "" if that is unknown.
    """

    kind: ActorKind
    name: str
    account_id: str | None = None
    organization_id: str | None = None
    key_id: str | None = None
    address: str = ""
    scopes: frozenset[Scope] | None = None

    @property
    def id(self) -> str | None:
        """The id of the account or the key; None at the command line."""
        return self.key_id or self.account_id

    def may(self, scope: Scope) -> bool:
        """Whether the scope is among those of the key; without scopes, and without a key, it is."""
        return self.scopes is None or scope in self.scopes

    def role_in(self, organization_id: str) -> Role | None:
        """The role in an organization; None for a stranger.

        The key of an organization acts as an admin of it, the command line as an owner of each.
        """
        if self.kind is ActorKind.COMMAND:
            return Role.OWNER
        if self.organization_id is not None:
            return Role.ADMIN if self.organization_id == organization_id else None
        return db.session.scalar(
            select(Member.role).where(
                Member.account_id == self.account_id, Member.organization_id == organization_id
            )
        )


COMMAND = Actor(ActorKind.COMMAND, "command line")
"""The operator, who may do everything."""


def actor_of_key(key: Key, address: str = "") -> Actor | None:
    """Whom a key acts for; None for a tracking key, which acts for nobody."""
    if key.site_id is not None:
        return None
    scopes = None if key.scopes is None else frozenset(map(Scope, key.scopes))
    return Actor(
        ActorKind.KEY,
        key.name,
        account_id=key.account_id,
        organization_id=key.organization_id,
        key_id=key.id,
        address=address,
        scopes=scopes,
    )


def actor_of_account(account: Account, address: str = "") -> Actor:
    """The person who has the account."""
    return Actor(ActorKind.ACCOUNT, account.email, account_id=account.id, address=address)


def actor_of_session(session: Session, address: str = "") -> Actor:
    """The person who is signed in."""
    return actor_of_account(db.session.get_one(Account, session.account_id), address)
