"""Forms as people fill them in: read by WTForms, judged by the services."""

import re
from collections.abc import Mapping, Sequence

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import SelectMultipleField
from wtforms.fields import SelectChoice
from wtforms.widgets import CheckboxInput

from rybbit.errors import InvalidInput

_CAPITAL = re.compile("[A-Z]")
# What services say to programs, in the words of a form.
_TEXTS = {
    "Is not the password of this account": "This is not your password",
    "String must contain at least 1 character(s)": "Must have 1 to 255 characters",
    "String must contain at most 255 character(s)": "Must have 1 to 255 characters",
    "Array must contain at most 100 element(s)": "At most 100 addresses and ranges can be excluded",
}


class PageForm(FlaskForm):  # type: ignore[misc]  # flask-wtf carries no types
    """A form of a page. It holds the CSRF token, and no rules: those are the services'."""

    form_errors: Sequence[str]

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """What a form is filled from."""

        def wrap_formdata(self, form: FlaskForm, formdata: object) -> object:
            """Only the fields of a form that was sent: flask-wtf would take JSON and files for text, too."""
            if formdata is None or isinstance(formdata, MultiDict):
                return formdata
            return request.form if request.method == "POST" else None

    def show_errors(self, error: InvalidInput, *, names: Mapping[str, str] | None = None) -> None:
        """Put what a service refused beside the fields, and what belongs to none of them above the form.

        `names` maps the service's names to those of fields where they differ in more than manner:
        `newPassword` is `new_password` without being told.
        """
        above = list(error.form_errors)
        for name, texts in error.field_errors.items():
            own = (names or {}).get(name, _snake_case(name))
            shown = [_TEXTS.get(text, text) for text in texts]
            if own in self:
                self[own].errors = [*self[own].errors, *shown]
            else:
                above += shown
        self.form_errors = [*self.form_errors, *above]

    def show_error(self, text: str) -> None:
        """Say above the form what is wrong with all of it."""
        self.form_errors = [*self.form_errors, text]


class TickField(SelectMultipleField):  # type: ignore[misc]  # wtforms carries no types
    """Any number of things from a list, each with a box to tick."""

    option_widget = CheckboxInput()


def choices_of(names: Mapping[str, str]) -> list[SelectChoice]:
    """The choices of a field: what each says to people, by what it says to us."""
    return [SelectChoice(value=value, label=name) for value, name in names.items()]


def trim(text: str | None) -> str:
    """What was typed, without the space around it."""
    return (text or "").strip()


def _snake_case(name: str) -> str:
    return _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)
