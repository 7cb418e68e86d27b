"""Trying a site's exclusions without an event."""

from dataclasses import dataclass

from rybbit.ingest.bots import is_bot
from rybbit.ingest.exclusions import compile_exclusions
from rybbit.models import Reason, Site


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
    if user_agent is not None and site.block_bots and is_bot(user_agent):
        return Exclusion(Reason.BOT, "blockBots", "blockBots")
    exclusions = compile_exclusions(site.excluded_ips, site.excluded_countries)
    if address is not None and (pattern := exclusions.match_ip(address)) is not None:
        return Exclusion(Reason.IP, "excludedIPs", pattern)
    if country is not None and (code := exclusions.match_country(country)) is not None:
        return Exclusion(Reason.COUNTRY, "excludedCountries", code)
    return None
