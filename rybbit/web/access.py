"""Who is asking, and what they may see and change: the first line of every view.

Refusals come in one order: 401 (nobody knows who asks), 404 (none of their business, or not there),
403 (they may not); what the request carries is looked at last.
"""

from typing import cast

from flask import current_app, request

from rybbit.errors import Forbidden, NotFound
from rybbit.extensions import db
from rybbit.models import Account, Organization, Role, Scope, Site
from rybbit.runtime import Runtime
from rybbit.services import keys, links, organizations, sites
from rybbit.services.actor import Actor, actor_of_key, actor_of_session
from rybbit.services.site_access import accessible_role
from rybbit.web.errors import InsufficientScope, Unauthorized
from rybbit.web.guesses import current_guesses
from rybbit.web.sign_in import signed_in_session

PRIVATE_KEY_HEADER = "X-Private-Key"
ALL = "all"
"""What a key needs that may manage people and keys: no scopes."""

_ACTOR = "rybbit.actor"


def current_runtime() -> Runtime:
    """The running parts of the app that handles the request."""
    return cast(Runtime, current_app.extensions["rybbit"])


def client_address() -> str:
    """The address the request came from, past the proxies that are trusted; "" if there is none."""
    return current_runtime().proxies.client_address(
        request.remote_addr or "", request.headers.get("X-Forwarded-For", "")
    )


def find_actor() -> Actor | None:
    """Who is asking: the holder of the key that is shown, else the person signed in; None for nobody.

    Raises:
        Unauthorized: a key is shown that does not count, or that only tracks.
        Forbidden: a browser wants to change something without the CSRF token.
    """
    if _ACTOR not in request.environ:
        request.environ[_ACTOR] = _look_up_actor()
    actor: Actor | None = request.environ[_ACTOR]
    return actor


def current_actor() -> Actor:
    """Who is asking.

    Raises:
        Unauthorized: nobody that we know.
    """
    actor = find_actor()
    if actor is None:
        raise Unauthorized
    return actor


def known_actor(*, scope: str) -> Actor:
    """Who is asking for something that every account may have.

    Raises:
        Unauthorized: nobody that we know.
        InsufficientScope: a key that is limited to other things.
    """
    actor = current_actor()
    _require_scope(actor, scope)
    return actor


def current_account(*, scope: str | None = ALL) -> Account:
    """The account of who is asking, to change its own affairs.

    Raises:
        Unauthorized: nobody that we know.
        Forbidden: the key of an organization, which is no person.
        InsufficientScope: a key that is limited.
    """
    actor = current_actor()
    if actor.account_id is None:
        raise Forbidden("Forbidden")
    _require_scope(actor, scope)
    return db.session.get_one(Account, actor.account_id)


def member_site(identifier: str, *, scope: str = Scope.SITES_READ) -> Site:
    """The site, for a member of its organization who can see it.

    Raises:
        Unauthorized: nobody that we know.
        NotFound: there is no such site, or it is none of the caller's business.
        InsufficientScope: the key is limited to other things.
    """
    return site_and_role(identifier, scope=scope)[0]


def admin_site(identifier: str, *, scope: str = Scope.SITES_WRITE) -> Site:
    """The site, for an owner or admin of its organization.

    Raises:
        Forbidden: a member.
        Unauthorized, NotFound, InsufficientScope: as `member_site`.
    """
    actor = current_actor()
    site, role = _visible_site(actor, identifier)
    _require_admin(role)
    _require_scope(actor, scope)
    return site


def site_and_role(identifier: str, *, scope: str = Scope.SITES_READ) -> tuple[Site, Role]:
    """As `member_site`, with the caller's role."""
    actor = current_actor()
    site, role = _visible_site(actor, identifier)
    _require_scope(actor, scope)
    return site, role


