"""A site that one test has for itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from urllib.error import HTTPError

from tests.browser.server import Server
from tests.browser.shop import call

_numbers = count(1)


@dataclass(frozen=True)
class OwnSite:
    """A site of the owner's."""

    site_id: int
    domain: str

    def path(self, tab: str) -> str:
        """The address of a tab of its settings."""
        return f"/sites/{self.site_id}/settings/{tab}"


@contextmanager
def new_site(server: Server) -> Iterator[OwnSite]:
    """A new site with default settings, deleted at the end."""
    [organization] = call(server, "GET", "/api/organizations")
    domain = f"own{next(_numbers)}.example.com"
    made = call(server, "POST", f"/api/sites/{organization['id']}", {"name": "Own", "domain": domain})
    yield OwnSite(made["siteId"], domain)
    # The test may have deleted it.
    with suppress(HTTPError):
        call(server, "DELETE", f"/api/sites/{made['siteId']}")
