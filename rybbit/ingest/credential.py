"""Whether a request may track for a site: by a key, or from a page of the site's domain."""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from rybbit.ingest.answers import Refused
from rybbit.ingest.directory import SiteDirectory, TrackedSite
from rybbit.ingest.payload import Event
from rybbit.ingest.request import TrackRequest
from rybbit.limits import TrackLimiter, describe_rate
from rybbit.models import Reason

# The fields with which a browser could step around exclusions, by their names in the API.
_NEED_A_KEY = ("ip_address", "user_agent", "timestamp")
_SHOWN = 200


class Admission(NamedTuple):
    """A request that was let in for a site; `key_id` is None for a browser."""

    site: TrackedSite
    key_id: str | None


class Gate:
    """Checks 2 to 5 of the contract, in their order."""

    def __init__(self, directory: SiteDirectory, *, by_key: TrackLimiter, by_address: TrackLimiter) -> None:
        self._directory = directory
        self._by_key = by_key
        self._by_address = by_address

    def admit(
        self, site_identifier: str, token: str | None, request: TrackRequest, address: str
    ) -> Admission:
        """Let a request in, or raise `Refused`; it counts against its rate limit either way."""
        return self._admit(site_identifier, token, request, address, set())

    def admit_all(
        self, names: Iterable[tuple[str, str | None]], request: TrackRequest, address: str
    ) -> dict[tuple[str, str | None], Admission]:
        """Let one request in for several sites and tokens, or raise the first `Refused`.

        It counts once against each limit, however many sites it names.
        """
        counted: set[str] = set()
        return {name: self._admit(*name, request, address, counted) for name in names}

    def _admit(
        self, site_identifier: str, token: str | None, request: TrackRequest, address: str, counted: set[str]
    ) -> Admission:
        site = self._directory.find_site(site_identifier)
        if site is None:
            raise Refused(404 if token is None else 403, "Site not found")
        if token is None:
            self._check_rate(self._by_address, address, "address", site, counted)
            _check_origin(site, request)
            return Admission(site, None)
        key = self._directory.find_key(token)
        if key is None or not key.may_track(site):
            raise Refused(403, "Invalid API key", reason=Reason.INVALID_KEY, site_id=site.site_id)
        self._check_rate(self._by_key, key.id, "API key", site, counted)
        return Admission(site, key.id)

    def _check_rate(
        self, limiter: TrackLimiter, name: str, per: str, site: TrackedSite, counted: set[str]
    ) -> None:
        if name in counted:
            return
        counted.add(name)
        wait = limiter.hit(name)
        if not wait or limiter.rate is None:
            return
        raise Refused(
            429,
            f"Rate limit exceeded. Maximum {describe_rate(limiter.rate)} per {per}.",
            reason=Reason.RATE_LIMIT,
            rule=name if per == "API key" else per,
            site_id=site.site_id,
            retry_after=wait,
        )


def token_of(api_key: str | None, request: TrackRequest) -> str | None:
    """The key that a request shows, as its body or as bearer; None for a browser.

    Two different ones are a wrong key, so that nobody tracks under a key they did not mean.
    """
    bearer = request.token
    if api_key is None:
        return bearer
    return api_key if bearer in (None, api_key) else ""


def check_fields(event: Event, admission: Admission) -> None:
    """Refuse a browser's event that carries a field which needs a key."""
    if admission.key_id is not None:
        return
    for name in _NEED_A_KEY:
        if getattr(event, name) is not None:
            raise Refused(
                403,
                f"{name} requires an API key",
                reason=Reason.FORBIDDEN_FIELD,
                rule=name,
                site_id=admission.site.site_id,
            )


def _check_origin(site: TrackedSite, request: TrackRequest) -> None:
    received = request.origin or request.referer
    if not received:
        raise Refused(
            403, "Origin header required", reason=Reason.ORIGIN, rule="missing", site_id=site.site_id
        )
    if not _is_of_domain(host_of(received), site.domain):
        raise Refused(
            403,
            f"Origin mismatch. Received: {_printable(received)}",
            reason=Reason.ORIGIN,
            rule="mismatch",
            site_id=site.site_id,
        )


def host_of(url: str) -> str:
    """The host that a URL names, in punycode; "" if it names none."""
    try:
        host = urlsplit(url).hostname or ""
        return host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        return ""


def _is_of_domain(host: str, domain: str) -> bool:
    host = host.rstrip(".")
    return host == domain or host.endswith(f".{domain}")


def _printable(text: str) -> str:
    return "".join(character for character in text[:_SHOWN] if character.isprintable())
