"""Control data: who may do what with which site, and how each site is tracked."""

from rybbit.models.account import Account
from rybbit.models.columns import UtcDateTime, insert_for
from rybbit.models.drop import Drop, Reason
from rybbit.models.key import Key
from rybbit.models.organization import Member, Organization, Role
from rybbit.models.revision import Revision, bump_revision
from rybbit.models.site import Site
from rybbit.models.visitor import DaySalt

__all__ = [
    "Account",
    "DaySalt",
    "Drop",
    "Key",
    "Member",
    "Organization",
    "Reason",
    "Revision",
    "Role",
    "Site",
    "UtcDateTime",
    "bump_revision",
    "insert_for",
]
