"""What belongs to a site and has a number: goals, funnels."""

from typing import TypeVar

from rybbit.errors import NotFound
from rybbit.extensions import db
from rybbit.models import Funnel, Goal, Site

_Owned = TypeVar("_Owned", Goal, Funnel)

_MOST_DIGITS = 9


def owned_by(site: Site, kind: type[_Owned], identifier: str) -> _Owned:
    """The one of a kind that a site has under this number.

    Raises:
        NotFound: there is none.
    """
    is_number = identifier.isascii() and identifier.isdigit() and len(identifier) <= _MOST_DIGITS
    found = db.session.get(kind, int(identifier)) if is_number else None
    if found is None or found.site_id != site.site_id:
        raise NotFound(f"{kind.__name__} not found")
    return found
