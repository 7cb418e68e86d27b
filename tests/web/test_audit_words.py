"""The audit log in words."""

import re
from pathlib import Path
from typing import Any

import pytest

from rybbit import clock, services
from rybbit.models import ActorKind, AuditEntry
from rybbit.web.pages.audit_words import Change, describe_entry

_ACTION = re.compile(r'"((?:organization|member|invitation|key|site|link)\.[a-z.]+)"')


def entry(**more: Any) -> AuditEntry:
    """An entry that was read from the database."""
    values: dict[str, Any] = {
        "id": 1,
        "at": clock.now(),
        "actor_kind": ActorKind.ACCOUNT,
        "actor_name": "ann@example.com",
        "address": "192.0.2.1",
        "action": "site.update",
        "target": "example.com",
        "changes": {},
    }
    return AuditEntry(**values | more)


def actions() -> list[str]:
    """Every action that a service notes."""
    folder = Path(str(services.__file__)).parent
    return sorted({action for path in folder.glob("*.py") for action in _ACTION.findall(path.read_text())})


@pytest.mark.parametrize("action", actions())
def test_every_action_has_a_sentence(action: str) -> None:
    assert action not in describe_entry(entry(action=action)).sentence


def test_who_did_it_and_where() -> None:
    lines = [
        describe_entry(entry(actor_kind=kind, address=address))
        for kind, address in (
            (ActorKind.ACCOUNT, "192.0.2.1"),
            (ActorKind.KEY, ""),
            (ActorKind.COMMAND, ""),
        )
    ]
    assert [(line.actor, line.place) for line in lines] == [
        ("ann@example.com", "192.0.2.1"),
        ("The key “ann@example.com”", "unknown"),
        ("The operator", "command line"),
    ]


def test_joining_is_not_being_added() -> None:
    joined, added = (
        describe_entry(entry(action="member.add", target=target))
        for target in ("ann@example.com", "bob@example.com")
    )
    assert joined.sentence == "joined the organization"
    assert added.sentence == "added bob@example.com"


@pytest.mark.parametrize(
    ("field", "old", "new", "shown"),
    [
        ("blockBots", True, False, Change("Block bots", "on", "off")),
        ("name", "{old}", "", Change("Name", "{old}", "nothing")),
        ("role", None, "admin", Change("Role", None, "admin")),
        ("role", "admin", None, Change("Role", "admin", "nothing")),
        ("excludedIPs", ["a", "b"], ["b", "c"], Change("Excluded addresses", "a", "c")),
        ("excludedCountries", [], ["DE"], Change("Excluded countries", "nothing", "DE")),
    ],
)
def test_values(field: str, old: object, new: object, shown: Change) -> None:
    [change] = describe_entry(entry(changes={field: [old, new]})).changes
    assert change == shown


def test_an_action_from_a_later_version_is_told_as_it_was_noted() -> None:
    assert describe_entry(entry(action="site.paint", target="a {b} c")).sentence == "site.paint a {b} c"
