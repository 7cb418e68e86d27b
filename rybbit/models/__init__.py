"""Control data: who may do what with which site, and how each site is tracked."""

from rybbit.models.account import Account
from rybbit.models.audit import ActorKind, AuditEntry
from rybbit.models.columns import UtcDateTime, insert_for
from rybbit.models.drop import Drop, Reason
from rybbit.models.goal import Funnel, Goal, GoalType
from rybbit.models.invitation import Invitation
from rybbit.models.key import Key, Scope
from rybbit.models.organization import Member, Organization, Role
from rybbit.models.password_reset import PasswordReset
from rybbit.models.revision import Revision, bump_revision
from rybbit.models.session import Session
from rybbit.models.site import ExclusionNote, Site, SiteMember
from rybbit.models.visitor import DaySalt

__all__ = [
    "Account",
    "ActorKind",
    "AuditEntry",
    "DaySalt",
    "Drop",
    "ExclusionNote",
    "Funnel",
    "Goal",
    "GoalType",
    "Invitation",
    "Key",
    "Member",
    "Organization",
    "PasswordReset",
    "Reason",
    "Revision",
    "Role",
    "Scope",
    "Session",
    "Site",
    "SiteMember",
    "UtcDateTime",
    "bump_revision",
    "insert_for",
]
