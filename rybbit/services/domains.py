"""Domains of sites in one spelling."""

import re

import idna

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253


def normalise_domain(text: str) -> str:
    """The domain as it is kept and compared: a lower-case host name in punycode.

    `http://`, `https://` and trailing slashes are stripped, and so is the dot of the root.

    Raises:
        ValueError: it is no host name with a dot; a port, a path or an IP address is none.
    """
    host = strip_domain(text)
    if len(host) > _LONGEST:
        raise ValueError("longer than a host name can be")
    host = to_punycode(host)
    labels = host.split(".")
    if len(host) > _LONGEST or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name with a dot")
    # The last label of a name is never a number; it would be read as an IPv4 address.
    if labels[-1].isdigit():
        raise ValueError("an IP address")
    return host


def strip_domain(text: str) -> str:
    """A domain as it was written, less what people paste along with it, in lower case."""
    return _SCHEME.sub("", text.strip(), count=1).rstrip("/").removesuffix(".").lower()


def to_punycode(host: str) -> str:
    """A lower-case host name in letters that every program knows; one of these alone stays as it is.

    Raises:
        ValueError: it has letters that no host name can have.
    """
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError("not an internationalised host name") from error


def from_punycode(host: str) -> str:
    """A host name as people read it.

    Raises:
        ValueError: it only looks like punycode.
    """
    try:
        return idna.decode(host)
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError("not an internationalised host name") from error
