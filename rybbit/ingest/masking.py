"""Taking out of a request what must not be kept of it: keys, and most of an address.

A key is whatever has the form of one, whatever was shown as one (in the header or the body), and the value
of any member whose name says that it is one. Escapes do not hide it: `\\u0072b_…` is read as JSON reads it,
and a text in which a key turns up only after further decoding is taken out whole.
"""

import json
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

from rybbit.ingest.exclusions import normalise_address

HIDDEN = "…"

# Shorter ones would shred every text they occur in, and protect nothing.
_SHORTEST_SECRET = 8
_SHORTEST_BEGINNING = 5
_TOKEN = re.compile(r"rb_[0-9a-f]{8,}", re.IGNORECASE)
_SECRET_NAME = re.compile(r"key\Z|token|secret|passw|authorization|cookie|jwt|session|credential")
_ADDRESS_NAMES = frozenset({"ipaddress", "ip"})
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})")
_ROUNDS = 4
_PIECE = re.compile(
    r"""
    (?P<name>"(?:[^"\\]|\\.)*+"(?=\s*:))
    | (?P<text>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))
    | (?P<bare>[^\s"{}\[\],:]+)
    | (?P<open>[{\[])
    | (?P<close>[}\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
# What belongs to machines of ours or of a network behind a proxy, and to no visitor in the world.
_LOCAL = [
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
]
_LOOKS_LIKE_ADDRESS = re.compile(r"[0-9a-fA-F]*[.:][0-9a-fA-F]*[.:]")


def secrets_of(texts: Iterable[str | None]) -> list[str]:
    """Those texts that are long enough to be secrets, the longest first."""
    return sorted({text for text in texts if text and len(text) >= _SHORTEST_SECRET}, key=len, reverse=True)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets and without anything that has the form of a key.

    The text may have been cut: what is left of a secret at its end is taken out as well.
    """
    shown = _without_beginning(_replace(text, secrets), secrets)
    return HIDDEN if _hides(shown, secrets) else shown


def mask_json(text: str, secrets: list[str], *, whole: bool, shorten: bool) -> str:
    """A JSON text without keys, else as it was written.

    `whole` is False for a text that was cut off; `shorten` says that addresses are shortened.
    """
    masked = _JsonMask(secrets, whole=whole, shorten=shorten).apply(text)
    return _replace(masked, secrets)


def shorten_address(address: str) -> str:
    """The network that an address is in: /24 or /48. Addresses of local networks stay as they are."""
    if normalise_address(address) is None:
        return HIDDEN if _LOOKS_LIKE_ADDRESS.search(address) else address
    parsed = ip_address(normalise_address(address) or "")
    if any(parsed in network for network in _LOCAL):
        return str(parsed)
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _replace(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _TOKEN.sub(f"rb_{HIDDEN}", text)


def _without_beginning(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        for length in range(min(len(secret), len(text)), _SHORTEST_BEGINNING - 1, -1):
            if text.endswith(secret[:length]):
                text = text[:-length] + HIDDEN
                break
    return text


def _hides(text: str, secrets: Iterable[str]) -> bool:
    """Whether a key turns up when escapes in the text are decoded, also those of escapes."""
    for _ in range(_ROUNDS):
        decoded = _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
        if decoded == text:
            return False
        if _TOKEN.search(decoded) or any(secret in decoded for secret in secrets):
            return True
        text = decoded
    # Whoever escapes escapes that often has something to hide.
    return True


class _JsonMask:
    """One pass over the pieces of a JSON text; knows under which name each value stands."""

    def __init__(self, secrets: list[str], *, whole: bool, shorten: bool) -> None:
        self._secrets = secrets
        self._whole = whole
        self._shorten = shorten
        self._name = ""
        self._depth = 0
        self._hidden_at = -1
        self._handlers: dict[str, Callable[[str], str]] = {
            "name": self._on_name,
            "text": self._on_text,
            "bare": self._on_bare,
            "open": self._on_open,
            "close": self._on_close,
        }

    def apply(self, text: str) -> str:
        return _PIECE.sub(lambda match: self._handlers[match.lastgroup or ""](match[0]), text)

    def _on_name(self, piece: str) -> str:
        name = _decoded(piece)
        self._name = "".join(character for character in name.lower() if character.isalnum())
        return self._masked(piece, name)

    def _on_open(self, piece: str) -> str:
        if self._is_secret() and self._hidden_at < 0:
            self._hidden_at = self._depth
        self._depth += 1
        self._name = ""
        return piece

    def _on_close(self, piece: str) -> str:
        self._depth -= 1
        if self._depth == self._hidden_at:
            self._hidden_at = -1
        return piece

    def _on_bare(self, piece: str) -> str:
        """A number, true, false or null."""
        is_secret, self._name = self._is_secret(), ""
        return f'"{HIDDEN}"' if is_secret and piece != "null" else piece

    def _on_text(self, piece: str) -> str:
        name, is_secret, self._name = self._name, self._is_secret(), ""
        if is_secret:
            return f'"{HIDDEN}"'
        if not self._whole and (len(piece) == 1 or not piece.endswith('"')):
            text = _decoded(_CUT_ESCAPE.sub("", piece) + '"')
            return json.dumps(mask(text, self._secrets), ensure_ascii=False)[:-1]
        text = _decoded(piece)
        if self._shorten and name in _ADDRESS_NAMES:
            return json.dumps(mask(shorten_address(text), self._secrets), ensure_ascii=False)
        return self._masked(piece, text)

    def _is_secret(self) -> bool:
        return self._hidden_at >= 0 or _SECRET_NAME.search(self._name) is not None

    def _masked(self, piece: str, text: str) -> str:
        masked = mask(text, self._secrets)
        return piece if masked == text else json.dumps(masked, ensure_ascii=False)


def _decoded(literal: str) -> str:
    try:
        text = json.loads(literal, strict=False)
    except ValueError:
        return literal[1:-1]
    return str(text)
