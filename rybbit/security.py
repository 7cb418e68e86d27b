"""Making and checking what must not be guessed: ids, keys, passwords."""

import hashlib
import hmac
import re
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

KEY_PREFIX = "rb_"
_KEY = re.compile(r"rb_[0-9a-f]{32}")

# The library's defaults are the second recommended option of RFC 9106: 64 MiB, three passes.
password_hasher = PasswordHasher()


def make_key() -> str:
    """A new key as its owner sees it, once: `rb_` and 32 hex digits."""
    return KEY_PREFIX + secrets.token_hex(16)


def looks_like_key(text: str) -> bool:
    """Whether a text has the form of a key, so that anything else needs no look-up."""
    return _KEY.fullmatch(text) is not None


def hash_key(text: str) -> str:
    """What is kept of a key or another random token: its SHA-256 in 64 hex digits.

    A slow hash would protect a guessable secret; these have 128 random bits.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def make_token() -> str:
    """A new random token that fits into a link or a cookie: 43 characters, 256 random bits."""
    return secrets.token_urlsafe(32)


def make_link_key() -> str:
    """The key of a new private link: 12 hex digits."""
    return secrets.token_hex(6)


def make_id(prefix: str) -> str:
    """A new id such as `org_` and 24 hex digits."""
    return f"{prefix}_{secrets.token_hex(12)}"


def make_site_id() -> str:
    """A new public id of a site: 12 hex digits, at least one of them a letter other than e.

    The letter keeps an id apart from a site's number. With no letter but e, as in 12e456789012, it is a
    number to JavaScript, YAML and spreadsheets.
    """
    while True:
        candidate = secrets.token_hex(6)
        if not candidate.replace("e", "").isdigit():
            return candidate


def make_secret() -> bytes:
    """32 random bytes to key a hash with."""
    return secrets.token_bytes(32)


def make_password() -> str:
    """A password for a person to type once: 20 characters in groups of five, 100 random bits."""
    # The alphabet leaves out what is easily misread: 0 and o, 1 and l.
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    groups = ("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))
    return "-".join(groups)


def hash_password(password: str) -> str:
    """The Argon2id hash of a password, with its parameters and salt in it."""
    return password_hasher.hash(password)


def check_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one that was hashed.

    Takes its time without a hash as well, so that the time of an answer does not tell whether an
    account exists.
    """
    # A lone surrogate, which JSON can carry, is no password of anybody's, but no error either.
    secret = password.encode("utf-8", "surrogatepass")
    if password_hash is None:
        password_hasher.hash(secret)
        return False
    try:
        return password_hasher.verify(password_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether a hash was made with other parameters than today's, and is to be made anew."""
    return password_hasher.check_needs_rehash(password_hash)


def is_same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
