"""Who is asking, and what they may see: the first line of every view."""

from typing import cast

from flask import current_app, request

from rybbit.errors import NotFound
from rybbit.extensions import db
from rybbit.models import Account, Key, Site
from rybbit.runtime import Runtime
from rybbit.services import keys, organizations, sites
from rybbit.web.errors import Unauthorized


def current_runtime() -> Runtime:
    """The running parts of the app that handles the request."""
    return cast(Runtime, current_app.extensions["rybbit"])


def bearer_key() -> Key | None:
    """The key that the request shows; None without one.

    Raises:
        Unauthorized: it shows one that does not count.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    key = keys.find_key(token.strip())
    if key is None:
        raise Unauthorized
    current_runtime().directory.uses.note(key.id)
    return key


def readable_site(identifier: str) -> Site:
    """The site, for somebody who may read its statistics.

    Raises:
        Unauthorized: no credential, and the site is not public.
        NotFound: there is no such site, or it is none of the caller's business.
    """
    key = bearer_key()
    if key is None:
        return _public_site(identifier)
    site = sites.site_for(identifier)
    if not (site.public or _may_read(key, site)):
        raise NotFound("Site not found")
    return site


def _public_site(identifier: str) -> Site:
    try:
        site = sites.site_for(identifier)
    except NotFound as error:
        # A stranger must not learn which sites exist.
        raise Unauthorized from error
    if not site.public:
        raise Unauthorized
    return site


def member_site(identifier: str) -> Site:
    """The site, for a member of its organization.

    Raises:
        Unauthorized: no credential.
        NotFound: there is no such site, or the caller is no member.
    """
    key = bearer_key()
    if key is None:
        raise Unauthorized
    site = sites.site_for(identifier)
    if not _may_read(key, site):
        raise NotFound("Site not found")
    return site


def sees_addresses(site: Site) -> bool:
    """Whether the caller may see visitors' addresses: members may, viewers of a public site never."""
    key = bearer_key()
    return key is not None and _may_read(key, site)


def _may_read(key: Key, site: Site) -> bool:
    """A key of a site tracks and reads nothing; an account's reads what its account is a member of."""
    if key.organization_id is not None:
        return key.organization_id == site.organization_id
    if key.account_id is None:
        return False
    account = db.session.get(Account, key.account_id)
    return account is not None and organizations.role_of(account, site.organization_id) is not None
