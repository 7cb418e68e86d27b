"""What the script on a site's pages has to know: public, and read from pages of any origin."""

from flask import Blueprint, Response

from rybbit.services.sites import site_for
from rybbit.web.api.description import Caller, describe, shown
from rybbit.web.api.site_models import SwitchesAnswer
from rybbit.web.api.tracking import CORS_HEADERS

blueprint = Blueprint("tracking_config", __name__, url_prefix="/api/site/tracking-config")


@blueprint.get("/<site_id>")
@describe("What pages of a site track", answer=SwitchesAnswer, caller=Caller.ANYBODY)
def tracking_config(site_id: str) -> Response:
    """The tracking switches of a site."""
    return shown(SwitchesAnswer.model_validate(site_for(site_id)))


@blueprint.after_request
def let_pages_read(response: Response) -> Response:
    """Let a page of any origin read the answer, and no cache keep it: a change counts at once."""
    response.headers.extend(CORS_HEADERS)
    response.headers["Cache-Control"] = "no-store"
    return response
