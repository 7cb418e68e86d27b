"""What tracking needs to know of sites and keys, remembered for one second at most.

Every change of a site or key raises a revision number in its own transaction. A worker looks at the
number once a second and forgets what it remembers if it has grown; in the process of the change itself
`forget` is called right after the commit.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Engine, bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rybbit import clock
from rybbit.ingest.control import control_session
from rybbit.ingest.exclusions import Exclusions, compile_exclusions
from rybbit.ingest.key_uses import KeyUses
from rybbit.locks import register_forkable
from rybbit.models import Key, Member, Revision, Role, Scope, Site, SiteMember
from rybbit.security import hash_key, is_same, looks_like_key

logger = logging.getLogger(__name__)

# A change counts after a second at most; half of it is room for a slow database.
_LOOK_SECONDS = 0.5
_REMEMBERED = 20_000
# PostgreSQL refuses to compare a column of whole numbers with a greater one.
_LARGEST_NUMBER = 2**31 - 1
_Answer = TypeVar("_Answer")

# Columns, not objects, and built once: after a change every key in use is read again at once.
_KEY = select(Key.id, Key.site_id, Key.account_id, Key.organization_id, Key.scopes, Key.expires_at).where(
    Key.token_hash == bindparam("token_hash"), Key.revoked_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class TrackedSite:
    """The settings of a site that decide what happens to its events."""

    site_id: int
    id: str
    organization_id: str
    restricted: bool
    domain: str
    block_bots: bool
    track_ip: bool
    salt_user_ids: bool
    secret: bytes
    exclusions: Exclusions


@dataclass(frozen=True, slots=True)
class TrackingKey:
    """A key that is not revoked, as tracking needs it.

    Of the organizations, those are `whole` in which the holder sees restricted sites too; elsewhere
    these have to be among `listed_sites`.
    """

    id: str
    token_hash: str
    site_id: int | None
    organizations: frozenset[str]
    whole_organizations: frozenset[str]
    listed_sites: frozenset[int]
    expires_at: datetime | None

    def has_expired(self) -> bool:
        """Whether its time is over by now."""
        return self.expires_at is not None and clock.now() >= self.expires_at

    def may_track(self, site: TrackedSite) -> bool:
        """Whether events of this site may come in under this key."""
        if self.site_id is not None:
            return self.site_id == site.site_id
        if not site.restricted:
            return site.organization_id in self.organizations
        return site.organization_id in self.whole_organizations or (
            site.organization_id in self.organizations and site.site_id in self.listed_sites
        )


class SiteDirectory:
    """Looks up sites and keys in the control database, and remembers the answers.

    `uses` notes which keys were shown.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sites: OrderedDict[str, TrackedSite | None] = OrderedDict()
        self._keys: OrderedDict[str, TrackingKey | None] = OrderedDict()
        self.uses = KeyUses()
        self._revision = -1
        self._generation = 0
        self._look_at = 0.0
        self._lock = threading.Lock()
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held."""
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop what is remembered: something was changed in this process."""
        with self._lock:
            self._generation += 1
            self._sites.clear()
            self._keys.clear()

    def find_site(self, identifier: str) -> TrackedSite | None:
        """The site of a number (as text) or a 12-hex id; None if there is none.

        Raises:
            Unavailable: the database does not answer, and the answer is not remembered.
        """
        self._look_for_changes()
        return self._remembered(self._sites, identifier, lambda: self._load_site(identifier))

    def find_key(self, token: str) -> TrackingKey | None:
        """The key of a token; None if it is malformed, unknown, revoked or expired.

        Raises:
            Unavailable: the database does not answer, and the answer is not remembered.
        """
        if not looks_like_key(token):
            return None
        self._look_for_changes()
        token_hash = hash_key(token)
        key = self._remembered(self._keys, token_hash, lambda: self._load_key(token_hash))
        if key is None or not is_same(key.token_hash, token_hash) or key.has_expired():
            return None
        self.uses.note(key.id)
        return key

    def _look_for_changes(self) -> None:
        now = clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        try:
            with self._engine.connect() as connection:
                revision = connection.scalar(select(Revision.number)) or 0
        except SQLAlchemyError as error:
            # While the database is away nobody can change anything in it either.
            logger.warning("Cannot ask the control database for changes: %s", type(error).__name__)
            return
        if revision != self._revision:
            self._revision = revision
            self.forget()

    def _remembered(
        self, answers: "OrderedDict[str, _Answer | None]", name: str, load: Callable[[], _Answer | None]
    ) -> _Answer | None:
        try:
            return answers[name]
        except KeyError:
            generation = self._generation
        answer = load()
        with self._lock:
            # What was read before a change must not be remembered after it.
            if generation == self._generation:
                answers[name] = answer
                if len(answers) > _REMEMBERED:
                    answers.popitem(last=False)
        return answer

    def _load_site(self, identifier: str) -> TrackedSite | None:
        by_id = Site.id == identifier
        if len(identifier) != 12:
            number = int(identifier)
            if number > _LARGEST_NUMBER:
                return None
            by_id = Site.site_id == number
        with control_session(self._engine) as session:
            site = session.scalar(select(Site).where(by_id))
        return _tracked(site) if site is not None else None

    def _load_key(self, token_hash: str) -> TrackingKey | None:
        with control_session(self._engine) as session:
            key = session.execute(_KEY, {"token_hash": token_hash}).first()
            # A key that was limited to something else tracks as little as none.
            if key is None or not (key.scopes is None or Scope.TRACK in key.scopes):
                return None
            roles = _roles_of(session, key.account_id)
            if key.organization_id is not None:
                roles[key.organization_id] = Role.ADMIN
            return TrackingKey(
                key.id,
                token_hash,
                key.site_id,
                organizations=frozenset(roles),
                whole_organizations=frozenset(name for name, role in roles.items() if role.is_admin),
                listed_sites=_listed_sites(session, key.account_id),
                expires_at=key.expires_at,
            )


def _roles_of(session: Session, account_id: str | None) -> dict[str, Role]:
    if account_id is None:
        return {}
    joined = select(Member.organization_id, Member.role).where(Member.account_id == account_id)
    return {row.organization_id: row.role for row in session.execute(joined)}


def _listed_sites(session: Session, account_id: str | None) -> frozenset[int]:
    if account_id is None:
        return frozenset()
    return frozenset(session.scalars(select(SiteMember.site_id).where(SiteMember.account_id == account_id)))


def _tracked(site: Site) -> TrackedSite:
    return TrackedSite(
        site_id=site.site_id,
        id=site.id,
        organization_id=site.organization_id,
        restricted=site.restricted,
        domain=site.domain,
        block_bots=site.block_bots,
        track_ip=site.track_ip,
        salt_user_ids=site.salt_user_ids,
        secret=site.secret,
        exclusions=compile_exclusions(site.excluded_ips, site.excluded_countries),
    )
