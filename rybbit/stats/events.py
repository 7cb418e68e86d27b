"""Raw events, newest first, in pages that neither skip nor double an event."""

from dataclasses import dataclass
from typing import Any

from rybbit import clock
from rybbit.stats.period import Period
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from rybbit.store.event import COLUMNS, Kind
from rybbit.store.visit import TAGS

# What an event shows, in this order; `ip` only to those who may see it.
SHOWN = (
    *("timestamp", "type", "event_name", "properties", "session_id", "user_id"),
    *("hostname", "pathname", "querystring", "page_title", "referrer", "channel"),
    *TAGS,
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("language", "country", "region", "city", "timezone", "lat", "lon", "screen_width", "screen_height"),
    *("lcp", "cls", "inp", "fcp", "ttfb"),
)

_TEXTS = frozenset(column.name for column in COLUMNS if column.kind is Kind.TEXT)
_SELECTED = ("id", "event_id", "user_hash", *SHOWN, "ip")

SELECTED_SQL = ", ".join("epoch_ms(timestamp)" if name == "timestamp" else name for name in _SELECTED)
"""The columns that `read_event` reads."""

_NEWEST = """
select epoch_ms(timestamp) from events where {events} order by timestamp desc limit $page_size
"""

_PAGE = f"""
select {SELECTED_SQL} from events
where {{events}} and timestamp >= make_timestamp_ms($oldest)
order by timestamp desc, id desc
"""

_REST = "select 1 from events where {events} and timestamp < make_timestamp_ms($oldest) limit 1"

_COUNT = "select count(*) from events where {matching}"


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of raw events; pass `oldest_ms` as `before_ms` for the next one."""

    events: list[dict[str, Any]]
    has_more: bool
    oldest_ms: int | None


def event_page(
    store: EventStore,
    question: Question,
    *,
    page_size: int,
    before_ms: int | None = None,
    since_ms: int | None = None,
    with_addresses: bool = False,
) -> EventPage:
    """Events older than `before_ms` and not older than `since_ms`, the newest first.

    A page holds `page_size` events, and those that share the last one's millisecond, so that the next
    page can begin below it.
    """
    period = question.period
    stretch = Period(_latest(period.start_ms, since_ms), _earliest(period.end_ms, before_ms), period.zone)
    question = question.over(stretch)
    newest = question.ask(store, _NEWEST, {"page_size": page_size})
    if not newest:
        return EventPage([], has_more=False, oldest_ms=None)
    oldest = int(newest[-1][0])
    rows = question.ask(store, _PAGE, {"oldest": oldest})
    events = [read_event(row, with_address=with_addresses) for row in rows]
    return EventPage(events, bool(question.ask(store, _REST, {"oldest": oldest})), oldest)


def count_events(store: EventStore, question: Question) -> int:
    """How many events match."""
    return int(question.ask(store, _COUNT)[0][0])


def _latest(*moments: int | None) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _earliest(*moments: int | None) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def read_event(selected: tuple[Any, ...], *, with_address: bool = False) -> dict[str, Any]:
    """A row of `SELECTED_SQL` as the API shows it: ids as text, since JavaScript cuts numbers."""
    row = dict(zip(_SELECTED, selected, strict=True))
    event = {name: "" if row[name] is None and name in _TEXTS else row[name] for name in SHOWN}
    event["timestamp"] = clock.to_iso(clock.from_ms(row["timestamp"]))
    # JSON text, which clients parse without a look.
    event["properties"] = event["properties"] or "{}"
    event["session_id"] = str(row["session_id"])
    event["user_id"] = row["user_id"] or shown_visitor(row["user_hash"])
    # Who has a name is told apart from who has none, as in the lists of sessions and users.
    event["identified_user_id"] = row["user_id"] or ""
    event = {"event_id": row["event_id"] or f"{row['id']:016x}", **event}
    if with_address:
        event["ip"] = row["ip"] or ""
    return event


def shown_visitor(user_hash: int) -> str:
    """The user id of a visitor whom nobody named: 16 hex digits."""
    return f"{user_hash & 0xFFFF_FFFF_FFFF_FFFF:016x}"
