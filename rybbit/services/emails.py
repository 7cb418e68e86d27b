"""Email addresses in one spelling."""

from rybbit.errors import InvalidInput

_LONGEST = 254


def normalise_email(email: str) -> str:
    """An email address as it is kept: trimmed, lower case.

    Raises:
        InvalidInput: it has not the form of one.
    """
    address = email.strip().lower()
    user, _, host = address.rpartition("@")
    is_fit = bool(user and host) and len(address) <= _LONGEST and address.isprintable()
    if not is_fit or any(character.isspace() or character in '@<>",;' for character in user + host):
        raise InvalidInput({"email": ["Must be an email address"]})
    return address
