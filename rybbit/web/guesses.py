"""Limits on guessing: passwords by account and address, private links and other tokens by address."""

from typing import cast

from flask import current_app
from limits.strategies import RateLimiter

from rybbit.config import Config
from rybbit.limits import TrackLimiter, parse_rate
from rybbit.security import hash_key
from rybbit.services.emails import compared_email
from rybbit.web.errors import TooManyRequests

_EXTENSION = "rybbit_guesses"
# A server behind a socket file may know no address; all of those together are one.
_NO_ADDRESS = "unknown"


class Guesses:
    """Counts tries of one app over all its workers, and refuses those beyond the limits."""

    def __init__(self, config: Config, strategy: RateLimiter) -> None:
        self._strategy = strategy
        self._by_account = _limiter(config.login_rate_limit, "RYBBIT_LOGIN_RATE_LIMIT", strategy)
        self._by_address = _limiter(
            config.login_address_rate_limit, "RYBBIT_LOGIN_ADDRESS_RATE_LIMIT", strategy
        )
        self._links = _limiter(config.link_rate_limit, "RYBBIT_LINK_RATE_LIMIT", strategy)

    def count_password(self, email: str, address: str) -> None:
        """Count a try at an account's password.

        Raises:
            TooManyRequests: the account or the address has had too many; whether there is such an
                account makes no difference.
        """
        self.count_address(address)
        _refuse(self._by_account.hit(_account_name(email)))

    def count_reset(self, email: str, address: str) -> None:
        """Count a wish for a link to an account; apart from its sign-ins, which strangers could block so.

        Raises:
            TooManyRequests: the account or the address has had too many.
        """
        self.count_address(address)
        _refuse(self._by_account.hit(f"reset-{_account_name(email)}"))

    def count_address(self, address: str) -> None:
        """Count a try at something that is no account: a reset link, a new account.

        Raises:
            TooManyRequests: the address has had too many.
        """
        _refuse(self._by_address.hit(f"login-address:{address or _NO_ADDRESS}"))

    def forgive_account(self, email: str) -> None:
        """Begin again for an account: its owner has shown the password."""
        if self._by_account.rate is not None:
            self._strategy.clear(self._by_account.rate, _account_name(email))

    def count_link(self, address: str) -> None:
        """Count a wrong key of a private link.

        Raises:
            TooManyRequests: the address has had too many.
        """
        _refuse(self._links.hit(_link_name(address)))

    def check_link(self, address: str) -> None:
        """Refuse to look at a further key of a private link after too many wrong ones.

        Raises:
            TooManyRequests: the address has had too many.
        """
        _refuse(self._links.wait(_link_name(address)))


def current_guesses() -> Guesses:
    """The counts of the app that handles the request."""
    return cast(Guesses, current_app.extensions[_EXTENSION])


def _limiter(text: str, setting: str, strategy: RateLimiter) -> TrackLimiter:
    return TrackLimiter(parse_rate(text, setting=setting), strategy)


def _account_name(email: str) -> str:
    # Addresses can be long, and are nobody's business in a file of counts.
    return f"login:{hash_key(compared_email(email))}"


def _link_name(address: str) -> str:
    return f"link:{address or _NO_ADDRESS}"


def _refuse(wait: int) -> None:
    if wait:
        raise TooManyRequests("Too many attempts; try again later", retry_after=wait)
