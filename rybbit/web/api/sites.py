"""Making, showing, changing and deleting sites."""

from flask import Blueprint, Response

from rybbit.extensions import db
from rybbit.models import Scope
from rybbit.services import links, sites
from rybbit.services.site_settings import NewSite, SiteSettings
from rybbit.web.access import (
    admin_organization,
    admin_site,
    current_actor,
    current_runtime,
    member_site,
    site_and_role,
)
from rybbit.web.api.description import Done, describe, shown
from rybbit.web.api.site_models import (
    ConfigAnswer,
    ExcludedCountriesAnswer,
    ExcludedIpsAnswer,
    NewSiteAnswer,
    OwnedSiteAnswer,
    PrivateLink,
    PrivateLinkAnswer,
    PrivateLinkBody,
    show_config,
    show_site,
)
from rybbit.web.bodies import body_as, json_body

blueprint = Blueprint("sites", __name__, url_prefix="/api")


@blueprint.post("/sites/<organization_id>")
@blueprint.post("/organizations/<organization_id>/sites")
@describe(
    "Make a site in an organization",
    answer=NewSiteAnswer,
    status=201,
    body=NewSite,
    scope=Scope.SITES_WRITE,
    refusals=(409,),
)
def create_site(organization_id: str) -> Response:
    """Make a site; for owners and admins."""
    organization = admin_organization(organization_id, scope=Scope.SITES_WRITE)
    actor = current_actor()
    site = sites.create_site(organization, json_body(), created_by=actor.account_id, actor=actor)
    db.session.commit()
    return shown(NewSiteAnswer.model_validate(site), status=201)


@blueprint.get("/sites/<site_id>")
@describe("Show a site", answer=OwnedSiteAnswer, scope=Scope.SITES_READ)
def show(site_id: str) -> Response:
    """Show a site to a member."""
    return shown(show_site(*site_and_role(site_id)))


@blueprint.delete("/sites/<site_id>")
@describe(
    "Delete a site with its keys and all its events",
    answer=Done,
    scope=Scope.SITES_WRITE,
    details="Its events cannot be read any more when this answers; they are gone from disk within two hours.",
)
def delete_site(site_id: str) -> Response:
    """Delete a site and its events; for owners and admins."""
    site = admin_site(site_id)
    number = site.site_id
    sites.delete_site(site, actor=current_actor())
    with current_runtime().deletion.deleting_site(number):
        db.session.commit()
    return shown(Done())


@blueprint.put("/sites/<site_id>/config")
@describe(
    "Change settings of a site",
    answer=ConfigAnswer,
    body=SiteSettings,
    scope=Scope.SITES_WRITE,
    refusals=(409,),
    details="Any subset of the settings; the others stay as they are. Tracking obeys within a second.",
)
def change_config(site_id: str) -> Response:
    """Change any subset of the settings; for owners and admins."""
    site = admin_site(site_id)
    sites.update_site(site, json_body(), actor=current_actor())
    db.session.commit()
    return shown(show_config(site))


@blueprint.get("/sites/<site_id>/excluded-ips")
@describe("List excluded addresses", answer=ExcludedIpsAnswer, scope=Scope.SITES_READ)
def excluded_ips(site_id: str) -> Response:
    """The addresses whose events are not stored."""
    return shown(ExcludedIpsAnswer(excluded_ips=member_site(site_id).excluded_ips))


@blueprint.get("/sites/<site_id>/excluded-countries")
@describe("List excluded countries", answer=ExcludedCountriesAnswer, scope=Scope.SITES_READ)
def excluded_countries(site_id: str) -> Response:
    """The countries whose events are not stored."""
    return shown(ExcludedCountriesAnswer(excluded_countries=member_site(site_id).excluded_countries))


@blueprint.get("/sites/<site_id>/private-link-config")
@describe("Show the private link", answer=PrivateLinkAnswer, scope=Scope.SITES_READ)
def private_link(site_id: str) -> Response:
    """The key of the private link, if there is one."""
    return _show_link(member_site(site_id).private_link_key)


@blueprint.post("/sites/<site_id>/private-link-config")
@describe(
    "Generate or revoke the private link",
    answer=PrivateLinkAnswer,
    body=PrivateLinkBody,
    scope=Scope.SITES_WRITE,
    details="A new key replaces the one before, which ends at once.",
)
def change_private_link(site_id: str) -> Response:
    """Make a new private link, or end the one there is; for owners and admins."""
    site = admin_site(site_id)
    key = None
    if body_as(PrivateLinkBody).action == "generate_private_link_key":
        key = links.generate_link(site, actor=current_actor())
    else:
        links.revoke_link(site, actor=current_actor())
    db.session.commit()
    return _show_link(key)


def _show_link(key: str | None) -> Response:
    return shown(PrivateLinkAnswer(data=PrivateLink(private_link_key=key)))
