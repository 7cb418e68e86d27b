"""Organizations: the caller's own, their sites, keys and audit log."""

from flask import Blueprint, Response

from rybbit.extensions import db
from rybbit.models import Scope
from rybbit.services import audit, keys
from rybbit.services import organizations as service
from rybbit.services.site_access import accessible_sites
from rybbit.web import params
from rybbit.web.access import (
    ALL,
    admin_organization,
    current_account,
    current_actor,
    known_actor,
    member_organization,
)
from rybbit.web.api.audit import AUDIT_QUERY, show_entries
from rybbit.web.api.description import Done, describe, shown
from rybbit.web.api.organization_models import (
    KeyAnswer,
    KeyBody,
    NameBody,
    NewKeyAnswer,
    OrganizationAnswer,
    show_membership,
    show_new_key,
)
from rybbit.web.api.site_models import AuditAnswer, NamedAnswer, SitesAnswer, show_site
from rybbit.web.bodies import body_as

blueprint = Blueprint("organizations", __name__, url_prefix="/api/organizations")


@blueprint.get("")
@describe("List one's organizations", answer=list[OrganizationAnswer], scope=Scope.SITES_READ)
def list_organizations() -> Response:
    """The caller's organizations."""
    actor = known_actor(scope=Scope.SITES_READ)
    return shown([show_membership(membership, actor) for membership in service.organizations_for(actor)])


@blueprint.post("")
@describe("Make an organization", answer=OrganizationAnswer, status=201, body=NameBody, scope=ALL)
def create_organization() -> Response:
    """Make an organization, whose owner is the caller."""
    account = current_account()
    organization = service.create_organization(body_as(NameBody).name, owner=account, actor=current_actor())
    db.session.commit()
    return _show(organization.id, status=201)


@blueprint.put("/<organization_id>")
@describe("Rename an organization", answer=OrganizationAnswer, body=NameBody, scope=ALL)
def rename_organization(organization_id: str) -> Response:
    """Give an organization another name; for owners and admins."""
    organization = admin_organization(organization_id)
    service.rename_organization(organization, body_as(NameBody).name, actor=current_actor())
    db.session.commit()
    return _show(organization.id)


@blueprint.get("/<organization_id>/sites")
@describe("List sites", answer=SitesAnswer, scope=Scope.SITES_READ)
def list_sites(organization_id: str) -> Response:
    """The sites of the organization that the caller can see."""
    organization = member_organization(organization_id)
    actor = current_actor()
    role = actor.role_in(organization.id)
    sites = accessible_sites(actor, organization.id) if role else []
    return shown(
        SitesAnswer(
            organization=NamedAnswer.model_validate(organization),
            sites=[show_site(site, role) for site in sites if role],
        )
    )


@blueprint.get("/<organization_id>/audit")
@describe(
    "List changes of an organization and its sites",
    answer=AuditAnswer,
    scope=Scope.SITES_READ,
    query=AUDIT_QUERY,
)
def organization_audit(organization_id: str) -> Response:
    """Who changed what, the latest first; for owners and admins."""
    organization = admin_organization(organization_id, scope=Scope.SITES_READ)
    limit = params.whole_number("limit", default=100, least=1, most=1000)
    return show_entries(audit.entries_of(organization, limit=limit, before=params.entry("before")), limit)


@blueprint.get("/<organization_id>/keys")
@describe("List the keys of an organization", answer=list[KeyAnswer], scope=ALL)
def list_keys(organization_id: str) -> Response:
    """The organization's keys, revoked ones too; for owners and admins."""
    organization = admin_organization(organization_id)
    return shown([KeyAnswer.model_validate(key) for key in keys.list_keys(organization)])


@blueprint.post("/<organization_id>/keys")
@describe(
    "Make a key of an organization",
    answer=NewKeyAnswer,
    status=201,
    body=KeyBody,
    scope=ALL,
    details="It acts for the organization as an admin, and for no person.",
)
def create_key(organization_id: str) -> Response:
    """Make a key that acts for the organization; for owners and admins."""
    organization = admin_organization(organization_id)
    body = body_as(KeyBody)
    key, token = keys.create_organization_key(
        organization,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        actor=current_actor(),
    )
    db.session.commit()
    return shown(show_new_key(key, token), status=201)


@blueprint.delete("/<organization_id>/keys/<key_id>")
@describe("Revoke a key of an organization", answer=Done, scope=ALL)
def revoke_key(organization_id: str, key_id: str) -> Response:
    """End a key of the organization; for owners and admins."""
    organization = admin_organization(organization_id)
    keys.revoke_key(keys.key_for(key_id, holder=organization), actor=current_actor())
    db.session.commit()
    return shown(Done())


def _show(organization_id: str, *, status: int = 200) -> Response:
    memberships = service.organizations_for(current_actor())
    found = next(each for each in memberships if each.organization.id == organization_id)
    return shown(show_membership(found, current_actor()), status=status)
