"""Which session an event belongs to.

An event joins the visitor's session whose span, widened by 30 minutes on both sides, contains its
time; the nearest, if two do, and the one that began first, if both are as near. Else it begins a
session, whose id is the event's own. Sessions never merge. What a session has in a block of four hours can be
joined for 48 hours after the receipt of its last event (`span_table.py`), whatever time the events themselves
name: a history that is sent in later falls into the same sessions as one that was sent as it happened.
"""

GAP_MS = 30 * 60 * 1000
KEPT_MS = 48 * 60 * 60 * 1000

Visitor = tuple[int, int]
"""site_id and user_hash."""
