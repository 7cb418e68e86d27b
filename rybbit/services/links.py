"""Private links: a key with which anybody may read a site's statistics."""

from sqlalchemy import select

from rybbit import security
from rybbit.extensions import db
from rybbit.models import Site
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.sites import lock_site

_KEY_LENGTH = 12


def generate_link(site: Site, *, actor: Actor = COMMAND) -> str:
    """Make the key of a site's private link; the one before, if there was one, ends at once.

    Raises:
        NotFound: the site was deleted meanwhile.
    """
    lock_site(site)
    key = security.make_link_key()
    while site_for_link(key) is not None:
        key = security.make_link_key()
    _set_key(site, key, "link.generate", actor)
    return key


def revoke_link(site: Site, *, actor: Actor = COMMAND) -> None:
    """End a site's private link; nothing happens if it has none.

    Raises:
        NotFound: the site was deleted meanwhile.
    """
    lock_site(site)
    if site.private_link_key is not None:
        _set_key(site, None, "link.revoke", actor)


def site_for_link(key: str) -> Site | None:
    """The site that a private link opens; None for a wrong key."""
    if not _looks_like_link_key(key):
        return None
    site = db.session.scalar(select(Site).where(Site.private_link_key == key))
    return site if site is not None and opens(site, key) else None


def opens(site: Site, key: str) -> bool:
    """Whether the key is that of the site's private link; takes as long for a nearly right one."""
    return site.private_link_key is not None and security.is_same(site.private_link_key, key)


def _set_key(site: Site, key: str | None, action: str, actor: Actor) -> None:
    had_one = site.private_link_key is not None
    site.private_link_key = key
    db.session.flush()
    audit.record(
        actor,
        action,
        organization_id=site.organization_id,
        site_id=site.site_id,
        target=site.domain,
        changes={"hasPrivateLink": (had_one, key is not None)},
    )


def _looks_like_link_key(key: str) -> bool:
    return len(key) == _KEY_LENGTH and key.isascii() and key.isalnum()
