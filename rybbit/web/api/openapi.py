"""The OpenAPI document, made from what the views say of themselves, and a page to read it."""

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from rybbit.version import installed_version
from rybbit.web.api.openapi_document import Endpoint, build_document, endpoints_of
from rybbit.web.api.openapi_page import sections_of
from rybbit.web.policy import SELF, Policy

blueprint = Blueprint("openapi", __name__)

_DOCUMENT = "rybbit_openapi"
# Nothing but the page's own style sheet; the page has no script, no form and nobody's frame.
_POLICY = Policy().allow("style-src", SELF)


def current_document() -> dict[str, object]:
    """The document of the app that handles the request; built when it is first asked for."""
    extensions = current_app.extensions
    if _DOCUMENT not in extensions:
        extensions[_DOCUMENT] = build_document(_endpoints(), version=installed_version())
    found: dict[str, object] = extensions[_DOCUMENT]
    return found


@blueprint.get("/api/openapi.json")
def openapi() -> Response:
    """The document, OpenAPI 3.1."""
    # Where the server is mounted below a prefix, the paths begin there.
    return jsonify(current_document() | {"servers": [{"url": request.script_root or "/"}]})


@blueprint.get("/docs/api")
def docs() -> Response:
    """The document as a page."""
    page = render_template(
        "docs/index.html", document=current_document(), sections=sections_of(current_document())
    )
    response = Response(page)
    response.headers["Content-Security-Policy"] = str(_POLICY)
    return response


def _endpoints() -> list[Endpoint]:
    return endpoints_of(current_app.url_map, current_app.view_functions)