def member_organization(identifier: str, *, scope: str = Scope.SITES_READ) -> Organization:
    """The organization, for a member.

    Raises:
        Unauthorized: nobody that we know.
        NotFound: there is no such organization, or the caller is no member.
        InsufficientScope: the key is limited to other things.
    """
    return organization_and_role(identifier, scope=scope)[0]


def organization_and_role(identifier: str, *, scope: str = Scope.SITES_READ) -> tuple[Organization, Role]:
    """As `member_organization`, with the caller's role."""
    actor = current_actor()
    organization, role = _visible_organization(actor, identifier)
    _require_scope(actor, scope)
    return organization, role


def admin_organization(identifier: str, *, scope: str = ALL) -> Organization:
    """The organization, for an owner or admin.

    Raises:
        Forbidden: a member.
        Unauthorized, NotFound, InsufficientScope: as `member_organization`.
    """
    actor = current_actor()
    organization, role = _visible_organization(actor, identifier)
    _require_admin(role)
    _require_scope(actor, scope)
    return organization


def readable_site(identifier: str, *scopes: Scope) -> Site:
    """The site, for somebody who may read its statistics: a member, or anyone if it is public or they
    have the key of its private link.

    `scopes` are those of which a key must have one, by default `stats:read`.

    Raises:
        Unauthorized: nobody that we know.
        NotFound: there is no such site, or it is none of the caller's business.
        InsufficientScope: the key is limited to other things.
        TooManyRequests: too many wrong keys of private links came from this address.
    """
    actor = find_actor()
    site = _find_site(identifier)
    role = accessible_role(actor, site) if actor and site else None
    wanted = scopes or (Scope.STATS_READ,)
    if site and actor and role and any(actor.may(scope) for scope in wanted):
        return site
    if site and (site.public or _opens_private_link(site)):
        return site
    if site is None:
        _opens_private_link(None)
    if actor is None:
        # A stranger must not learn which sites exist.
        raise Unauthorized
    if site is None or role is None:
        raise NotFound("Site not found")
    raise InsufficientScope(wanted[0])


def sees_addresses(site: Site) -> bool:
    """Whether the caller may see visitors' addresses: members may, viewers of a public site never."""
    actor = find_actor()
    return bool(actor and actor.may(Scope.STATS_READ) and accessible_role(actor, site))


def _look_up_actor() -> Actor | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _actor_of_token(token.strip())
    session = signed_in_session()
    return actor_of_session(session, client_address()) if session else None


def _actor_of_token(token: str) -> Actor:
    key = keys.find_key(token)
    actor = actor_of_key(key, client_address()) if key else None
    if key is None or actor is None:
        raise Unauthorized
    current_runtime().directory.uses.note(key.id)
    return actor


def _find_site(identifier: str) -> Site | None:
    try:
        return sites.site_for(identifier)
    except NotFound:
        return None


def _visible_site(actor: Actor, identifier: str) -> tuple[Site, Role]:
    site = sites.site_for(identifier)
    role = accessible_role(actor, site)
    if role is None:
        raise NotFound("Site not found")
    return site, role


def _visible_organization(actor: Actor, identifier: str) -> tuple[Organization, Role]:
    organization = organizations.organization_for(identifier)
    role = actor.role_in(organization.id)
    if role is None:
        raise NotFound("Organization not found")
    return organization, role


def _opens_private_link(site: Site | None) -> bool:
    """Whether the request shows the key of the site's private link; a wrong one counts as a guess."""
    shown = request.headers.get(PRIVATE_KEY_HEADER)
    if shown is None:
        return False
    guesses = current_guesses()
    guesses.check_link(client_address())
    if site is not None and links.opens(site, shown):
        return True
    guesses.count_link(client_address())
    return False


def _require_admin(role: Role) -> None:
    if not role.is_admin:
        raise Forbidden("Forbidden")


def _require_scope(actor: Actor, scope: str | None) -> None:
    if scope is None or actor.scopes is None:
        return
    if scope == ALL or not actor.may(Scope(scope)):
        raise InsufficientScope(scope)
