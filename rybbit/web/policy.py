"""What a browser may do with our pages: nothing, but for what is named."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Flask, Response, g, request

SELF = "'self'"
NONE = "'none'"

_POLICY = "policy"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: the CSRF check of forms over HTTPS looks at where they come from.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Policy:
    """A Content-Security-Policy that forbids everything it does not name.

    Never changed, but widened: `Policy().allow("style-src", SELF)` is another one.
    """

    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def allow(self, directive: str, *sources: str) -> "Policy":
        """The same policy with further sources for one directive, such as `img-src`."""
        known = tuple(source for source in self.sources.get(directive, ()) if source != NONE)
        added = tuple(source for source in sources if source not in known)
        return Policy({**self.sources, directive: known + added})

    def __str__(self) -> str:
        named = {"default-src": (NONE,), **self.sources}
        # These do not follow `default-src`.
        closed = {
            name: (NONE,) for name in ("base-uri", "form-action", "frame-ancestors") if name not in named
        }
        return "; ".join(f"{name} {' '.join(sources)}" for name, sources in {**named, **closed}.items())


PAGE = (
    Policy()
    .allow("script-src", SELF)
    .allow("style-src", SELF)
    .allow("img-src", SELF)
    .allow("connect-src", SELF)
    .allow("form-action", SELF)
)
"""What every page of ours needs."""


def widen_policy(directive: str, *sources: str) -> None:
    """Allow the page that is being made a source more than others have."""
    g.setdefault(_POLICY, PAGE)
    g.policy = g.policy.allow(directive, *sources)


def register(app: Flask) -> None:
    """Send the policy with every page."""
    app.after_request(_restrict)


def _restrict(response: Response) -> Response:
    if request.endpoint == "static":
        response.headers["X-Content-Type-Options"] = "nosniff"
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", str(g.get(_POLICY, PAGE)))
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return response
