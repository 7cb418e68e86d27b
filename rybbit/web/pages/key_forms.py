"""What the pages of keys share, whomever the keys belong to."""

from datetime import datetime, timedelta
from typing import Any

from wtforms import RadioField, SelectField, StringField

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.models import Scope
from rybbit.services import keys
from rybbit.web.pages.forms import PageForm, TickField, choices_of

_ALL, _LIMITED = "all", "limited"
SCOPES = {
    Scope.TRACK.value: "Send events",
    Scope.STATS_READ.value: "Read statistics",
    Scope.SITES_READ.value: "See sites and their settings",
    Scope.SITES_WRITE.value: "Make, change and delete sites",
}
_LIVES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


def choose_access(all_text: str) -> dict[str, Any]:
    """The two kinds of access of a key, the wider one in words."""
    return {"choices": choices_of({_ALL: all_text, _LIMITED: "Only what is ticked"}), "default": _ALL}


class LimitedKeyForm(PageForm):
    """A key to be made that may have scopes and an end."""

    name = StringField("Name")
    access = RadioField("Access", **choose_access("Everything that you may do"))
    scopes = TickField("What it may do", choices=choices_of(SCOPES))
    ends = SelectField("Ends", choices=choices_of(_LIVES), default="")

    def read_limits(self) -> tuple[list[str] | None, datetime | None]:
        """The scopes, None for all, and the end.

        Raises:
            InvalidInput: something was chosen that the page does not offer.
        """
        if not self.validate():
            raise InvalidInput
        scopes = None if self.access.data == _ALL else self.scopes.data or []
        return scopes, clock.now() + timedelta(days=int(self.ends.data)) if self.ends.data else None


def keys_shown(holder: keys.Holder) -> dict[str, Any]:
    """The keys of a holder for a template, and the moment at which they are looked at.

    Those that ended come last; they stay to be recognised in logs.
    """
    now = clock.now()
    return {"keys": sorted(keys.list_keys(holder), key=lambda key: not key.is_active(now)), "now": now}
