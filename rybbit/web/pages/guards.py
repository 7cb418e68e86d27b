"""Who may see a page: blueprints with one guard each, which every page is put behind.

`public` is for anybody, `signed_in` for whoever has an account, `site_member` for members of the site in
the path, `site_admin` for owners and admins of its organization. The guard finds the site once;
`current_site()` and `current_role()` hand it out, and `url_for` needs no `site` on the pages behind it.
`organization_member` and `organization_admin` are the same for the organization in the path, with
`current_organization()`.
"""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, g, request, url_for
from flask_wtf.csrf import CSRFError

from rybbit.errors import Forbidden
from rybbit.extensions import db
from rybbit.models import Account, Organization, Role, Session, Site
from rybbit.services.actor import Actor
from rybbit.web.access import current_actor, organization_and_role, site_and_role
from rybbit.web.error_pages import show_error
from rybbit.web.htmx import is_htmx, lead_to, own_path
from rybbit.web.sign_in import csrf_token_for, signed_in_session

public = Blueprint("public", __name__)
signed_in = Blueprint("signed_in", __name__)
site_member = Blueprint("site_member", __name__, url_prefix="/sites/<site>")
site_admin = Blueprint("site_admin", __name__, url_prefix="/sites/<site>")
organization_member = Blueprint("organization_member", __name__, url_prefix="/organizations/<organization>")
organization_admin = Blueprint("organization_admin", __name__, url_prefix="/organizations/<organization>")

_SITE_GUARDS = (site_member, site_admin)
_ORGANIZATION_GUARDS = (organization_member, organization_admin)
GUARDS = (public, signed_in, *_SITE_GUARDS, *_ORGANIZATION_GUARDS)


@dataclass(frozen=True)
class Person:
    """Who is signed in, as every page shows it; nothing that the database would have to be asked for."""

    name: str
    email: str


def current_session() -> Session:
    """The session of the browser, behind every guard but `public`."""
    return cast(Session, g.session)


def current_account() -> Account:
    """The account that is signed in, behind every guard but `public`."""
    return cast(Account, g.account)


def current_person() -> Actor:
    """Who acts, for services that note it, behind every guard but `public`."""
    return current_actor()


def current_site() -> Site:
    """The site in the path, behind the guards of sites."""
    return cast(Site, g.site)


def current_organization() -> Organization:
    """The organization in the path, behind the guards of organizations."""
    return cast(Organization, g.organization)


def current_role() -> Role:
    """The role in the organization that the path is about, behind the guards of sites and organizations."""
    return cast(Role, g.role)


def require_sign_in() -> Response | None:
    """Lead whoever is not signed in to the page where they can, and back."""
    session = signed_in_session()
    if session is None:
        return lead_to(url_for("public.sign_in.index", next=_path_to_return_to()))
    if current_actor().key_id is not None:
        raise Forbidden("Pages are for browsers; programs use the API")
    _remember(session)
    return None


def recognise_who_is_lost() -> None:
    """Let people who are signed in keep the menu on a page that is not there; strangers get no cookie."""
    is_page = request.method == "GET" and not request.path.startswith("/api/")
    session = signed_in_session() if request.routing_exception is not None and is_page else None
    if session is not None:
        _remember(session)


def _remember(session: Session) -> None:
    # Binds the token in the page's forms to the session.
    csrf_token_for(session)
    account = db.session.get_one(Account, session.account_id)
    g.session, g.account = session, account
    g.person = Person(account.name, account.email)


def require_member() -> None:
    """Find the site of the path, for somebody who can see it."""
    g.site, g.role = site_and_role(g.site_name)


def require_admin() -> None:
    """As `require_member`, for owners and admins."""
    require_member()
    _require_admin_role()


def require_organization_member() -> None:
    """Find the organization of the path, for somebody who belongs to it."""
    g.organization, g.role = organization_and_role(g.organization_id)


def require_organization_admin() -> None:
    """As `require_organization_member`, for owners and admins."""
    require_organization_member()
    _require_admin_role()


def _require_admin_role() -> None:
    if not current_role().is_admin:
        raise Forbidden("Only owners and admins of the organization may do that")


def _path_to_return_to() -> str | None:
    """Where somebody was: the page itself, not a form that was sent or a part that was asked for."""
    if is_htmx():
        # Its scheme may be another than ours is behind a proxy; `own_path` looks at what is left.
        _, _, address = request.headers.get("HX-Current-URL", "").partition(f"://{request.host}")
        return own_path(address)
    if request.method != "GET" or request.path == "/":
        return None
    return own_path(f"{request.script_root}{request.full_path}".rstrip("?"))


def _take_site(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values is not None:
        g.site_name = values.pop("site")


def _give_site(_endpoint: str, values: dict[str, Any]) -> None:
    if "site_name" in g:
        values.setdefault("site", g.site_name)


def _take_organization(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values is not None:
        g.organization_id = values.pop("organization")


def _give_organization(_endpoint: str, values: dict[str, Any]) -> None:
    if "organization_id" in g:
        values.setdefault("organization", g.organization_id)


def _refuse_token(_error: CSRFError) -> Response:
    """A form without the right token: from elsewhere, or from a page older than the session."""
    here = _is_signed_in()
    if here and request.endpoint == "public.sign_in.begin":
        # Somebody signed in meanwhile, in another tab: that page leads on.
        return lead_to(url_for("public.sign_in.index"))
    if not here:
        text = "The page was open for too long. Please try again; the browser must allow cookies."
        return lead_to(_page_of_form(), toast=text, kind="error")
    return show_error(400, "This page is from before you signed in. Load it again, and try once more.")


def _page_of_form() -> str:
    """The page that a form was on, where its address is the form's own; else the one to sign in on.

    The links to reset a password, to join and to set the server up are such pages, and come only once.
    """
    routes = current_app.create_url_adapter(request)
    if routes is None or not routes.test(method="GET"):
        return url_for("public.sign_in.index")
    token = request.form.get("setup_token")
    return request.script_root + request.path + (f"?{urlencode({'token': token})}" if token else "")


def _is_signed_in() -> bool:
    try:
        return signed_in_session() is not None
    except Forbidden:
        # There is a session, and the token is not its own.
        return True


for _guard in (signed_in, *_SITE_GUARDS, *_ORGANIZATION_GUARDS):
    _guard.before_request(require_sign_in)
site_member.before_request(require_member)
site_admin.before_request(require_admin)
organization_member.before_request(require_organization_member)
organization_admin.before_request(require_organization_admin)
for _guard in _SITE_GUARDS:
    _guard.url_value_preprocessor(_take_site)
    _guard.url_defaults(_give_site)
for _guard in _ORGANIZATION_GUARDS:
    _guard.url_value_preprocessor(_take_organization)
    _guard.url_defaults(_give_organization)
for _guard in GUARDS:
    _guard.register_error_handler(CSRFError, _refuse_token)
