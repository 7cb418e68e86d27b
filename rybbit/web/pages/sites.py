"""The sites that somebody can see, and making another one."""

import logging
from collections.abc import Mapping, Sequence
from itertools import groupby

from flask import Blueprint, Response, url_for
from wtforms import SelectField, StringField

from rybbit.errors import Conflict, Forbidden, InvalidInput, Unavailable
from rybbit.extensions import db
from rybbit.models import Organization, Site
from rybbit.services import organizations, site_access, sites
from rybbit.stats.traffic import DAYS, Traffic, recent_traffic
from rybbit.web.access import current_runtime
from rybbit.web.htmx import lead_to, show
from rybbit.web.pages.forms import PageForm, trim
from rybbit.web.pages.guards import current_account, current_person

logger = logging.getLogger(__name__)

blueprint = Blueprint("sites", __name__, url_prefix="/sites")

# The box that a sparkline is drawn in, in its own units.
_WIDTH, _HEIGHT = 120, 32


class NewSiteForm(PageForm):
    """A site to be made."""

    name = StringField("Name")
    domain = StringField("Domain")
    organization = SelectField("Organization")


@blueprint.get("")
def index() -> Response:
    """The list, by organization."""
    seen = site_access.sites_of(current_account())
    traffic = _traffic([each.site.site_id for each in seen])
    by_organization = groupby(seen, key=lambda each: each.organization)
    return show(
        "sites/index.html",
        groups=[(organization, list(members)) for organization, members in by_organization],
        traffic=traffic,
        lines={number: draw_line(each.pageviews) for number, each in traffic.items()},
        days=DAYS,
        may_create=bool(_organizations()),
    )


def _traffic(site_ids: Sequence[int]) -> Mapping[int, Traffic]:
    """The last days of the sites; of none where the store does not answer, since settings do without it."""
    try:
        return recent_traffic(current_runtime().store, site_ids)
    except Unavailable as error:
        logger.warning("Sites are listed without their figures: %s", error)
        return {}


@blueprint.get("/new")
def new() -> Response:
    """The form for a new site."""
    return _show(_form())


@blueprint.post("/new")
def create() -> Response:
    """Make a site, and go on to how events get there."""
    form = _form()
    try:
        site = _create(form)
    except InvalidInput as error:
        form.show_errors(error)
        return _show(form, status=422)
    except Conflict as error:
        form.domain.errors = [str(error)]
        return _show(form, status=422)
    db.session.commit()
    return lead_to(url_for("site_member.install.index", site=site.site_id), toast="Site made")


def draw_line(counts: Sequence[int]) -> str:
    """The points of a sparkline in its box, as SVG writes them; flat at the bottom if nothing happened."""
    most = max(counts, default=0) or 1
    step = _WIDTH / max(len(counts) - 1, 1)
    points = [
        (place * step, _HEIGHT - 2 - (_HEIGHT - 4) * count / most) for place, count in enumerate(counts)
    ]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _create(form: NewSiteForm) -> Site:
    choices = {organization.id: organization for organization in _organizations()}
    organization = choices.get(form.organization.data or "")
    if organization is None:
        raise InvalidInput({"organization": ["Choose one of your organizations"]})
    settings = {"name": trim(form.name.data), "domain": trim(form.domain.data)}
    return sites.create_site(organization, settings, actor=current_person())


def _form() -> NewSiteForm:
    choices = _organizations()
    if not choices:
        raise Forbidden("Only owners and admins of an organization can make sites")
    form = NewSiteForm()
    form.organization.choices = [(each.id, each.name) for each in choices]
    if form.organization.data is None and len(choices) == 1:
        form.organization.data = choices[0].id
    return form


def _organizations() -> list[Organization]:
    """Those in which the person may make sites."""
    found = organizations.organizations_of(current_account())
    return [each.organization for each in found if each.role.is_admin]


def _show(form: NewSiteForm, *, status: int = 200) -> Response:
    return show("sites/new.html", "sites/_new.html", status=status, form=form)
