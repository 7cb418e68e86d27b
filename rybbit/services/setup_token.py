"""The one-time token with which the first account is made in a browser.

Whoever starts the server sees it, and nobody else; it is kept as a hash in the instance folder, where every
worker looks, and is worth nothing from the first account on.
"""

import os
from pathlib import Path

from rybbit import security
from rybbit.services import accounts

_FILE = "setup_token"


def make_setup_token(folder: Path) -> str:
    """Make the token of an instance; one that was made before ends."""
    token = security.make_token()
    path = folder / _FILE
    temporary = path.with_name(f"{_FILE}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(security.hash_key(token))
    # Renamed, so that no worker reads half of it.
    temporary.replace(path)
    return token


def setup_url(base_url: str, token: str) -> str:
    """The link; `base_url` is the address of the server as whoever started it reaches it."""
    return f"{base_url.rstrip('/')}/setup?token={token}"


def opens_setup(folder: Path, token: str) -> bool:
    """Whether the token is that of an instance which nobody has an account on."""
    try:
        kept = (folder / _FILE).read_text().strip()
    except FileNotFoundError:
        return False
    return security.is_same(kept, security.hash_key(token)) and not accounts.has_accounts()


def end_setup_token(folder: Path) -> None:
    """Remove what is left of a token that is used."""
    (folder / _FILE).unlink(missing_ok=True)
