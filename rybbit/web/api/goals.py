"""Goals of a site and how many of its visits reached them."""

from typing import Any

from flask import Blueprint, Response, jsonify

from rybbit import clock
from rybbit.extensions import db
from rybbit.models import Goal, GoalType, Scope, Site
from rybbit.services import goals
from rybbit.stats.conversions import Step, StepKind, conversions, converted_sessions
from rybbit.web import params
from rybbit.web.access import current_actor, member_site
from rybbit.web.api import asking
from rybbit.web.api.answers import (
    GOALS_QUERY,
    PAGES_QUERY,
    QUESTION_QUERY,
    GoalDone,
    GoalsAnswer,
    Rows,
)
from rybbit.web.api.description import Caller, Done, describe, shown
from rybbit.web.bodies import json_body

blueprint = Blueprint("goals", __name__, url_prefix="/api/sites/<site_id>/goals")


@blueprint.get("")
@describe(
    "Goals and how many visits reached them",
    answer=GoalsAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | GOALS_QUERY,
    details="`conversion_rate` is the share of `total_sessions`, from 0 to 1.",
)
def site_goals(site_id: str) -> Response:
    """A page of the goals of a site, with the visits of a period that reached them."""
    question = asking.asked(site_id)
    page = asking.page_number()
    size = params.whole_number("page_size", "limit", default=10, least=1, most=100)
    found, total = goals.goals_of(
        question.site,
        limit=size,
        page=page,
        sort_by=params.choice("sort", tuple(goals.SORTS), default="createdAt"),
        descending=params.choice("order", ("asc", "desc"), default="desc") == "desc",
    )
    counted = question.answer(conversions, [step_of(goal) for goal in found])
    pages = -(-total // size)
    return jsonify(
        {
            "data": [
                {**_shown(goal), **_reached(count, counted.visits)}
                for goal, count in zip(found, counted.converted, strict=True)
            ],
            "meta": {"total": total, "page": page, "pageSize": size, "totalPages": pages},
        }
    )


def _reached(count: int, visits: int) -> dict[str, Any]:
    rate = count / visits if visits else 0.0
    return {"total_conversions": count, "total_sessions": visits, "conversion_rate": rate}


def _shown(goal: Goal) -> dict[str, Any]:
    return {
        "goalId": goal.id,
        "siteId": goal.site_id,
        "name": goal.name,
        "goalType": goal.goal_type,
        "config": goal.config,
        "createdAt": clock.to_iso(goal.created_at),
    }


def step_of(goal: Goal) -> Step:
    """A goal as the statistics know it."""
    is_path = goal.goal_type is GoalType.PATH
    return Step(
        StepKind.PAGE if is_path else StepKind.EVENT,
        goal.config["pathPattern" if is_path else "eventName"],
        properties=goals.properties_of(goal.config),
    )


@blueprint.post("")
@describe(
    "Make a goal",
    answer=GoalDone,
    status=201,
    body=goals.GoalSettings,
    scope=Scope.SITES_WRITE,
    refusals=(409,),
)
def create(site_id: str) -> Response:
    """Make a goal; for members."""
    site = _changeable(site_id)
    goal = goals.create_goal(site, json_body(), actor=current_actor())
    db.session.commit()
    return shown(GoalDone(goal_id=goal.id), status=201)


@blueprint.put("/<goal_id>")
@describe("Change a goal", answer=GoalDone, body=goals.GoalSettings, scope=Scope.SITES_WRITE, refusals=(404,))
def replace(site_id: str, goal_id: str) -> Response:
    """Give a goal another name and meaning; for members."""
    site = _changeable(site_id)
    goal = goals.replace_goal(site, goals.goal_for(site, goal_id), json_body(), actor=current_actor())
    db.session.commit()
    return shown(GoalDone(goal_id=goal.id))


@blueprint.delete("/<goal_id>")
@describe("Delete a goal", answer=Done, scope=Scope.SITES_WRITE, refusals=(404,))
def delete(site_id: str, goal_id: str) -> Response:
    """Delete a goal; for members."""
    site = _changeable(site_id)
    goals.delete_goal(site, goals.goal_for(site, goal_id), actor=current_actor())
    db.session.commit()
    return shown(Done())


@blueprint.get("/<goal_id>/sessions")
@describe(
    "Sessions that reached a goal",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY,
    refusals=(404,),
)
def goal_sessions(site_id: str, goal_id: str) -> Response:
    """Sessions that reached a goal, the one that ended last first."""
    question = asking.asked(site_id)
    goal = goals.goal_for(question.site, goal_id)
    found = question.answer(
        converted_sessions, step_of(goal), limit=asking.limit(25), page=asking.page_number()
    )
    return asking.rows(found)


def _changeable(site_id: str) -> Site:
    # What is looked for is no setting: whoever may read may define it.
    return member_site(site_id, scope=Scope.SITES_WRITE)
