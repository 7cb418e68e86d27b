"""The OpenAPI document, made from what the views say of themselves, and a page to read it."""

from collections.abc import Callable
from typing import cast

from flask import Blueprint, Response, current_app, json, render_template, request

from rybbit.version import installed_version
from rybbit.web.api.openapi_document import Endpoint, build_document, endpoints_of
from rybbit.web.api.openapi_page import sections_of
from rybbit.web.assets import current_assets
from rybbit.web.compression import PublicText
from rybbit.web.policy import SELF, Policy

blueprint = Blueprint("openapi", __name__)

_DOCUMENT, _TEXTS = "rybbit_openapi", "rybbit_openapi_texts"
# The server is mounted below one prefix; a host that has more of them must not fill the memory.
_MOST_TEXTS = 16
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
    root = request.script_root
    text = _text("json", lambda: json.dumps(current_document() | {"servers": [{"url": root or "/"}]}))
    return text.answer("application/json")


@blueprint.get("/docs/api")
def docs() -> Response:
    """The document as a page."""
    # Another build of the front end means another style sheet.
    text = _text(current_assets().name_of("docs.css"), _render_page)
    response = text.answer("text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = str(_POLICY)
    return response


def _render_page() -> str:
    document = current_document()
    return render_template("docs/index.html", document=document, sections=sections_of(document))


def _text(kind: str, make: Callable[[], str]) -> PublicText:
    """What was made when it was first asked for below this prefix; nothing in it is about who asks."""
    texts = cast(dict[tuple[str, str], PublicText], current_app.extensions.setdefault(_TEXTS, {}))
    name = (kind, request.script_root)
    text = texts.get(name)
    if text is None:
        if len(texts) >= _MOST_TEXTS:
            texts.clear()
        text = texts[name] = PublicText.of(make().encode())
    return text


def _endpoints() -> list[Endpoint]:
    return endpoints_of(current_app.url_map, current_app.view_functions)
