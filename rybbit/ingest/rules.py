"""The rules of a site's owner that keep events out, in the order in which they are asked."""

from rybbit.ingest.answers import Filtered
from rybbit.ingest.bots import is_bot
from rybbit.ingest.exclusions import Exclusions
from rybbit.models import Reason


def find_rule(
    exclusions: Exclusions,
    *,
    block_bots: bool,
    user_agent: str | None,
    address: str | None,
    country: str | None,
) -> Filtered | None:
    """The first rule that keeps an event out; None if it may be stored.

    What is None is not known, and no reason; `country` is an upper-case ISO code. No user agent at all
    is "", and a bot's.
    """
    if block_bots and user_agent is not None and is_bot(user_agent):
        return Filtered(Reason.BOT, "")
    if address is not None and (pattern := exclusions.match_ip(address)) is not None:
        return Filtered(Reason.IP, pattern)
    if country is not None and (code := exclusions.match_country(country)) is not None:
        return Filtered(Reason.COUNTRY, code)
    return None
