"""For how many days the events of a site are kept."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection, select

from rybbit.extensions import db
from rybbit.models import Site
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.sites import lock_site
from rybbit.services.validation import validate

MOST_DAYS = 3650


def _whole(value: object) -> object:
    """JSON has one type of numbers: 30.0 is the integer 30."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class RetentionSettings(BaseModel):
    """For how many days events are kept, by their own time; null is for ever."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)

    retention_days: Annotated[int, Field(ge=1, le=MOST_DAYS), BeforeValidator(_whole)] | None


def set_retention(site: Site, data: object, *, actor: Actor = COMMAND) -> None:
    """Change for how long the events of a site are kept.

    What is too old by then goes for good; a longer time brings nothing back.

    Raises:
        InvalidInput: it is no number of days that can be.
        NotFound: the site was deleted meanwhile.
    """
    days = validate(RetentionSettings, data).retention_days
    lock_site(site)
    before = site.retention_days
    if before == days:
        return
    site.retention_days = days
    db.session.flush()
    audit.record(
        actor,
        "site.retention",
        organization_id=site.organization_id,
        site_id=site.site_id,
        target=site.domain,
        changes={"retentionDays": (before, days)},
    )


def read_limits(connection: Connection) -> dict[int, int]:
    """The days of every site that has a limit, by the site's number."""
    query = select(Site.site_id, Site.retention_days).where(Site.retention_days.is_not(None))
    return {site_id: days for site_id, days in connection.execute(query) if days is not None}
