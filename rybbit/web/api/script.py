"""The script on the pages of a site, and what it loads to measure them, as the front-end build made them."""

import logging

from flask import Blueprint, Response, request

from rybbit.errors import ConfigurationError, Unavailable
from rybbit.web.api.tracking import CORS_HEADERS
from rybbit.web.assets import current_assets
from rybbit.web.compression import accepted_twin, mark_encoding

logger = logging.getLogger(__name__)

blueprint = Blueprint("script", __name__, url_prefix="/api")

_SECONDS = 3600
_RETRY_SECONDS = 60


# Not among what the API's document describes: these are files, not answers.
@blueprint.get("/<any('script.js', 'vitals.js'):name>")
def script(name: str) -> Response:
    """The script, or its part that measures how fast pages are; a browser keeps it for an hour."""
    try:
        path = current_assets().path_of(name)
        twin = accepted_twin(path)
        content = (twin or path).read_bytes()
    except (ConfigurationError, OSError) as error:
        logger.error("%s cannot be served: %s", name, error)
        message = "The front end of this server has not been built"
        raise Unavailable(message, retry_after=_RETRY_SECONDS) from error
    response = Response(content, content_type="text/javascript; charset=utf-8")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.cache_control.public = True
    response.cache_control.max_age = _SECONDS
    # The name holds a hash of the content, so workers and machines agree.
    response.set_etag(f"{path.stem}-gzip" if twin else path.stem)
    response.make_conditional(request)
    return mark_encoding(response, is_compressed=twin is not None)


@blueprint.after_request
def let_pages_load(response: Response) -> Response:
    """Let a page of any origin load the script, also one that isolates itself."""
    response.headers.extend(CORS_HEADERS)
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
