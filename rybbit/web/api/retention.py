"""For how long the events of a site are kept."""

from flask import Blueprint, Response

from rybbit.extensions import db
from rybbit.models import Scope, Site
from rybbit.services.retention import RetentionSettings, set_retention
from rybbit.web.access import admin_site, current_actor, current_runtime, member_site
from rybbit.web.api.description import describe, shown
from rybbit.web.api.site_models import RetentionAnswer
from rybbit.web.bodies import json_body

# `…/retention` is the statistic of who came back.
blueprint = Blueprint("event_retention", __name__, url_prefix="/api/sites/<site_id>/event-retention")


@blueprint.get("")
@describe("Show how long events are kept", answer=RetentionAnswer, scope=Scope.SITES_READ)
def show(site_id: str) -> Response:
    """For how many days events are kept, null for ever."""
    return _answer(member_site(site_id))


@blueprint.put("")
@describe(
    "Say how long events are kept",
    answer=RetentionAnswer,
    body=RetentionSettings,
    scope=Scope.SITES_WRITE,
    details="What is older, by its own time, cannot be read any more within a minute, and is gone from disk a"
    " little more than a day later. It cannot be had back.",
)
def change(site_id: str) -> Response:
    """Keep events for so many days, or for ever; for owners and admins."""
    site = admin_site(site_id)
    set_retention(site, json_body(), actor=current_actor())
    db.session.commit()
    current_runtime().keep_retention()
    return _answer(site)


def _answer(site: Site) -> Response:
    return shown(RetentionAnswer(retention_days=site.retention_days))
