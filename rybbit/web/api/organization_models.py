"""Organizations, members, invitations and keys, as the API shows and takes them."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from rybbit.ingest.payload_messages import refused
from rybbit.models import Invitation, Key, Role, Scope
from rybbit.services.actor import Actor
from rybbit.services.organizations import Membership, OrganizationMember, members_of
from rybbit.services.site_access import accessible_sites
from rybbit.web.api.description import Moment, Shown
from rybbit.web.api.site_models import SiteAnswer
from rybbit.web.bodies import Body

_Name = Annotated[str, Field(min_length=1, max_length=255)]
_Email = Annotated[str, Field(max_length=254)]


def _to_role(value: object) -> object:
    if not isinstance(value, str) or value not in list(Role):
        raise refused(f"Must be one of {', '.join(Role)}")
    return Role(value)


def _to_scope(value: object) -> object:
    if not isinstance(value, str) or value not in list(Scope):
        raise refused(f"Must be one of {', '.join(Scope)}")
    return Scope(value)


def _to_moment(value: object) -> object:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise refused("Must be a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_range(moment: datetime | None) -> datetime | None:
    """Moments at the ends of the calendar fall off it in other time zones."""
    if moment is not None and not 1971 <= moment.year <= 9998:
        raise refused("Must be a time in ISO 8601")
    return moment


RoleName = Annotated[Role, BeforeValidator(_to_role)]
ScopeName = Annotated[Scope, BeforeValidator(_to_scope)]


class PersonAnswer(Shown):
    """Who a member is."""

    id: str
    name: str
    email: str


class OrganizationMemberAnswer(Shown):
    """A member as lists of organizations show them."""

    user_id: str
    role: Role
    created_at: Moment
    user: PersonAnswer


class OrganizationAnswer(Shown):
    """An organization of the caller, with its members and the sites that the caller sees.

    `slug` is a name without spaces or other letters; organizations have none but their id.
    """

    id: str
    name: str
    slug: str
    role: Role
    members: list[OrganizationMemberAnswer]
    sites: list[SiteAnswer]


def show_membership(membership: Membership, actor: Actor) -> OrganizationAnswer:
    """An organization as one of its members is shown it."""
    organization = membership.organization
    sites = accessible_sites(actor, organization.id)
    return OrganizationAnswer(
        id=organization.id,
        name=organization.name,
        slug=organization.id,
        role=membership.role,
        members=[_show_person(member) for member in members_of(organization)],
        sites=[SiteAnswer.model_validate(site) for site in sites],
    )


def _show_person(member: OrganizationMember) -> OrganizationMemberAnswer:
    account = member.account
    return OrganizationMemberAnswer(
        user_id=account.id,
        role=member.role,
        created_at=member.since,
        user=PersonAnswer.model_validate(account),
    )


class NameBody(Body):
    """A name."""

    name: _Name


class MemberAnswer(Shown):
    """A member of an organization; `id` is the account's."""

    id: str
    email: str
    name: str
    role: Role
    since: Moment


def show_member(member: OrganizationMember) -> MemberAnswer:
    """A member as the others are shown them."""
    account = member.account
    return MemberAnswer(
        id=account.id, email=account.email, name=account.name, role=member.role, since=member.since
    )


class RoleBody(Body):
    """The role to have from now on."""

    role: RoleName


class InvitationBody(Body):
    """Whom to invite: anybody who has the link, or only the account with an email address."""

    role: RoleName = Role.MEMBER
    email: _Email | None = None


class InvitationAnswer(Shown):
    """An invitation that can be accepted."""

    id: str
    role: Role
    email: str | None
    created_at: Moment
    expires_at: Moment


class NewInvitationAnswer(InvitationAnswer):
    """An invitation just made, with its token and link, which are shown this once.

    `url` is a path as long as the server does not know its own address.
    """

    token: str = ""
    url: str = ""
    mailed: bool = False


def show_new_invitation(invitation: Invitation, token: str, url: str) -> NewInvitationAnswer:
    """An invitation as its maker is shown it."""
    answer = NewInvitationAnswer.model_validate(invitation)
    answer.token, answer.url = token, url
    return answer


class TokenBody(Body):
    """The token of a link."""

    token: Annotated[str, Field(min_length=1, max_length=255)]


class KeyBody(Body):
    """A key to be made: without scopes it may do all that its holder may, without an end it has none."""

    name: _Name
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=20)] | None = None
    expires_at: Annotated[datetime | None, BeforeValidator(_to_moment), AfterValidator(_in_range)] = None


class KeyAnswer(Shown):
    """A key; what it is shown as is not kept."""

    id: str
    name: str
    scopes: list[Scope] | None
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None


class NewKeyAnswer(KeyAnswer):
    """A key just made, with the token that is shown this once."""

    key: str = ""


def show_new_key(key: Key, token: str) -> NewKeyAnswer:
    """A key as its maker is shown it."""
    answer = NewKeyAnswer.model_validate(key)
    answer.key = token
    return answer
