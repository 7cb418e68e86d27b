"""Settings of a site: for how long its events are kept; asks first where some would go for good."""

from zoneinfo import ZoneInfo

from flask import Blueprint, Response, url_for
from wtforms import HiddenField, StringField

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Site
from rybbit.services.retention import MOST_DAYS, set_retention
from rybbit.stats.events import count_events
from rybbit.stats.period import Period
from rybbit.stats.question import Question
from rybbit.web.access import current_runtime
from rybbit.web.htmx import show, show_change
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.pages.guards import current_person, current_site

# The form is on the general tab.
changes = Blueprint("retention", __name__, url_prefix="/settings/general/retention")

_PART = "site_general/_retention.html"
_ASK_PAGE, _ASK_PART = "site_general/retention.html", "site_general/_retention_ask.html"
_DAY_MS = 86_400_000


class RetentionForm(PageForm):
    """Days as somebody types them, nothing for ever; `confirmed` are those that they were asked about."""

    days = StringField("Days that events are kept")
    confirmed = HiddenField()

    @classmethod
    def of(cls, site: Site) -> "RetentionForm":
        """The form as the site is now."""
        return cls(formdata=None, days="" if site.retention_days is None else str(site.retention_days))

    def read(self) -> int | None:
        """The days that were typed, None for ever.

        Raises:
            InvalidInput: that is no number of days that can be.
        """
        text = trim(self.days.data)
        if not text:
            return None
        days = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_DAYS)) else 0
        if not 1 <= days <= MOST_DAYS:
            raise InvalidInput({"days": [f"Must be a whole number from 1 to {MOST_DAYS}, or empty for ever"]})
        return days


@changes.post("")
def save() -> Response:
    """Keep events for so long; asks first where older ones would go."""
    form, site = RetentionForm(), current_site()
    try:
        days = form.read()
    except InvalidInput as error:
        form.show_errors(error)
        return show(_ASK_PAGE, _PART, status=422, retention=form, days=None)
    if _loses_events(site, days) and trim(form.confirmed.data) != str(days):
        return show(_ASK_PAGE, _ASK_PART, retention=form, days=days, going=_older_events(site, days or 0))
    set_retention(site, {"retentionDays": days}, actor=current_person())
    db.session.commit()
    current_runtime().keep_retention()
    toast = "Events are kept for ever" if days is None else f"Events are kept for {_days(days)}"
    to = url_for("site_member.general.index")
    return show_change(_PART, to=to, toast=toast, retention=RetentionForm.of(site))


def _loses_events(site: Site, days: int | None) -> bool:
    return days is not None and (site.retention_days is None or days < site.retention_days)


def _older_events(site: Site, days: int) -> int:
    end_ms = clock.now_ms() - days * _DAY_MS
    question = Question(site.site_id, Period(None, end_ms, ZoneInfo("UTC")))
    return count_events(current_runtime().store, question)


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
