"""Goals of a site: kept here, counted by the statistics."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from sqlalchemy import func, select

from rybbit.errors import Conflict
from rybbit.extensions import db
from rybbit.ingest.payload_details import is_storable
from rybbit.ingest.payload_messages import NOT_STORABLE, refused
from rybbit.models import Goal, GoalType, Site
from rybbit.services import audit
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.owned import owned_by
from rybbit.services.validation import validate

MOST_GOALS = 200
# What the engines match in a time that grows with the length of the path alone.
LONGEST_PATTERN = 512
TOO_LONG_A_PATTERN = f"Must have at most {LONGEST_PATTERN} characters where it has *"

SORTS = {"goalId": Goal.id, "name": Goal.name, "goalType": Goal.goal_type, "createdAt": Goal.created_at}
"""What a list of goals can be sorted by."""


def check_storable(text: str) -> str:
    """Refuse characters that no event can have."""
    if not is_storable(text):
        raise refused(NOT_STORABLE)
    return text


def is_fit_pattern(text: str) -> bool:
    """Whether a path or pattern of paths is short enough to be looked for; paths may be as long as any."""
    return "*" not in text or len(text) <= LONGEST_PATTERN


def _check_pattern(text: str) -> str:
    if not is_fit_pattern(text):
        raise refused(TOO_LONG_A_PATTERN)
    return text


_Storable = AfterValidator(check_storable)
_Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), _Storable]
PathOrName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2048), _Storable
]
"""A path or a pattern of paths, or the name of an event."""
OptionalName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255), _Storable] | None
"""What people call a thing, if they do."""
PropertyValue = (
    Annotated[str, StringConstraints(max_length=2048), _Storable]
    | bool
    | Annotated[float, Field(allow_inf_nan=False)]
)


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class PropertyFilter(_Body):
    """A property that an event must have, of a page one of its URL parameters."""

    key: _Key
    value: PropertyValue


class WithProperties(_Body):
    """Something with one property to fit, or several."""

    event_property_key: _Key | None = None
    event_property_value: PropertyValue | None = None
    property_filters: Annotated[list[PropertyFilter], Field(max_length=10)] | None = None

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.event_property_key is None) != (self.event_property_value is None):
            raise refused("eventPropertyKey and eventPropertyValue come together")
        return self


def properties_of(kept: Mapping[str, Any]) -> dict[str, str | float | bool]:
    """The properties that a goal or step wants, by key; `kept` is what was checked here."""
    if filters := kept.get("propertyFilters"):
        return {each["key"]: each["value"] for each in filters}
    key = kept.get("eventPropertyKey")
    return {} if key is None else {key: kept["eventPropertyValue"]}


class GoalConfig(WithProperties):
    """What reaches a goal; `*` in a path stands for one segment or a part of it, `**` for any number."""

    path_pattern: Annotated[PathOrName, AfterValidator(_check_pattern)] | None = None
    event_name: _Key | None = None


class GoalSettings(_Body):
    """A goal as people and programs send it."""

    name: OptionalName = None
    goal_type: Literal["path", "event"]
    config: GoalConfig
    # Programs send these along; the path says which goal it is.
    goal_id: Any = Field(default=None, exclude=True)
    site_id: Any = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _check_config(self) -> Self:
        if self.goal_type == "path" and self.config.path_pattern is None:
            raise refused("A goal of type path needs config.pathPattern")
        if self.goal_type == "event" and self.config.event_name is None:
            raise refused("A goal of type event needs config.eventName")
        return self


def goals_of(
    site: Site, *, limit: int, page: int = 1, sort_by: str = "createdAt", descending: bool = True
) -> tuple[list[Goal], int]:
    """A page of the goals of a site, and how many it has."""
    column = SORTS[sort_by]
    order = (column.desc(), Goal.id.desc()) if descending else (column.asc(), Goal.id.asc())
    query = select(Goal).where(Goal.site_id == site.site_id)
    total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = db.session.scalars(query.order_by(*order).limit(limit).offset(limit * (page - 1)))
    return list(rows), total


def goal_for(site: Site, identifier: str) -> Goal:
    """The goal of a site with this number.

    Raises:
        NotFound: there is none.
    """
    return owned_by(site, Goal, identifier)


def create_goal(site: Site, data: object, *, actor: Actor = COMMAND) -> Goal:
    """Make a goal.

    Raises:
        InvalidInput: the data breaks a rule.
        Conflict: the site has as many as it can have.
    """
    settings = validate(GoalSettings, data)
    if goals_of(site, limit=1)[1] >= MOST_GOALS:
        raise Conflict(f"A site can have {MOST_GOALS} goals")
    goal = Goal(site_id=site.site_id, **_columns(settings))
    db.session.add(goal)
    db.session.flush()
    _record(actor, "goal.create", site, goal)
    return goal


def replace_goal(site: Site, goal: Goal, data: object, *, actor: Actor = COMMAND) -> Goal:
    """Give a goal another name and meaning.

    Raises:
        InvalidInput: the data breaks a rule.
    """
    for name, value in _columns(validate(GoalSettings, data)).items():
        setattr(goal, name, value)
    db.session.flush()
    _record(actor, "goal.update", site, goal)
    return goal


def delete_goal(site: Site, goal: Goal, *, actor: Actor = COMMAND) -> None:
    """Remove a goal; the events stay."""
    _record(actor, "goal.delete", site, goal)
    db.session.delete(goal)
    db.session.flush()


def _columns(settings: GoalSettings) -> dict[str, Any]:
    return {
        "name": settings.name or None,
        "goal_type": GoalType(settings.goal_type),
        "config": settings.config.model_dump(by_alias=True, exclude_none=True),
    }


def _record(actor: Actor, action: str, site: Site, goal: Goal) -> None:
    target = goal.name or goal.config.get("pathPattern") or goal.config.get("eventName", "")
    audit.record(
        actor, action, organization_id=site.organization_id, site_id=site.site_id, target=str(target)
    )
