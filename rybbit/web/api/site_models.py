"""A site and what belongs to it, as the API shows and takes them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from rybbit.ingest.exclusions import normalise_address
from rybbit.ingest.payload_details import is_storable
from rybbit.ingest.payload_messages import NOT_STORABLE, refused
from rybbit.models import Reason, Role, Site
from rybbit.web.api.description import Moment, Shown
from rybbit.web.bodies import Body


class SiteAnswer(Shown):
    """A site without its lists of exclusions."""

    site_id: int
    id: str
    name: str
    domain: str
    organization_id: str
    created_by: str | None
    created_at: Moment
    updated_at: Moment
    public: bool
    salt_user_ids: bool
    block_bots: bool


class SwitchesAnswer(Shown):
    """What is tracked on the pages of a site."""

    session_replay: bool
    web_vitals: bool
    track_errors: bool
    track_outbound: bool
    track_url_params: bool
    track_initial_page_view: bool
    track_spa_navigation: bool
    track_ip: bool


class NewSiteAnswer(SwitchesAnswer, SiteAnswer):
    """A site as its maker is shown it."""


class _Owned(SiteAnswer):
    is_owner: bool = False


class OwnedSiteAnswer(SwitchesAnswer, _Owned):
    """A site as a member is shown it; `isOwner` tells whether the caller owns its organization."""


class NamedAnswer(Shown):
    """What is known by an id and a name."""

    id: str
    name: str


class SitesAnswer(Shown):
    """The sites of an organization that the caller can see."""

    organization: NamedAnswer
    sites: list[OwnedSiteAnswer]


def show_site(site: Site, role: Role) -> OwnedSiteAnswer:
    """A site as a member with this role is shown it."""
    answer = OwnedSiteAnswer.model_validate(site)
    answer.is_owner = role is Role.OWNER
    return answer


class _Named(Shown):
    name: str
    domain: str
    public: bool
    salt_user_ids: bool
    block_bots: bool


class SettingsAnswer(SwitchesAnswer, _Named):
    """Every setting of a site, by the names with which it is also set."""

    excluded_ips: list[str] = Field(serialization_alias="excludedIPs")
    excluded_countries: list[str]


class ConfigAnswer(Shown):
    """Every setting after a change."""

    success: bool = True
    message: str = "Site configuration updated successfully"
    config: SettingsAnswer


def show_config(site: Site) -> ConfigAnswer:
    """The answer to a change of settings."""
    return ConfigAnswer(config=SettingsAnswer.model_validate(site))


class ExcludedIpsAnswer(Shown):
    """The addresses whose events are not stored."""

    success: bool = True
    excluded_ips: list[str] = Field(serialization_alias="excludedIPs")


class ExcludedCountriesAnswer(Shown):
    """The countries whose events are not stored."""

    success: bool = True
    excluded_countries: list[str]


class PrivateLink(Shown):
    """The key of a site's private link."""

    private_link_key: str | None


class PrivateLinkAnswer(Shown):
    """The private link of a site."""

    success: bool = True
    data: PrivateLink


class PrivateLinkBody(Body):
    """What to do with the private link."""

    action: Literal["generate_private_link_key", "revoke_private_link_key"]


def _check_address(text: str | None) -> str | None:
    if text is not None and normalise_address(text) is None:
        raise refused("Must be an IPv4 or IPv6 address")
    return text


def _check_country(code: str | None) -> str | None:
    if code is not None and not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
        raise refused("Must be two letters A-Z")
    return code


def _check_text(text: str | None) -> str | None:
    if text is not None and not is_storable(text):
        raise refused(NOT_STORABLE)
    return text


class ExclusionTest(Body):
    """An event to try the exclusions with, by the names of events; what is left out excludes nothing."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=None)

    ip_address: Annotated[str | None, Field(max_length=64), AfterValidator(_check_address)] = None
    user_agent: Annotated[str | None, Field(max_length=512), AfterValidator(_check_text)] = None
    country: Annotated[str | None, AfterValidator(_check_country)] = None


class ExclusionVerdict(Shown):
    """Whether an event would be kept, and if not, the setting and the rule in it that decide.

    `country` is the one that was looked at: the one given, else where the address lies.
    """

    success: bool = True
    kept: bool
    reason: Reason | None
    setting: str | None
    rule: str | None
    country: str | None


class SiteMembersAnswer(Shown):
    """Who of the members can see a site; owners and admins always can."""

    restricted: bool
    members: list["ListedMember"]


class ListedMember(Shown):
    """A member who is listed for a restricted site."""

    id: str
    email: str
    name: str


class SiteMembersBody(Body):
    """Whether a site is closed to members who are not listed, and who is (ids of accounts)."""

    restricted: bool | None = None
    members: Annotated[list[str], Field(max_length=1000)] | None = None


class RetentionAnswer(Shown):
    """For how many days events are kept; null is for ever."""

    success: bool = True
    retention_days: int | None


class ErasureReceipt(Shown):
    """What was erased of a user, without saying of whom.

    Nothing of it can be read; at the moment `goneFromDiskBy` it is not on disk any more either.
    """

    id: str
    site_id: int
    events: int
    sessions: int
    first_seen: Moment | None
    last_seen: Moment | None
    requested_at: Moment
    gone_from_disk_by: Moment


class ErasureAnswer(Shown):
    """The receipt of an erasure."""

    success: bool = True
    receipt: ErasureReceipt


class AuditRow(Shown):
    """One change: who made it, when, from where, and old and new value by field."""

    id: int
    at: Moment
    organization_id: str
    site_id: int | None
    actor_kind: str
    actor_id: str | None
    actor_name: str
    address: str
    action: str
    target: str
    changes: dict[str, list[Any]]


class AuditAnswer(Shown):
    """The latest changes first; `before` is what the next page is asked with, null if there is none."""

    data: list[AuditRow]
    before: int | None
