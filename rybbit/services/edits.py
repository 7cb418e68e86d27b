"""Settings that somebody changed in a form, while others may have changed them, too."""

from collections.abc import Collection, Mapping
from typing import Any

from rybbit.errors import InvalidInput
from rybbit.models import Site
from rybbit.services.actor import COMMAND, Actor
from rybbit.services.sites import lock_site, settings_of, update_site


class Overtaken(InvalidInput):
    """Somebody else changed the same settings meanwhile; `mine` names all that the form changes."""

    def __init__(self, now: Mapping[str, Any], mine: Collection[str]) -> None:
        self.mine = mine
        super().__init__(
            {
                name: [f"Somebody changed this to “{value}” meanwhile. Save again to replace it"]
                for name, value in now.items()
            }
        )


def change_settings(
    site: Site, sent: Mapping[str, Any], loaded: Mapping[str, Any], *, actor: Actor = COMMAND
) -> bool:
    """Change those settings alone that differ from what a form was loaded with; False if none does.

    Both are by the outside names of settings. So a form that was open for long takes nothing back.

    Raises:
        Overtaken: a setting was changed here and, to something else, by somebody else; nothing is changed.
        InvalidInput, Conflict, NotFound: as `update_site`.
    """
    lock_site(site)
    now = settings_of(site)
    changes = {name: value for name, value in sent.items() if value != loaded.get(name, now[name])}
    overtaken = {
        name: now[name]
        for name, value in changes.items()
        if name in loaded and now[name] not in (loaded[name], value)
    }
    if overtaken:
        raise Overtaken(overtaken, set(changes))
    if changes:
        update_site(site, changes, actor=actor)
    return bool(changes)
