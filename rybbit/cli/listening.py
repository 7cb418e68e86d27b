"""Where `rybbit serve` listens: one address of this machine, by itself or by a name."""

import errno
import ipaddress
import socket
import time

import click

_PORT_PATIENCE_SECONDS = 5.0
_PORT_LOOK_SECONDS = 0.1


def find_address(host: str, port: int) -> str:
    """The IP address to listen on: of those that `host` stands for, the first that this machine has.

    Raises:
        ClickException: there is none, or another server has the port.
    """
    failure: OSError | None = None
    for address in _addresses_of(host, port):
        try:
            _try_port(address, port)
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRINUSE:
                # Another address of the name would leave who asks for the name with either server.
                break
        else:
            return address
    reason = failure.strerror if failure else "it is no address that a server can listen on"
    raise click.ClickException(
        f"Cannot listen on {host}, port {port}: {reason}. Name another with --host and --port."
    ) from failure


def address_here(address: str, port: int) -> str:
    """The URL of a server that listens on an IP address, for who is on the same machine."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_unspecified:
        # It stands for every address of the machine, and is none to go to.
        address = "127.0.0.1" if parsed.version == 4 else "::1"
    return server_url(address, port)


def server_url(address: str, port: int) -> str:
    """The URL of an IP address and a port."""
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def _addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, IPv4 first, as everything else that we print names 127.0.0.1."""
    if not host.strip():
        raise click.ClickException("--host is empty: name an address, such as 127.0.0.1, or 0.0.0.0 for all.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise click.ClickException(
            f"--host {host} is no address, and no name that is known here. Name an address of this machine,"
            " such as 127.0.0.1, or 0.0.0.0 for all."
        ) from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(place[0]) for *_, place in found if not _is_of_one_link(place)))


def _is_of_one_link(place: tuple[object, ...]) -> bool:
    """Whether an IPv6 address needs the name of an interface, which the server cannot be told."""
    return len(place) == 4 and place[3] != 0


def _try_port(address: str, port: int) -> None:
    """Fail where the port is in use; the workers would share it, and its requests, with another server.

    Raises:
        OSError: it cannot be listened on.
    """
    give_up = time.monotonic() + _PORT_PATIENCE_SECONDS
    while True:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                # The workers of a server that was killed need a moment to notice.
                if error.errno != errno.EADDRINUSE or time.monotonic() > give_up:
                    raise
            else:
                return
        time.sleep(_PORT_LOOK_SECONDS)
