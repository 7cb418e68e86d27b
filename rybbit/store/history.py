"""What the stored events say of ids, sessions and visitors, for making lost state anew."""

from rybbit.store.base import EventStore, Scope
from rybbit.store.event import first_id_at, received_ms

_SPANS = """
select site_id, user_hash, session_id, epoch_ms(min(timestamp)), epoch_ms(max(timestamp)), max(id)
from events
group by site_id, user_hash, session_id, divide(epoch_ms(timestamp), $block_ms)
having max(id) >= $first_id
"""

_EVENT_IDS = """
select site_id, event_id, id from events where id >= $first_id and event_id is not null
"""


_EVENT_IDS_OF = _EVENT_IDS + "and site_id = $site_id and user_hash = $user_hash"


class StoredHistory:
    """Answers from a store."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def last_id(self) -> int:
        """The greatest id given so far, 0 if none."""
        return int(self._store.query("select coalesce(max(id), 0) from events")[0][0])

    def spans_since(self, milliseconds: int, *, block_ms: int) -> list[tuple[int, int, int, int, int, int]]:
        """What sessions did in each block of so many milliseconds, if it was received since then.

        Rows of site_id, user_hash, session_id, the first and last moment, and the receipt of the last event.
        """
        values = {"first_id": first_id_at(milliseconds), "block_ms": block_ms}
        rows = self._store.query(_SPANS, values)
        return [(*map(int, row[:5]), received_ms(int(row[5]))) for row in rows]  # type: ignore[misc]

    def event_ids_since(self, first_id: int) -> list[tuple[int, str, int]]:
        """Rows of site_id, event_id, id of the events received since then that carry an event_id."""
        rows = self._store.query(_EVENT_IDS, {"first_id": first_id})
        return [(int(row[0]), str(row[1]), int(row[2])) for row in rows]

    def event_ids_of(self, site_id: int, user_hash: int, first_id: int) -> list[tuple[int, str, int]]:
        """Those of a visitor among them."""
        values = {"first_id": first_id, "site_id": site_id, "user_hash": user_hash}
        rows = self._store.query(_EVENT_IDS_OF, values, scope=Scope(site_id))
        return [(int(row[0]), str(row[1]), int(row[2])) for row in rows]
