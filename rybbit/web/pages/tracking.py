"""Settings of a site: what is stored of its visits."""

from flask import Blueprint, Response, url_for
from wtforms import BooleanField

from rybbit.extensions import db
from rybbit.web.htmx import show, show_change
from rybbit.web.pages.guards import current_person, current_site
from rybbit.web.pages.settings_form import SettingsForm

blueprint = Blueprint("tracking", __name__, url_prefix="/settings/tracking")
changes = Blueprint("tracking", __name__, url_prefix="/settings/tracking")

_PAGE, _PART = "site_tracking/index.html", "site_tracking/_switches.html"


class TrackingForm(SettingsForm):
    """The switches, each with what it does and what it costs in privacy."""

    block_bots = BooleanField(
        "Leave out bots",
        description="Events of crawlers, monitors and scripts are counted, not stored. "
        "Visitors lose no privacy by it.",
    )
    track_initial_page_view = BooleanField(
        "First page of a visit",
        description="Counts a page as it loads. Its address, title and referrer are stored.",
    )
    track_spa_navigation = BooleanField(
        "Pages changed by scripts",
        description="Counts pages of apps that change without loading. "
        "Every step through the app can then be seen.",
    )
    track_url_params = BooleanField(
        "Query strings",
        description="Keeps what follows the “?” of an address, to tell campaigns apart. "
        "It can hold names or tokens, if your site puts them there.",
    )
    track_outbound = BooleanField(
        "Clicks to other sites",
        description="Stores which links to other sites are followed. It shows where visitors go next.",
    )
    web_vitals = BooleanField(
        "Web vitals",
        description="Measures how fast pages load and react. "
        "The timings say something of a visitor’s device and connection.",
    )
    track_errors = BooleanField(
        "JavaScript errors",
        description="Stores message, place and stack of errors on your pages. "
        "A message may quote what a visitor typed.",
    )
    session_replay = BooleanField(
        "Session replay",
        description="Lets pages record what visitors see and do. "
        "It costs more privacy than anything else here: ask them first.",
    )
    track_ip = BooleanField(
        "Addresses",
        description="Stores the IP address with every event, for members to see. "
        "An address is personal data: say so in your privacy notice.",
    )


@blueprint.get("")
def index() -> Response:
    """The switches."""
    return show(_PAGE, _PART, form=TrackingForm.of(current_site()))


@changes.post("")
def save() -> Response:
    """Save what was changed."""
    form = TrackingForm()
    if not form.save(current_site(), actor=current_person()):
        return show(_PAGE, _PART, status=422, form=form)
    db.session.commit()
    return show_change(
        _PART,
        to=url_for("site_member.tracking.index"),
        toast="Tracking saved",
        form=TrackingForm.of(current_site()),
    )
