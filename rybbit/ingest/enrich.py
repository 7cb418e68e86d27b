"""From a checked event to its line in the journal: device, place, channel, visitor."""

from typing import Any, NamedTuple

from pydantic_core import to_json

from rybbit.ingest.agent import parse_agent
from rybbit.ingest.channel import classify, is_self_referral, referrer_domain, split_query
from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.exclusions import normalise_address
from rybbit.ingest.geo import GeoDatabase, Place
from rybbit.ingest.payload import Event
from rybbit.ingest.visitor import Visitors
from rybbit.store.journal import Entry


class Client(NamedTuple):
    """Whom an event is about: an address in canonical form and a user agent; "" where unknown."""

    address: str
    user_agent: str

    def overridden_by(self, event: Event) -> "Client":
        """The same, with what the event itself says."""
        if event.ip_address is None and event.user_agent is None:
            return self
        address = self.address if event.ip_address is None else normalise_address(event.ip_address) or ""
        return Client(address, self.user_agent if event.user_agent is None else event.user_agent)


class Enricher:
    """Adds what the server knows to what the sender said."""

    def __init__(self, geo: GeoDatabase, visitors: Visitors) -> None:
        self._geo = geo
        self._visitors = visitors

    def locate(self, address: str) -> Place:
        """The place of an address."""
        return self._geo.locate(address)

    def entry(self, event: Event, site: TrackedSite, client: Client, place: Place, now_ms: int) -> Entry:
        """What the journal takes."""
        user_hash, earlier_hash = self._visitors.identify(
            site,
            user_id=event.user_id,
            address=client.address,
            user_agent=client.user_agent,
            now_ms=now_ms,
        )
        timestamp = now_ms if event.timestamp is None else event.timestamp
        columns: dict[str, Any] = {
            "site_id": site.site_id,
            "timestamp": timestamp,
            "type": event.type,
            **sent_columns(event),
            **source_columns(event, site),
            **parse_agent(client.user_agent, event.screen_width).columns(),
            "country": place.country,
            "region": place.region,
            "city": place.city,
            "timezone": place.timezone,
            "lat": place.latitude,
            "lon": place.longitude,
            "ip": client.address if site.track_ip else None,
        }
        filled = {name: value for name, value in columns.items() if value is not None and value != ""}
        return Entry(
            site.site_id,
            user_hash,
            timestamp,
            to_json(filled)[1:],
            event_id=event.event_id,
            earlier_hash=earlier_hash,
        )


def sent_columns(event: Event) -> dict[str, Any]:
    """The columns that are as they were sent."""
    return {
        "user_id": event.user_id,
        "event_id": event.event_id,
        "hostname": event.hostname,
        "pathname": event.pathname,
        "querystring": event.querystring,
        "page_title": event.page_title,
        "language": event.language,
        "screen_width": event.screen_width,
        "screen_height": event.screen_height,
        "event_name": event.event_name,
        "properties": event.properties,
        "lcp": event.lcp,
        "cls": event.cls,
        "inp": event.inp,
        "fcp": event.fcp,
        "ttfb": event.ttfb,
    }


def source_columns(event: Event, site: TrackedSite) -> dict[str, Any]:
    """The columns on where the visitor came from."""
    query = split_query(event.querystring or "")
    hostname = event.hostname or site.domain
    referrer = event.referrer or ""
    domain = referrer_domain(referrer)
    # The published web SDK says `direct` where the browser gives no referrer.
    if referrer == "direct" or is_self_referral(domain, site.domain, hostname):
        referrer = domain = ""
    return {
        "referrer": referrer,
        "referrer_domain": domain,
        "channel": classify(query=query, referrer_host=domain, hostname=hostname),
        "utm_source": query.utm_source,
        "utm_medium": query.utm_medium,
        "utm_campaign": query.utm_campaign,
        "utm_term": query.utm_term,
        "utm_content": query.utm_content,
        "url_parameters": to_json(query.parameters).decode() if query.parameters else None,
    }
