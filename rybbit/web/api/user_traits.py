"""Traits of users, for programs that look for some: nothing that comes in carries any."""

from flask import Blueprint, Response

from rybbit.models import Scope
from rybbit.web.access import readable_site
from rybbit.web.api.answers import TraitKeysAnswer, TraitUsersAnswer, TraitValuesAnswer
from rybbit.web.api.description import Caller, describe, shown

blueprint = Blueprint("user_traits", __name__, url_prefix="/api/sites/<site_id>/user-traits")

_NONE = "Users have an id and no traits, so that this is always empty."


@blueprint.get("/keys")
@describe(
    "Names of traits",
    answer=TraitKeysAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    details=_NONE,
)
def trait_keys(site_id: str) -> Response:
    """The names of traits that users have."""
    readable_site(site_id, Scope.STATS_READ)
    return shown(TraitKeysAnswer())


@blueprint.get("/values")
@describe(
    "Values of a trait",
    answer=TraitValuesAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    details=_NONE,
)
def trait_values(site_id: str) -> Response:
    """The values of one trait."""
    readable_site(site_id, Scope.STATS_READ)
    return shown(TraitValuesAnswer())


@blueprint.get("/users")
@describe(
    "Users with a trait",
    answer=TraitUsersAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    details=_NONE,
)
def trait_users(site_id: str) -> Response:
    """The users with one value of a trait."""
    readable_site(site_id, Scope.STATS_READ)
    return shown(TraitUsersAnswer())
