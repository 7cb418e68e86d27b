"""Erasing what came in of one visitor."""

from flask import Blueprint, Response

from rybbit.extensions import db
from rybbit.models import Scope
from rybbit.services.erasure import erase_user
from rybbit.web.access import admin_site, current_actor, current_runtime
from rybbit.web.api.description import describe, shown
from rybbit.web.api.site_models import ErasureAnswer, ErasureReceipt

blueprint = Blueprint("erasure", __name__, url_prefix="/api/sites/<site_id>")


@blueprint.delete("/users/<user:user_id>")
@describe(
    "Erase a user",
    answer=ErasureAnswer,
    scope=Scope.SITES_WRITE,
    refusals=(400, 409),
    details="All events of a user, by name or by the 16 digits of one without. They cannot be read any more"
    " when this answers, and are gone from disk by the time that the receipt names. Where there is nothing to"
    " erase, the receipt says so. What comes in later is a new user's.",
)
def erase(site_id: str, user_id: str) -> Response:
    """Erase what came in of a user; for owners and admins."""
    site = admin_site(site_id)
    runtime = current_runtime()
    receipt = erase_user(
        site,
        user_id,
        store=runtime.store,
        deletion=runtime.deletion,
        erase_hours=runtime.config.erase_hours,
        actor=current_actor(),
    )
    db.session.commit()
    return shown(ErasureAnswer(receipt=ErasureReceipt.model_validate(receipt)))
