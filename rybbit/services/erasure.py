"""Erasing one visitor of a site, at their request: everything that came in of them, with a receipt."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.ingest.payload_details import is_storable
from rybbit.ingest.payload_messages import NOT_STORABLE
from rybbit.ingest.visitor import hash_visitor
from rybbit.models import Site
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.sites import lock_site
from rybbit.store.base import EventStore, Scope
from rybbit.store.deletion import Deletion
from rybbit.store.event import hash_of_hex

_HOUR = timedelta(hours=1)
# The same name under another secret, as events have it that were brought here, is another number.
_HASHES = "select distinct user_hash from events where site_id = $site_id and user_id = $user_id"
_FIGURES = """
select count(*), count(distinct session_id), epoch_ms(min(timestamp)), epoch_ms(max(timestamp))
from events
where site_id = $site_id and user_hash in (select unnest($hashes))
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased, without saying of whom; until `gone_from_disk_by` it can only not be read any more."""

    id: str
    site_id: int
    events: int
    sessions: int
    first_seen: datetime | None
    last_seen: datetime | None
    requested_at: datetime
    gone_from_disk_by: datetime


def erase_user(
    site: Site,
    user_id: str,
    *,
    store: EventStore,
    deletion: Deletion,
    erase_hours: int,
    actor: Actor = COMMAND,
) -> Receipt:
    """Erase all events of a visitor, by the name that was given to them or the 16 digits they are shown with.

    Nothing of them can be read when this returns; a running server takes it off the disk. Where there is
    nothing to erase, the receipt says so. The audit log has no id, but a keyed hash of it.

    Raises:
        InvalidInput: no event can have this id.
        NotFound: the site was deleted meanwhile.
        Unavailable: nothing can be written now.
    """
    if not user_id or not is_storable(user_id):
        raise InvalidInput({"userId": [NOT_STORABLE if user_id else "Required"]})
    lock_site(site)
    hashes = _hashes_of(site, user_id, store)
    receipt = _receipt(site, _ask(store, site, _FIGURES, {"hashes": hashes})[0], erase_hours)
    _record(actor, site, user_id, receipt)
    for user_hash in hashes:
        deletion.delete_visitor(site.site_id, user_hash, name=user_id)
    return receipt


def _hashes_of(site: Site, user_id: str, store: EventStore) -> list[int]:
    found = {hash_visitor(site.secret, "user", user_id)}
    number = hash_of_hex(user_id)
    if number is not None:
        found.add(number)
    return sorted(found | {int(row[0]) for row in _ask(store, site, _HASHES, {"user_id": user_id})})


def _ask(store: EventStore, site: Site, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return store.query(sql, {"site_id": site.site_id, **values}, scope=Scope(site.site_id))


def _receipt(site: Site, figures: tuple[Any, ...], erase_hours: int) -> Receipt:
    events, sessions, first, last = figures
    now = clock.now()
    return Receipt(
        id=f"erasure_{secrets.token_hex(12)}",
        site_id=site.site_id,
        events=int(events),
        sessions=int(sessions),
        first_seen=None if first is None else clock.from_ms(int(first)),
        last_seen=None if last is None else clock.from_ms(int(last)),
        requested_at=now,
        # Files that are replaced stay for `erase_hours`; to replace them takes a few seconds, or minutes.
        gone_from_disk_by=now + erase_hours * _HOUR + _HOUR,
    )


def _record(actor: Actor, site: Site, user_id: str, receipt: Receipt) -> None:
    digest = hash_visitor(site.secret, "erased", user_id) & 0xFFFF_FFFF_FFFF_FFFF
    audit.record(
        actor,
        "site.user.erase",
        organization_id=site.organization_id,
        site_id=site.site_id,
        target=receipt.id,
        changes={"userHash": (f"{digest:016x}", None), "events": (receipt.events, 0)},
    )
