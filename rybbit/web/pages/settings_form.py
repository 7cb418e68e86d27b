"""Forms for settings of a site, of which only what was changed in them is saved."""

import json
from typing import Any, Self

from wtforms import BooleanField, Field, HiddenField, StringField

from rybbit.errors import Conflict, InvalidInput
from rybbit.models import Site
from rybbit.services import edits
from rybbit.services.actor import Actor
from rybbit.services.site_settings import SETTING_NAMES
from rybbit.web.pages.forms import PageForm, trim

_OUTSIDE = {inside: outside for outside, inside in SETTING_NAMES.items()}


class SettingsForm(PageForm):
    """Fields by the names that settings have inside; `loaded` remembers what they held when it was shown."""

    loaded = HiddenField()

    @classmethod
    def of(cls, site: Site) -> Self:
        """The form as the site is now."""
        form = cls(formdata=None)
        form._load(site)
        return form

    def save(self, site: Site, *, actor: Actor) -> bool:
        """Save what was changed in the form; False if it was refused, and the form says why."""
        try:
            edits.change_settings(site, self._sent(), self._loaded(), actor=actor)
        except edits.Overtaken as error:
            # The next time it is sent, it is known what it replaces.
            self._load(site, but=[SETTING_NAMES[name] for name in error.mine])
            self.show_errors(error)
        except InvalidInput as error:
            self.show_errors(error)
        except Conflict as error:
            self.show_errors(InvalidInput({"domain": [str(error)]}))
        else:
            return True
        return False

    def settings(self) -> list[Any]:
        """The fields that are settings."""
        return [each for each in self if isinstance(each, StringField | BooleanField) and not _is_own(each)]

    def _load(self, site: Site, *, but: list[str] | None = None) -> None:
        values = {field.name: getattr(site, field.name) for field in self.settings()}
        for field in self.settings():
            if field.name not in (but or ()):
                field.data = values[field.name]
        self.loaded.data = json.dumps(values)

    def _sent(self) -> dict[str, Any]:
        return {_OUTSIDE[each.name]: _value(each) for each in self.settings()}

    def _loaded(self) -> dict[str, Any]:
        """What the form held when it was shown, by outside names; it comes from the browser."""
        try:
            found = json.loads(self.loaded.data or "")
        except (ValueError, RecursionError):
            return {}
        known = {each.name for each in self.settings()}
        if not isinstance(found, dict):
            return {}
        return {_OUTSIDE[name]: value for name, value in found.items() if name in known}


def _is_own(field: Field) -> bool:
    return isinstance(field, HiddenField)


def _value(field: Field) -> str | bool:
    return bool(field.data) if isinstance(field, BooleanField) else trim(field.data)
