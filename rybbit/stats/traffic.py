"""The last days of many sites at once, for a list of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rybbit import clock
from rybbit.store.base import EventStore, Scope

DAYS = 7

_DAY_MS = 86_400_000

# Bounded by time and by the sites that are asked for; `{sites}` are names of values, not values.
_TRAFFIC = """
select
  site_id,
  floor((epoch_ms(timestamp) - $start) / $day) as day,
  count(*) filter (where type = 'pageview'),
  count(distinct user_hash)
from events
where site_id in ({sites}) and timestamp >= make_timestamp_ms($start) and timestamp < make_timestamp_ms($end)
group by site_id, day
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Pageviews of the last days of UTC, the oldest first, and the visitors of the last one, today."""

    pageviews: tuple[int, ...] = (0,) * DAYS
    visitors_today: int = 0


def recent_traffic(store: EventStore, site_ids: Sequence[int]) -> Mapping[int, Traffic]:
    """What happened on each of these sites lately; also for those where nothing did."""
    if not site_ids:
        return {}
    names = {f"site_{place}": site_id for place, site_id in enumerate(site_ids)}
    end = (clock.now_ms() // _DAY_MS + 1) * _DAY_MS
    start = end - DAYS * _DAY_MS
    sql = _TRAFFIC.format(sites=", ".join(f"${name}" for name in names))
    rows = store.query(
        sql, {**names, "start": start, "end": end, "day": _DAY_MS}, scope=Scope(None, start, end)
    )
    pageviews = {site_id: [0] * DAYS for site_id in site_ids}
    visitors = dict.fromkeys(site_ids, 0)
    for site_id, day, views, users in rows:
        pageviews[site_id][int(day)] = int(views)
        if int(day) == DAYS - 1:
            visitors[site_id] = int(users)
    return {site_id: Traffic(tuple(pageviews[site_id]), visitors[site_id]) for site_id in site_ids}
