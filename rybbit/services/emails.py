"""Email addresses in one spelling.

Browsers send the domain of an address in punycode, whatever was typed; people and commands write it as they
read it. Accounts of earlier versions are kept as they were typed.
"""

from contextlib import suppress

from rybbit.errors import InvalidInput
from rybbit.services.domains import from_punycode, to_punycode

_LONGEST = 254
_NO_ADDRESS = {"email": ["Must be an email address"]}


def normalise_email(email: str) -> str:
    """An email address as it is kept: trimmed, lower case, its domain in punycode.

    Raises:
        InvalidInput: it has not the form of one.
    """
    address = email.strip().lower()
    user, _, host = address.rpartition("@")
    is_fit = bool(user and host) and len(address) <= _LONGEST and address.isprintable()
    if not is_fit or any(character.isspace() or character in '@<>",;' for character in user + host):
        raise InvalidInput(_NO_ADDRESS)
    try:
        address = f"{user}@{to_punycode(host)}"
    except ValueError as error:
        raise InvalidInput(_NO_ADDRESS) from error
    if len(address) > _LONGEST:
        raise InvalidInput(_NO_ADDRESS)
    return address


def compared_email(email: str) -> str:
    """The one form of an address in which it is compared; what is no address is itself in lower case."""
    try:
        return normalise_email(email)
    except InvalidInput:
        return email.strip().lower()


def email_spellings(email: str) -> list[str]:
    """The forms in which an address may be kept: as it is written, in punycode, and as people read that."""
    compared = compared_email(email)
    spellings = [email.strip().lower(), compared]
    user, _, host = compared.rpartition("@")
    if "xn--" in host and len(compared) <= _LONGEST:
        # What only looks like punycode has no other form.
        with suppress(ValueError):
            spellings.append(f"{user}@{from_punycode(host)}")
    return list(dict.fromkeys(spellings))
