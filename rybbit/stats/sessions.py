"""Visits one by one: a list of them, one with its events, and where they came from on a map."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rybbit import clock
from rybbit.stats.dimensions import OF_USER, WITH_MOMENT, over_moments, user_values
from rybbit.stats.events import SELECTED_SQL, read_event
from rybbit.stats.period import ALL_TIME
from rybbit.stats.properties import read_properties
from rybbit.stats.question import Question
from rybbit.stats.traits import TRAITS, TRAITS_SQL, counted, named
from rybbit.store.base import EventStore
from rybbit.store.visit import ENTRY_PAGE, EXIT_PAGE, Visits

_COUNTS = {
    "pageviews": counted("pageview"),
    "events": counted("custom_event"),
    "errors": counted("error"),
    "outbound": counted("outbound"),
    "performance": counted("performance"),
}
_FIELDS = (
    *("session_id", "session_start", "session_end", "session_duration"),
    *("entry_page", "exit_page", *_COUNTS, *TRAITS),
)

# Which ones, from narrow columns alone; the wide ones are read for those on the page.
_PAGE = """
select session_id
from events
where {visits}{further}
group by session_id
{having}
order by max(timestamp) desc, session_id desc
limit $limit offset $offset
"""
_PAGE_OF_ALL = """
select session_id
from visits
order by ended desc, session_id desc
limit $limit offset $offset
"""
# Conditions in braces are left to `Question.ask`.
_DETAILS = f"""
with page as ({{page}})
select
  session_id,
  epoch_ms(min(timestamp)),
  epoch_ms(max(timestamp)) as last,
  (epoch_ms(max(timestamp)) - epoch_ms(min(timestamp))) / 1000,
  {over_moments(ENTRY_PAGE)},
  {over_moments(EXIT_PAGE)},
  {", ".join(_COUNTS.values())},
  {TRAITS_SQL}
from (
  {WITH_MOMENT}
  where {{counting}} and session_id in (select session_id from page)
) as found
group by session_id
order by last desc, session_id desc
"""
_EVENTS = f"""
select {SELECTED_SQL} from events
where {{matching}} and session_id = $session
order by timestamp, id
limit $limit offset $offset
"""
_COUNT = "select count(*) from events where {matching} and session_id = $session"

_LOCATIONS = """
select
  lat,
  lon,
  coalesce(city, '') as place,
  coalesce(country, '') as land,
  count(distinct session_id) as sessions
from events
where {matching} and lat is not null and lon is not null
group by lat, lon, place, land
order by sessions desc, lat, lon, place, land
"""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which visits a list is about, beside the question itself; durations are in seconds.

    `among` is SQL of our own that selects ids, which mentions `values`.
    """

    user_id: str | None = None
    session_id: int | None = None
    identified_only: bool = False
    min_pageviews: int = 0
    min_events: int = 0
    min_duration: int = 0
    among: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def condition(self) -> str:
        """What has to hold for each event."""
        parts = [OF_USER] if self.user_id is not None else []
        parts += ["session_id = $session_id"] if self.session_id is not None else []
        parts += ["user_id is not null"] if self.identified_only else []
        parts += [f"session_id in ({self.among})"] if self.among else []
        return "".join(f" and {part}" for part in parts)

    @property
    def bound(self) -> dict[str, Any]:
        """What `condition` refers to."""
        user = {} if self.user_id is None else user_values(self.user_id)
        return {"session_id": self.session_id, **user, **self.values}

    @property
    def having(self) -> str:
        """What has to hold for a visit as a whole."""
        parts = [f"{counted('pageview')} >= {self.min_pageviews:d}"] if self.min_pageviews else []
        parts += [f"{counted('custom_event')} >= {self.min_events:d}"] if self.min_events else []
        if self.min_duration:
            parts.append(
                f"epoch_ms(max(timestamp)) - epoch_ms(min(timestamp)) >= {self.min_duration * 1000:d}"
            )
        return f"having {' and '.join(parts)}" if parts else ""


EVERYBODY = Wanted()


def session_page(
    store: EventStore, question: Question, *, limit: int, page: int = 1, wanted: Wanted = EVERYBODY
) -> list[dict[str, Any]]:
    """Visits, the one that ended last first: ids, times, pages, counts by type of event, and traits.

    Everything is of the events within the period. Times are ISO 8601, `session_duration` is in seconds.
    """
    values = {**wanted.bound, "limit": limit, "offset": limit * (page - 1)}
    # Which visits they are is told by the page; what counts of them may still be less than all.
    counting = "{within}" if question.keeps_visits_whole else "{visits}"
    if wanted == EVERYBODY and not question.chooses_visits:
        template = _DETAILS.format(page=_PAGE_OF_ALL, counting=counting)
        rows = question.ask_of_visits(store, Visits(("ended",)), template, values)
    else:
        template = _DETAILS.format(page=_PAGE, counting=counting)
        rows = question.ask(store, template, values, further=wanted.condition, having=wanted.having)
    return [_shown(named(_FIELDS, row)) for row in rows]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    moments = {name: clock.to_iso(clock.from_ms(row[name])) for name in ("session_start", "session_end")}
    return {**row, **moments, "session_id": str(row["session_id"])}


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit, a page of its events in their order, and how many there are."""

    session: dict[str, Any]
    events: list[dict[str, Any]]
    total: int


def find_session(
    store: EventStore, question: Question, session_id: int, *, limit: int, offset: int
) -> Visit | None:
    """A visit of the question's site, whenever it was; None if there is none of that id."""
    question = replace(question, period=ALL_TIME, filters=())
    sessions = session_page(store, question, limit=1, wanted=Wanted(session_id=session_id))
    if not sessions:
        return None
    values = {"session": session_id, "limit": limit, "offset": offset}
    rows = question.ask(store, _EVENTS, values)
    total = question.ask(store, _COUNT, values)[0][0]
    return Visit(sessions[0], [_with_props(read_event(row)) for row in rows], int(total))


def _with_props(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its properties as an object beside their text, as clients of single visits read them."""
    return {**event, "props": read_properties(event["properties"])}


def session_locations(store: EventStore, question: Question) -> list[dict[str, Any]]:
    """How many visits came from each place that has coordinates, the most first."""
    names = ("lat", "lon", "city", "country", "count")
    return [named(names, row) for row in question.ask(store, _LOCATIONS)]
