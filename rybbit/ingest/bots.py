"""Tells crawlers from people by their user agent."""

from collections.abc import Callable
from functools import cache, lru_cache

_LONGEST = 512
"""No crawler hides its name behind more characters; it bounds the cache and the time of a look-up."""


def is_bot(user_agent: str | None) -> bool:
    """Whether a user agent is that of a crawler, or is missing or blank.

    The patterns are those of the crawler-user-agents package, matched with upper and lower case
    kept apart, as its authors mean them (a telephone is called CUBOT). Only the first 512
    characters count. A first look-up takes tenths of a millisecond, a repeated one well under a
    microsecond.
    """
    return user_agent is None or _is_bot(user_agent[:_LONGEST])


def warm_up() -> None:
    """Read and compile the patterns now (about 40 ms), not during the first event."""
    _is_bot("warm-up")


@lru_cache(maxsize=10_000)
def _is_bot(text: str) -> bool:
    return not text.strip() or _matcher()(text)


@cache
def _matcher() -> Callable[[str], bool]:
    # The package reads its list when it is imported, and most commands never look at a user agent.
    from crawleruseragents import is_crawler

    matcher: Callable[[str], bool] = is_crawler
    return matcher
