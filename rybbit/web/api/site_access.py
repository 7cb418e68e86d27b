"""Who may see a site, what was changed on it, and what its exclusions would do."""

from flask import Blueprint, Response

from rybbit.errors import InvalidInput, NotFound
from rybbit.extensions import db
from rybbit.ingest.payload_messages import shorten
from rybbit.models import Account, Scope, Site
from rybbit.services import audit, organizations, site_access
from rybbit.services.dry_run import find_exclusion
from rybbit.web import params
from rybbit.web.access import ALL, admin_site, current_actor, current_runtime, member_site
from rybbit.web.api.audit import AUDIT_QUERY, show_entries
from rybbit.web.api.description import describe, shown
from rybbit.web.api.site_models import (
    AuditAnswer,
    ExclusionTest,
    ExclusionVerdict,
    ListedMember,
    SiteMembersAnswer,
    SiteMembersBody,
)
from rybbit.web.bodies import body_as
from rybbit.web.sign_in import only_reads

blueprint = Blueprint("site_access", __name__, url_prefix="/api/sites/<site_id>")


@blueprint.post("/exclusions/test")
@only_reads
@describe(
    "Try the exclusions",
    answer=ExclusionVerdict,
    body=ExclusionTest,
    scope=Scope.SITES_READ,
    details="Says whether such an event of a browser would be kept. Nothing is stored or counted.",
)
def try_exclusions(site_id: str) -> Response:
    """Say whether an event would be kept, and which rule decides."""
    site = member_site(site_id)
    event = body_as(ExclusionTest)
    country = event.country
    if country is None and event.ip_address is not None:
        country = current_runtime().geo.locate(event.ip_address.strip()).country or None
    found = find_exclusion(site, address=event.ip_address, user_agent=event.user_agent, country=country)
    return shown(
        ExclusionVerdict(
            kept=found is None,
            reason=found.reason if found else None,
            setting=found.setting if found else None,
            rule=found.rule if found else None,
            country=country,
        )
    )


@blueprint.get("/audit")
@describe("List changes of a site", answer=AuditAnswer, scope=Scope.SITES_READ, query=AUDIT_QUERY)
def site_audit(site_id: str) -> Response:
    """Who changed what, the latest first; for owners and admins."""
    site = admin_site(site_id, scope=Scope.SITES_READ)
    limit = params.whole_number("limit", default=100, least=1, most=1000)
    return show_entries(audit.entries_of(site, limit=limit, before=params.entry("before")), limit)


@blueprint.get("/members")
@describe("List who may see a restricted site", answer=SiteMembersAnswer, scope=Scope.SITES_READ)
def site_members(site_id: str) -> Response:
    """Whether the site is closed to members who are not listed, and who is."""
    return _show_members(admin_site(site_id, scope=Scope.SITES_READ))


@blueprint.put("/members")
@describe(
    "Limit a site to some members",
    answer=SiteMembersAnswer,
    body=SiteMembersBody,
    scope=ALL,
    details="What is left out stays as it is; `members` replaces the list.",
)
def limit_site(site_id: str) -> Response:
    """Close or open a site, and replace the list of the members who may see it; for owners and admins."""
    site = admin_site(site_id, scope=ALL)
    body = body_as(SiteMembersBody)
    if body.members is not None:
        _replace_members(site, body.members)
    if body.restricted is not None:
        change = site_access.limit_site if body.restricted else site_access.unlimit_site
        change(site, actor=current_actor())
    db.session.commit()
    return _show_members(site)


def _replace_members(site: Site, wanted: list[str]) -> None:
    listed = {account.id: account for account in site_access.allowed_members(site)}
    for account_id, account in listed.items():
        if account_id not in wanted:
            site_access.disallow_member(site, account, actor=current_actor())
    for account_id in dict.fromkeys(wanted):
        if account_id not in listed:
            site_access.allow_member(site, _member(site, account_id), actor=current_actor())


def _member(site: Site, account_id: str) -> Account:
    try:
        return organizations.member_for(organizations.organization_for(site.organization_id), account_id)
    except NotFound as error:
        raise InvalidInput(
            {"members": [f"{shorten(account_id)}: Is no member of the organization"]}
        ) from error


def _show_members(site: Site) -> Response:
    members = [ListedMember.model_validate(account) for account in site_access.allowed_members(site)]
    return shown(SiteMembersAnswer(restricted=site.restricted, members=members))
