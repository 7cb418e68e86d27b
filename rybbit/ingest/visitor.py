"""Who a visitor is: a number that cannot be traced back to an address.

HMAC-SHA256 of address and user agent, keyed with a secret of the site and, where the site asks for it,
with a random salt of the UTC day that is deleted soon after. A visitor whom the sender names is the
HMAC of that name. Of the digest 64 bits are kept, signed, as every engine has them.
"""

import hmac
import threading
from datetime import date, timedelta

from sqlalchemy import Engine, delete, select

from rybbit import clock, security
from rybbit.ingest.control import control_session
from rybbit.ingest.directory import TrackedSite
from rybbit.locks import register_forkable
from rybbit.models import DaySalt, insert_for

# Yesterday's salt is kept for sessions that cross midnight, but not longer than this hour (UTC).
_EARLIER_UNTIL_HOUR = 4


def hash_visitor(key: bytes, *parts: str) -> int:
    """A signed 64-bit number that stands for the parts under a key."""
    # The separator cannot occur in a part, so that no two different visitors read the same.
    message = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big", signed=True)


def hash_named(site: TrackedSite, user_id: str) -> int:
    """The number of a visitor whom the sender names."""
    return hash_visitor(site.secret, "user", user_id)


class DaySalts:
    """The random salts of the UTC days, the same in every worker."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._salts: dict[date, bytes] = {}
        self._lock = threading.Lock()
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held."""
        self._lock = threading.Lock()

    def of(self, day: date) -> bytes:
        """The salt of a day; whoever needs it first makes it."""
        salt = self._salts.get(day)
        if salt is None:
            with self._lock:
                salt = self._salts.get(day) or self._find_or_make(day)
                self._salts[day] = salt
        return salt

    def earlier(self, day: date, hour: int) -> bytes | None:
        """The salt of the day before, for the first hours of a day; None if there is none any more."""
        if hour >= _EARLIER_UNTIL_HOUR:
            return None
        before = day - timedelta(days=1)
        if before not in self._salts:
            with control_session(self._engine) as session:
                self._salts[before] = session.scalar(select(DaySalt.salt).where(DaySalt.day == before)) or b""
        return self._salts[before] or None

    def _find_or_make(self, day: date) -> bytes:
        known = select(DaySalt.salt).where(DaySalt.day == day)
        with control_session(self._engine) as session:
            # Most workers find it made; to write would have them wait while the database is locked.
            if (salt := session.scalar(known)) is not None:
                return salt
            offer = insert_for(self._engine.dialect.name, DaySalt).values(
                day=day, salt=security.make_secret()
            )
            session.execute(offer.on_conflict_do_nothing())
            session.commit()
            # Whoever came first, this is the one that counts.
            return session.scalars(known).one()

    def forget_old(self) -> None:
        """Delete the salts whose time is over."""
        now = clock.now()
        oldest = now.date() - timedelta(days=1 if now.hour < _EARLIER_UNTIL_HOUR else 0)
        self._salts = {day: salt for day, salt in self._salts.items() if day >= oldest}
        with control_session(self._engine) as session:
            if session.scalar(select(DaySalt.day).where(DaySalt.day < oldest).limit(1)) is not None:
                session.execute(delete(DaySalt).where(DaySalt.day < oldest))
                session.commit()


class Visitors:
    """Gives visitors their numbers."""

    def __init__(self, salts: DaySalts) -> None:
        self._salts = salts

    def identify(
        self, site: TrackedSite, *, user_id: str | None, address: str, user_agent: str, now_ms: int
    ) -> tuple[int, int | None]:
        """The visitor's number, and the one under yesterday's salt where that may still count."""
        if user_id is not None:
            return hash_named(site, user_id), None
        if not site.salt_user_ids:
            return hash_visitor(site.secret, "visitor", address, user_agent), None
        moment = clock.from_ms(now_ms)
        today = hash_visitor(site.secret + self._salts.of(moment.date()), "visitor", address, user_agent)
        earlier = self._salts.earlier(moment.date(), moment.hour)
        if earlier is None:
            return today, None
        return today, hash_visitor(site.secret + earlier, "visitor", address, user_agent)
