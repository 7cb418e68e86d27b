"""Counts of the events that were refused or filtered."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from rybbit.extensions import db
from rybbit.models import Drop, Reason, Site, insert_for
from rybbit.models.drop import RULE_LENGTH

DropKey = tuple[int, str, str, datetime]
"""Site number, reason, rule, and the hour (UTC) that the event was received in."""

Rule = tuple[Reason, str]
"""Why events were dropped, and the rule that decided."""

# SQLite takes 32,766 values in a statement; a row has five.
_ROWS_A_STATEMENT = 1_000


def record_drops(connection: Connection, counts: Mapping[DropKey, int]) -> None:
    """Add counts to those kept, in the transaction of `connection`.

    For the flushing of what a worker has collected. A moment within the hour counts for the hour; a
    rule is cut to 255 characters, and what no database can hold becomes `?`. Counts of a site that was
    deleted meanwhile are left out.
    """
    rows = sorted(_merged(counts).items())
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        values = [
            {"site_id": site_id, "reason": reason, "rule": rule, "hour": hour, "count": count}
            for (site_id, reason, rule, hour), count in rows[start : start + _ROWS_A_STATEMENT]
        ]
        insert = insert_for(connection.dialect.name, Drop).values(values)
        key = [Drop.site_id, Drop.reason, Drop.rule, Drop.hour]
        total = Drop.count + insert.excluded.count
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_={Drop.count: total}))
        _remove_unknown(connection, {row[0] for row, _ in rows[start : start + _ROWS_A_STATEMENT]})


def _remove_unknown(connection: Connection, numbers: set[int]) -> None:
    """Take back what was counted for sites that are not there; one that is cannot go before the commit."""
    # Asked after the counts were written: a deletion under way is waited for, on SQLite by the writing.
    query = select(Site.site_id).where(Site.site_id.in_(numbers))
    gone = numbers.difference(connection.scalars(query.with_for_update(read=True, key_share=True)))
    if gone:
        connection.execute(delete(Drop).where(Drop.site_id.in_(gone)))


def drops_of(site: Site, *, since: datetime | None = None, limit: int = 1_000) -> list[Drop]:
    """What was dropped of a site, the newest hour first, and in it the largest count."""
    query = select(Drop).where(Drop.site_id == site.site_id)
    if since is not None:
        query = query.where(Drop.hour >= _hour(since))
    order = (Drop.hour.desc(), Drop.count.desc(), Drop.reason, Drop.rule)
    return list(db.session.scalars(query.order_by(*order).limit(limit)))


def count_by_rule(site: Site, reasons: Iterable[Reason], *, since: datetime) -> dict[Rule, int]:
    """How many events of a site fell to each rule since an hour, the most first."""
    total = func.sum(Drop.count)
    query = (
        select(Drop.reason, Drop.rule, total)
        .where(Drop.site_id == site.site_id, Drop.reason.in_(list(reasons)), Drop.hour >= _hour(since))
        .group_by(Drop.reason, Drop.rule)
        .order_by(total.desc(), Drop.rule)
    )
    return {(reason, rule): int(count) for reason, rule, count in db.session.execute(query)}


def _merged(counts: Mapping[DropKey, int]) -> Counter[DropKey]:
    """The counts by what will be stored, in which two keys may have become one."""
    merged: Counter[DropKey] = Counter()
    for (site_id, reason, rule, moment), count in counts.items():
        merged[site_id, Reason(reason).value, _storable(rule), _hour(moment)] += count
    return merged


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _storable(rule: str) -> str:
    shown = rule[:RULE_LENGTH].replace("\0", "?")
    return shown.encode("utf-8", "replace").decode()
