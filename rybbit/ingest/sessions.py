"""Which session an event belongs to.

An event joins the visitor's session whose span, widened by 30 minutes on both sides, contains its
time; the nearest, if two do, and the one that began first, if both are as near. Else it begins a
session, whose id is the event's own. Sessions never merge. Spans are kept for 48 hours (`span_table.py`);
an older event gets a session by visitor and half hour.
"""

import hashlib

GAP_MS = 30 * 60 * 1000
KEPT_MS = 48 * 60 * 60 * 1000

Visitor = tuple[int, int]
"""site_id and user_hash."""


def session_by_half_hour(visitor: Visitor, timestamp: int) -> int:
    """The session of an event that is too old to join one; negative, so that it is no event's id."""
    digest = hashlib.sha256(repr((*visitor, timestamp // GAP_MS)).encode()).digest()
    return -(int.from_bytes(digest[:8], "big") >> 1) - 1
