"""Entries of the audit log as sentences."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rybbit.models import ActorKind, AuditEntry

# By action: `{target}` is what it was done to, `{name}` that without the id in front of it.
_SENTENCES = {
    "organization.create": "made the organization {target}",
    "organization.update": "changed the organization",
    "member.add": "added {target}",
    "member.role": "changed the role of {target}",
    "member.remove": "removed {target}",
    "member.leave": "left the organization",
    "invitation.create": "invited {name}",
    "invitation.revoke": "took back the invitation of {name}",
    "key.create": "made the key “{name}”",
    "key.revoke": "revoked the key “{name}”",
    "site.create": "made the site {target}",
    "site.update": "changed the site {target}",
    "site.delete": "deleted the site {target}",
    "site.restrict": "closed {target} to members who are not listed for it",
    "site.open": "opened {target} to every member",
    "site.member.allow": "let {target} see site number {site}",
    "site.member.disallow": "took {target} off the list of site number {site}",
    "site.retention": "changed for how long the events of {target} are kept",
    "site.user.erase": "erased a visitor of site number {site}, with receipt {target}",
    "link.generate": "made a private link to {target}",
    "link.revoke": "took back the private link to {target}",
}
_JOINED = "joined the organization"
_ANYBODY = "whoever has the link"
_LABELS = {
    "excludedIPs": "Excluded addresses",
    "excludedCountries": "Excluded countries",
    "saltUserIds": "Salted visitor ids",
    "trackSpaNavigation": "Track navigation within a page",
    "trackIp": "Keep addresses",
    "trackUrlParams": "Track URL parameters",
    "retentionDays": "Days that events are kept",
    "hasPrivateLink": "Private link",
}
_COMMAND_LINE = "command line"
_NOTHING = "nothing"
_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Change:
    """A field, and what it was and became; of lists only what they differ in. `old` None: it is new."""

    label: str
    old: str | None
    new: str


@dataclass(frozen=True)
class Line:
    """An entry of the log, to be read."""

    id: int
    at: datetime
    actor: str
    sentence: str
    place: str
    changes: Sequence[Change]


def describe_entry(entry: AuditEntry) -> Line:
    """Put an entry into words."""
    return Line(
        id=entry.id,
        at=entry.at,
        actor=_name_actor(entry),
        sentence=_sentence_of(entry),
        place=_COMMAND_LINE if entry.actor_kind is ActorKind.COMMAND else entry.address or "unknown",
        changes=[_describe_change(field, *values) for field, values in entry.changes.items()],
    )


def _name_actor(entry: AuditEntry) -> str:
    if entry.actor_kind is ActorKind.COMMAND:
        return "The operator"
    return f"The key “{entry.actor_name}”" if entry.actor_kind is ActorKind.KEY else entry.actor_name


def _sentence_of(entry: AuditEntry) -> str:
    if entry.action == "member.add" and entry.target == entry.actor_name:
        return _JOINED
    # What is unknown here is told as it was noted.
    sentence = _SENTENCES.get(entry.action, f"{entry.action} {{target}}")
    name = entry.target.partition(" ")[2] or _ANYBODY
    return sentence.format(target=entry.target, name=name, site=entry.site_id)


def _describe_change(field: str, old: Any, new: Any) -> Change:
    label = _LABELS.get(field) or _CAPITAL.sub(" ", field).capitalize()
    if isinstance(old, list) and isinstance(new, list):
        old, new = [each for each in old if each not in new], [each for each in new if each not in old]
    return Change(label, None if old is None else _show_value(old), _show_value(new))


def _show_value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _NOTHING
    return _NOTHING if value in (None, "") else str(value)
