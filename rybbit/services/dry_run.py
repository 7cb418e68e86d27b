"""Trying a site's exclusions without an event."""

from dataclasses import dataclass

from rybbit.ingest.exclusions import compile_exclusions
from rybbit.ingest.rules import find_rule
from rybbit.models import Reason, Site

_SETTINGS = {Reason.BOT: "blockBots", Reason.IP: "excludedIPs", Reason.COUNTRY: "excludedCountries"}


@dataclass(frozen=True)
class Exclusion:
    """What keeps an event out: why, by which setting, and by which rule in it."""

    reason: Reason
    setting: str
    rule: str


def find_exclusion(
    site: Site, *, address: str | None, user_agent: str | None, country: str | None
) -> Exclusion | None:
    """What would keep a browser's event out, in the order in which tracking asks; None if nothing does.

    What is None is unknown, and excludes nothing. `country` is an upper-case ISO code.
    """
    found = find_rule(
        compile_exclusions(site.excluded_ips, site.excluded_countries),
        block_bots=site.block_bots,
        user_agent=user_agent,
        address=address,
        country=country,
    )
    if found is None:
        return None
    setting = _SETTINGS[found.reason]
    return Exclusion(found.reason, setting, found.rule or setting)
