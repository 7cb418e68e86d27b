"""Which session an event belongs to.

An event joins the visitor's session whose span, widened by 30 minutes on both sides, contains its
time; the nearest, if two do, and the one that began first, if both are as near. Else it begins a
session, whose id is the event's own. Sessions never merge. Spans are kept for 48 hours; an older
event gets a session by visitor and half hour.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable

from pydantic_core import from_json, to_json

GAP_MS = 30 * 60 * 1000
KEPT_MS = 48 * 60 * 60 * 1000

SCHEMA = """
create table if not exists session_span (
  site_id integer not null,
  user_hash integer not null,
  session_id integer not null,
  first integer not null,
  last integer not null,
  primary key (site_id, user_hash, session_id)
) without rowid
"""

# Each row that SQLite gives or takes one by one makes the interpreter switch threads, of which a busy
# server has many: so a batch is one row on the way out and one value on the way in.
_SELECT = """
select json_group_array(json_array(site_id, user_hash, session_id, first, last))
from session_span
where (site_id, user_hash) in (select value ->> 0, value ->> 1 from json_each(?))
"""

_UPSERT = """
insert into session_span (site_id, user_hash, session_id, first, last)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each(?) where true
on conflict do update set first = excluded.first, last = excluded.last
"""

Visitor = tuple[int, int]


class Span:
    """The time that one session covers, in milliseconds since 1970."""

    __slots__ = ("first", "last", "session_id")

    def __init__(self, session_id: int, first: int, last: int) -> None:
        self.session_id = session_id
        self.first = first
        self.last = last

    def distance(self, timestamp: int) -> int:
        """Milliseconds between the span and a moment; 0 inside."""
        return max(self.first - timestamp, timestamp - self.last, 0)


class Sessions:
    """The spans of the visitors of one batch: loaded, grown and saved within one transaction."""

    def __init__(self, connection: sqlite3.Connection, visitors: Iterable[Visitor], *, now_ms: int) -> None:
        self._connection = connection
        self._oldest = now_ms - KEPT_MS
        self._spans: defaultdict[Visitor, list[Span]] = defaultdict(list)
        self._changed: dict[tuple[int, int, int], Span] = {}
        [found] = connection.execute(_SELECT, (to_json(list(set(visitors))).decode(),)).fetchone()
        for site_id, user_hash, session_id, first, last in from_json(found):
            self._spans[site_id, user_hash].append(Span(session_id, first, last))

    def has_live(self, visitor: Visitor, timestamp: int) -> bool:
        """Whether the event would join a session that this visitor already has."""
        return self._nearest(visitor, timestamp) is not None

    def assign(self, visitor: Visitor, timestamp: int, event_id: int) -> int:
        """The session of an event; the span grows, or a new one begins."""
        if timestamp < self._oldest:
            return _session_by_half_hour(visitor, timestamp)
        span = self._nearest(visitor, timestamp)
        if span is None:
            span = Span(event_id, timestamp, timestamp)
            self._spans[visitor].append(span)
        span.first = min(span.first, timestamp)
        span.last = max(span.last, timestamp)
        self._changed[(*visitor, span.session_id)] = span
        return span.session_id

    def _nearest(self, visitor: Visitor, timestamp: int) -> Span | None:
        spans = self._spans.get(visitor, ())
        reachable = [span for span in spans if span.distance(timestamp) <= GAP_MS]
        if not reachable:
            return None
        return min(reachable, key=lambda span: (span.distance(timestamp), span.session_id))

    def save(self) -> None:
        """Write the spans that grew or began."""
        rows = [(*key, span.first, span.last) for key, span in self._changed.items()]
        self._connection.execute(_UPSERT, (to_json(rows).decode(),))


def _session_by_half_hour(visitor: Visitor, timestamp: int) -> int:
    # Negative, so that it cannot be the id of an event.
    digest = hashlib.sha256(repr((*visitor, timestamp // GAP_MS)).encode()).digest()
    return -(int.from_bytes(digest[:8], "big") >> 1) - 1


def forget_old_spans(connection: sqlite3.Connection, *, now_ms: int) -> None:
    """Remove the spans that no event can join any more."""
    connection.execute("delete from session_span where last < ?", (now_ms - KEPT_MS - GAP_MS,))
