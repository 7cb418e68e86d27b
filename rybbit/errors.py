"""Errors that the domain raises; each surface maps them to its own answers once."""

from collections.abc import Mapping, Sequence


class RybbitError(Exception):
    """Base of every error that a caller is expected to handle."""


class InvalidInput(RybbitError):
    """Input from outside breaks a rule.

    `field_errors` maps the name of each refused field to its messages; `form_errors` holds the
    messages that belong to no single field.
    """

    def __init__(
        self,
        field_errors: Mapping[str, Sequence[str]] | None = None,
        form_errors: Sequence[str] = (),
    ) -> None:
        self.field_errors = {name: list(texts) for name, texts in (field_errors or {}).items()}
        self.form_errors = list(form_errors)
        super().__init__("; ".join(self._lines()))

    def _lines(self) -> list[str]:
        named = [f"{name}: {text}" for name, texts in self.field_errors.items() for text in texts]
        return named + self.form_errors

    def details(self) -> dict[str, object]:
        """The two lists in the shape that API clients expect."""
        return {"fieldErrors": self.field_errors, "formErrors": self.form_errors}


class NotFound(RybbitError):
    """What was asked for does not exist, or is none of the caller's business."""


class WrongCredentials(RybbitError):
    """No account has this email address and this password."""

    def __init__(self) -> None:
        super().__init__("Wrong email or password")


class Forbidden(RybbitError):
    """The caller knows of it, but may not do that to it."""

    def __init__(self, message: str = "Forbidden") -> None:
        super().__init__(message)


class Conflict(RybbitError):
    """The change contradicts something that is already there."""


class Unavailable(RybbitError):
    """The server cannot do it now, and nothing was changed; try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConfigurationError(RybbitError):
    """A setting, or the state of the instance folder, does not let the program run."""
