"""Funnels of a site: kept here, counted by the statistics."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from sqlalchemy import func, select

from rybbit.errors import Conflict, InvalidInput
from rybbit.extensions import db
from rybbit.ingest.payload_messages import refused
from rybbit.models import Funnel, Site
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.goals import (
    TOO_LONG_A_PATTERN,
    OptionalName,
    PathOrName,
    WithProperties,
    is_fit_pattern,
)
from rybbit.services.owned import owned_by
from rybbit.services.validation import validate

MOST_FUNNELS = 200
MOST_STEPS = 20


class FunnelStep(WithProperties):
    """One step: a path or a pattern of paths, or the name of an event."""

    value: PathOrName
    name: OptionalName = None
    type: Literal["page", "event"]
    hostname: OptionalName = None

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        if self.type == "page" and not is_fit_pattern(self.value):
            raise refused(TOO_LONG_A_PATTERN)
        return self


class FunnelSettings(BaseModel):
    """A funnel as people and programs send it; with `reportId` it takes the place of that one."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)

    name: OptionalName = None
    steps: Annotated[list[FunnelStep], Field(max_length=MOST_STEPS)]
    report_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


def read_funnel(data: object) -> FunnelSettings:
    """A funnel from outside, checked.

    Raises:
        InvalidInput: it breaks a rule, or has fewer than two steps.
    """
    settings = validate(FunnelSettings, data)
    if len(settings.steps) < 2:
        raise InvalidInput({"steps": ["At least 2 steps are required for a funnel"]})
    return settings


def steps_of(settings: FunnelSettings) -> list[dict[str, Any]]:
    """The steps as they are kept, and as the statistics read them."""
    return [step.model_dump(by_alias=True, exclude_none=True) for step in settings.steps]


def funnels_of(site: Site) -> list[Funnel]:
    """The funnels of a site, the oldest first."""
    query = select(Funnel).where(Funnel.site_id == site.site_id).order_by(Funnel.id)
    return list(db.session.scalars(query))


def funnel_for(site: Site, identifier: str | int) -> Funnel:
    """The funnel of a site with this number.

    Raises:
        NotFound: there is none.
    """
    return owned_by(site, Funnel, str(identifier))


def save_funnel(site: Site, data: object, *, actor: Actor = COMMAND) -> Funnel:
    """Make a funnel, or give the one that `reportId` names another name and other steps.

    Raises:
        InvalidInput: the data breaks a rule.
        NotFound: there is no such funnel.
        Conflict: the site has as many as it can have.
    """
    settings = read_funnel(data)
    if not settings.name:
        raise InvalidInput({"name": ["Funnel name is required"]})
    if settings.report_id is not None:
        funnel = funnel_for(site, settings.report_id)
        funnel.name, funnel.steps = settings.name, steps_of(settings)
    else:
        count = select(func.count()).where(Funnel.site_id == site.site_id)
        if (db.session.scalar(count) or 0) >= MOST_FUNNELS:
            raise Conflict(f"A site can have {MOST_FUNNELS} funnels")
        funnel = Funnel(site_id=site.site_id, name=settings.name, steps=steps_of(settings))
        db.session.add(funnel)
    db.session.flush()
    _record(actor, "funnel.update" if settings.report_id else "funnel.create", site, funnel)
    return funnel


def delete_funnel(site: Site, funnel: Funnel, *, actor: Actor = COMMAND) -> None:
    """Remove a funnel; the events stay."""
    _record(actor, "funnel.delete", site, funnel)
    db.session.delete(funnel)
    db.session.flush()


def _record(actor: Actor, action: str, site: Site, funnel: Funnel) -> None:
    audit.record(
        actor, action, organization_id=site.organization_id, site_id=site.site_id, target=funnel.name
    )
