"""What a visit has, once, for every engine: the relation `visits`, made of the relation `events`."""

from dataclasses import dataclass

MOMENT = "moment(timestamp, id)"
"""What events are ordered by."""


def first_of(column: str) -> str:
    """SQL for the value of a visit's first event that has one, "" without."""
    return f"coalesce(min_by({column}, {MOMENT}), '')"


def last_of(column: str) -> str:
    """SQL for the value of a group's last event that has one, null without."""
    return f"max_by({column}, {MOMENT})"


# Both engines pass over rows whose first argument is null, so that this is about those that have one.
_PAGE = "case when type = 'pageview' then pathname end"
ENTRY_PAGE = first_of(_PAGE)
EXIT_PAGE = f"coalesce({last_of(_PAGE)}, '')"

# Later pages of a visit are reached from the site itself and have no source, so the first source counts.
_UNATTRIBUTED = "('', 'Direct', 'Internal')"
CHANNEL = (
    f"coalesce(min_by(case when channel not in {_UNATTRIBUTED} then channel end, {MOMENT}),"
    f" min_by(channel, {MOMENT}), '')"
)
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
"""What a link to a page says of the campaign that it belongs to."""

FIGURES = {
    "started": "min(timestamp)",
    "ended": "max(timestamp)",
    "pageviews": "count(*) filter (where type = 'pageview')",
}
"""Counted over the events of a visit."""

ORIGINS = {
    "first_channel": CHANNEL,
    "first_referrer": first_of("referrer_domain"),
    **{f"first_{tag}": first_of(tag) for tag in TAGS},
    "entry_page": ENTRY_PAGE,
    "exit_page": EXIT_PAGE,
}
"""What a visit has as a whole; a name is never that of a column of events."""

_TRAITS = ("browser", "operating_system", "device_type", "country", "region", "city", "language")
TRAITS = {name: f"coalesce({name}, '')" for name in _TRAITS}
"""What hardly ever changes within a visit; columns of events have the same names, but may be null."""


@dataclass(frozen=True, slots=True)
class Visits:
    """The relation `visits` that a query is over: a row for each visit of a scope, of what counts of it.

    A visit is what has one `session_id`; of several users, or of several values of a trait that is among the
    columns, it has several rows.

    Args:
        columns: `user_hash`, and names of `FIGURES`, `ORIGINS` and `TRAITS`.
        piece: SQL over `timestamp` by which visits are cut; a visit has a row for each value, which is the
            column `piece`. "" cuts nothing.
        condition: SQL of the events that count; it may look at `events` of the scope.
        kept_condition: the same for a visit as a whole, in words of `ORIGINS` and `TRAITS`; None if there is
            no such condition, or if a visit that ends in the piece in which it began can have left it.
    """

    columns: tuple[str, ...]
    piece: str = ""
    condition: str = "true"
    kept_condition: str | None = "true"

    @property
    def keys(self) -> dict[str, str]:
        """The columns that tell rows of one visit apart, and what they are of an event."""
        known = {"user_hash": "user_hash"} | TRAITS
        return {name: known[name] for name in self.columns if name in known}

    @property
    def figures(self) -> dict[str, str]:
        """The other columns, and how they are counted."""
        known = FIGURES | ORIGINS
        return {name: known[name] for name in self.columns if name in known}

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order of `select_visits`."""
        return (*(("piece",) if self.piece else ()), "session_id", *self.keys, *self.figures)


def select_visits(visits: Visits, condition: str = "true") -> str:
    """SQL for the visits made of `events`, of those for which a further condition is true."""
    piece = (f"{visits.piece} as piece",) if visits.piece else ()
    keys = {"session_id": "session_id"} | visits.keys
    named = (f"{sql} as {name}" for name, sql in (keys | visits.figures).items())
    columns = ", ".join((*piece, *named))
    by = ", ".join((*(("piece",) if piece else ()), *keys.values()))
    return f"select {columns} from events where {condition} and {visits.condition} group by {by}"
