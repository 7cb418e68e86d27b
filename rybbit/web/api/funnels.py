"""Funnels of a site, and how far its visits came in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.models import Funnel, Scope
from rybbit.services import funnels
from rybbit.services.goals import properties_of
from rybbit.stats.conversions import Step, StepKind, funnel, funnel_sessions
from rybbit.web import params
from rybbit.web.access import current_actor, member_site
from rybbit.web.api import asking
from rybbit.web.api.answers import MODE_QUERY, PAGES_QUERY, QUESTION_QUERY, FunnelDone, Rows
from rybbit.web.api.description import Caller, Done, describe, shown
from rybbit.web.bodies import json_body
from rybbit.web.sign_in import only_reads

blueprint = Blueprint("funnels", __name__, url_prefix="/api/sites/<site_id>/funnels")


@blueprint.get("")
@describe("Funnels", answer=Rows, caller=Caller.VIEWER, scope=Scope.STATS_READ)
def site_funnels(site_id: str) -> Response:
    """The funnels of a site, the oldest first."""
    question = asking.asked(site_id)
    return asking.rows([_shown(each) for each in funnels.funnels_of(question.site)])


def _shown(kept: Funnel) -> dict[str, Any]:
    return {
        "id": kept.id,
        "name": kept.name,
        "steps": kept.steps,
        "configuration": {"steps": kept.steps},
        "createdAt": clock.to_iso(kept.created_at),
        "updatedAt": clock.to_iso(kept.updated_at),
        # Not counted for a list, whose period nobody named: ask `analyze`.
        "conversionRate": None,
        "totalVisitors": None,
    }


@blueprint.post("")
@describe(
    "Make a funnel, or replace the one that reportId names",
    answer=FunnelDone,
    status=201,
    body=funnels.FunnelSettings,
    scope=Scope.SITES_WRITE,
    refusals=(409,),
)
def save(site_id: str) -> Response:
    """Make or replace a funnel; for members."""
    site = member_site(site_id, scope=Scope.SITES_WRITE)
    kept = funnels.save_funnel(site, json_body(), actor=current_actor())
    db.session.commit()
    return shown(FunnelDone(funnel_id=kept.id), status=201)


@blueprint.delete("/<funnel_id>")
@describe("Delete a funnel", answer=Done, scope=Scope.SITES_WRITE, refusals=(404,))
def delete(site_id: str, funnel_id: str) -> Response:
    """Delete a funnel; for members."""
    site = member_site(site_id, scope=Scope.SITES_WRITE)
    funnels.delete_funnel(site, funnels.funnel_for(site, funnel_id), actor=current_actor())
    db.session.commit()
    return shown(Done())


@blueprint.post("/analyze")
@only_reads
@describe(
    "How far visits come in a funnel",
    answer=Rows,
    body=funnels.FunnelSettings,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY,
    details="Visitors are visits. One is at a step when an event fits it after the event that brought it"
    " to the step before. Rates are percentages with two decimals.",
)
def analyze(site_id: str) -> Response:
    """How many visits came to each step."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(funnel, _steps()))


@blueprint.post("/<int:step_number>/sessions")
@only_reads
@describe(
    "Sessions that came to a step of a funnel, or no further",
    answer=Rows,
    body=funnels.FunnelSettings,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY | MODE_QUERY,
)
def step_sessions(site_id: str, step_number: int) -> Response:
    """Sessions that reached a step (from 1), or that reached it and not the next one."""
    question = asking.asked(site_id)
    steps = _steps()
    if not 1 <= step_number <= len(steps):
        raise InvalidInput({"stepNumber": [f"Must be from 1 to {len(steps)}"]})
    found = question.answer(
        funnel_sessions,
        steps,
        step_number,
        dropped=params.choice("mode", ("reached", "dropped"), default="reached") == "dropped",
        limit=asking.limit(25),
        page=asking.page_number(),
    )
    return asking.rows(found)


def _steps() -> list[Step]:
    return _read(funnels.steps_of(funnels.read_funnel(json_body())))


def _read(steps: Sequence[Mapping[str, Any]]) -> list[Step]:
    return [
        Step(
            StepKind(step["type"]),
            step["value"],
            name=step.get("name", ""),
            hostname=step.get("hostname", ""),
            properties=properties_of(step),
        )
        for step in steps
    ]
