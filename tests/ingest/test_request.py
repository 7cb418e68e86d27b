"""Requests: bearer tokens, and whose `X-Forwarded-For` is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit.ingest.exclusions import normalise_address
from rybbit.ingest.request import TrackRequest, TrustedProxies

PROXY = "10.0.0.1"
CLIENT = "203.0.113.9"


def _request(authorization: str) -> TrackRequest:
    return TrackRequest(
        body=b"",
        content_type="",
        authorization=authorization,
        origin="",
        referer="",
        user_agent="",
        forwarded_for="",
        peer="",
    )


class TestToken:
    """What was given as a bearer."""

    @pytest.mark.parametrize(
        ("authorization", "token"),
        [
            ("Bearer rb_1", "rb_1"),
            ("bearer rb_1", "rb_1"),
            ("BEARER   rb_1  ", "rb_1"),
            ("Bearer", ""),
            ("Bearer ", ""),
            ("", None),
            ("Basic cmJfMQ==", None),
            ("rb_1", None),
            ("Bearerrb_1", None),
        ],
    )
    def test_forms(self, authorization: str, token: str | None) -> None:
        assert _request(authorization).token == token


class TestClientAddress:
    """The address that a request came from."""

    def test_nobody_is_trusted_by_default(self) -> None:
        assert TrustedProxies([]).client_address(PROXY, CLIENT) == PROXY
        assert TrustedProxies([]).client_address("::ffff:10.0.0.1", CLIENT) == PROXY

    @pytest.mark.parametrize(
        ("peer", "forwarded", "expected"),
        [
            (PROXY, CLIENT, CLIENT),
            (PROXY, "", PROXY),
            # Whoever comes straight to us can claim nothing.
            (CLIENT, "198.51.100.1", CLIENT),
            # The client's own claim stands further left than what the proxy saw.
            (PROXY, f"198.51.100.1, {CLIENT}", CLIENT),
            (PROXY, f"{PROXY}, 198.51.100.1, {CLIENT}", CLIENT),
            # Past every trusted hop.
            (PROXY, f"198.51.100.1, {CLIENT}, 10.0.0.7, 10.255.0.1", CLIENT),
            (PROXY, "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            # Forms that proxies write.
            (PROXY, f"{CLIENT}:4711", CLIENT),
            (PROXY, "[2001:db8::1]:4711", "2001:db8::1"),
            (PROXY, "[2001:db8::1]", "2001:db8::1"),
            (PROXY, "2001:0DB8:0::1", "2001:db8::1"),
            (PROXY, "::ffff:203.0.113.9", CLIENT),
            (PROXY, f" {CLIENT}\t", CLIENT),
            # What is no address ends the walk at the last hop that is one.
            (PROXY, "unknown", PROXY),
            (PROXY, f"{CLIENT}, unknown", PROXY),
            (PROXY, f"{CLIENT}, unknown, 10.0.0.2", "10.0.0.2"),
            (PROXY, f"{CLIENT},", PROXY),
            (PROXY, ",,,", PROXY),
            ("::ffff:10.0.0.1", CLIENT, CLIENT),
            # A peer without an address cannot be trusted by address.
            ("", CLIENT, ""),
            ("unix:", CLIENT, ""),
        ],
    )
    def test_walks(self, peer: str, forwarded: str, expected: str) -> None:
        assert TrustedProxies(["10.0.0.0/8"]).client_address(peer, forwarded) == expected

    @pytest.mark.parametrize(
        ("ranges", "peer", "trusted"),
        [
            (["10.0.0.1"], "10.0.0.1", True),
            (["10.0.0.1"], "10.0.0.2", False),
            (["10.0.0.7/24"], "10.0.0.200", True),
            (["2001:db8::/32"], "2001:db8:1::5", True),
            (["2001:db8::/32"], "10.0.0.1", False),
            (["0.0.0.0/0"], "2001:db8::1", False),
            (["192.0.2.0/24", "::1"], "::1", True),
            (["::ffff:10.0.0.0/104"], "10.0.0.1", True),
            (["::ffff:10.0.0.0/104"], "11.0.0.1", False),
            (["::/0"], "10.0.0.1", False),
        ],
    )
    def test_ranges(self, ranges: list[str], peer: str, trusted: bool) -> None:
        expected = CLIENT if trusted else normalise_address(peer)
        assert TrustedProxies(ranges).client_address(peer, CLIENT) == expected

    @given(forwarded=st.text(max_size=60) | st.lists(st.ip_addresses().map(str), max_size=4).map(", ".join))
    def test_whatever_is_sent_an_address_comes_out(self, forwarded: str) -> None:
        address = TrustedProxies(["10.0.0.0/8", "fd00::/8"]).client_address(PROXY, forwarded)
        assert normalise_address(address) == address

    @given(claim=st.text(max_size=40))
    def test_a_client_behind_a_proxy_cannot_be_anybody_else(self, claim: str) -> None:
        forwarded = f"{claim}, {CLIENT}"
        assert TrustedProxies(["10.0.0.0/8"]).client_address(PROXY, forwarded) == CLIENT


class TestDerivation:
    """Why an address is the one that we take."""

    def test_without_proxies(self) -> None:
        assert TrustedProxies([]).derive(PROXY, CLIENT) == (PROXY, "peer", [])

    def test_through_two(self) -> None:
        proxies = TrustedProxies(["10.0.0.0/8", "192.0.2.1"])
        derived = proxies.derive(PROXY, f"198.51.100.1, {CLIENT}, 192.0.2.1")
        assert derived == (CLIENT, "x-forwarded-for", [(PROXY, "10.0.0.0/8"), ("192.0.2.1", "192.0.2.1/32")])

    def test_a_hop_that_names_no_address(self) -> None:
        derived = TrustedProxies(["10.0.0.0/8"]).derive(PROXY, "unknown")
        assert derived == (PROXY, "peer", [(PROXY, "10.0.0.0/8")])

    @given(
        peer=st.sampled_from([PROXY, CLIENT, "", "::ffff:10.0.0.1", "x"]),
        hops=st.lists(st.sampled_from([PROXY, CLIENT, "10.9.9.9:80", "[::1]:80", "", " ", "unknown"])),
        ranges=st.lists(st.sampled_from(["10.0.0.0/8", "::1", "0.0.0.0/0"])),
    )
    def test_is_the_address_of_tracking(self, peer: str, hops: list[str], ranges: list[str]) -> None:
        proxies = TrustedProxies(ranges)
        forwarded = ",".join(hops)
        assert proxies.derive(peer, forwarded).address == proxies.client_address(peer, forwarded)
