"""A tracking request as the pipeline sees it, whatever server or framework it came through."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from rybbit.ingest.exclusions import normalise_address

Network = IPv4Network | IPv6Network


class TrackRequest(NamedTuple):
    """What counts of an HTTP request: its body, the headers that matter, and the peer's address."""

    body: bytes
    content_type: str
    authorization: str
    origin: str
    referer: str
    user_agent: str
    forwarded_for: str
    peer: str

    @property
    def token(self) -> str | None:
        """What was given as a bearer; None without one, whatever other credentials there may be."""
        scheme, _, token = self.authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


class Hop(NamedTuple):
    """A trusted machine on the way of a request, and the range of `RYBBIT_TRUSTED_PROXIES` it is in."""

    address: str
    range: str


class Derivation(NamedTuple):
    """How an address was arrived at: `source` is `peer` or `x-forwarded-for`.

    `trusted` are the hops whose word counted, from the peer on; the last may have named no address.
    """

    address: str
    source: str
    trusted: list[Hop]


class TrustedProxies:
    """The peers whose `X-Forwarded-For` is believed."""

    def __init__(self, ranges: Sequence[str]) -> None:
        self._networks = [_network(text) for text in ranges]

    def client_address(self, peer: str, forwarded_for: str) -> str:
        """The address a request came from, in canonical form; "" if the peer has none (a socket file).

        The header is read from the right, past every hop that is trusted; the first that is not, or
        that is no address, ends the walk.
        """
        address = normalise_address(peer) or ""
        if not self._networks or not forwarded_for:
            return address
        for hop in reversed(forwarded_for.split(",")):
            if not self._trusts(address):
                break
            named = normalise_address(_without_port(hop.strip()))
            if named is None:
                break
            address = named
        return address

    def derive(self, peer: str, forwarded_for: str) -> Derivation:
        """The address that `client_address` answers, and how it came about; slower, for who asks why."""
        derived = Derivation(normalise_address(peer) or "", "peer", [])
        for hop in reversed(forwarded_for.split(",")) if forwarded_for else ():
            network = self._network_of(derived.address)
            named = normalise_address(_without_port(hop.strip()))
            if network is None:
                break
            derived.trusted.append(Hop(derived.address, str(network)))
            if named is None:
                break
            derived = Derivation(named, "x-forwarded-for", derived.trusted)
        return derived

    def _network_of(self, address: str) -> Network | None:
        if not address:
            return None
        parsed = ip_address(address)
        return next((network for network in self._networks if parsed in network), None)

    def _trusts(self, address: str) -> bool:
        if not address:
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)


def _network(text: str) -> Network:
    """The range, as IPv4 if it is one of IPv4-mapped addresses: that is how addresses are compared."""
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ip_network((mapped, network.prefixlen - 96))
    return network


def _without_port(hop: str) -> str:
    # Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`.
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
