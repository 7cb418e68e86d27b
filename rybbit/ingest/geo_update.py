"""Fetches a city database from MaxMind and puts it in place."""

import base64
import gzip
import hashlib
import http.client
import io
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO
from urllib import error as urllib_error
from urllib import request as urllib_request
from urllib.parse import urlsplit

import maxminddb

from rybbit import clock
from rybbit.errors import ConfigurationError, Unavailable
from rybbit.ingest.geo import GeoDatabase, look_up, open_reader

_MIB = 1024 * 1024
_CHUNK = _MIB
_LARGEST_DOWNLOAD = 512 * _MIB
_LARGEST_UNPACKED = 1024 * _MIB
_LARGEST_CHECKSUM = 4096
_MOST_MEMBERS = 100
_SOCKET_SECONDS = 30
_TOTAL_SECONDS = 1800
_NETWORKS_TO_TRY = 1000
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_RETRY_SECONDS = 3600

_CHECKSUM = re.compile(r"\s*([0-9a-fA-F]{64})\b")
_EDITION = re.compile(r"[A-Za-z0-9-]{1,64}")
_ARCHIVE_ERRORS = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError)
"""The last two come of headers that contradict themselves or follow each other by the hundred."""


class _Limited(io.BufferedIOBase):
    """A stream that refuses to yield more than it may, or for longer than it may."""

    def __init__(self, read: Callable[[int], bytes], limit: int, what: str) -> None:
        self._read, self._left, self._what = read, limit, what
        self._deadline = clock.monotonic() + _TOTAL_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes; raises `Unavailable` past the limits."""
        chunk = self._read(_CHUNK if size is None or size < 0 else size)
        self._left -= len(chunk)
        if self._left < 0:
            raise Unavailable(f"{self._what} is larger than it can be; nothing was changed.")
        if clock.monotonic() > self._deadline:
            raise Unavailable(f"{self._what} took too long; nothing was changed.", retry_after=_RETRY_SECONDS)
        return chunk


class _SameSchemeRedirects(urllib_request.HTTPRedirectHandler):
    """Follows MaxMind to its storage, but never from https to plain http."""

    def redirect_request(
        self,
        req: urllib_request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib_request.Request | None:
        if urlsplit(newurl).scheme != urlsplit(req.full_url).scheme:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Source:
    """MaxMind's download service, for one account and edition."""

    def __init__(self, base_url: str, edition: str, account_id: str, licence_key: str) -> None:
        account_id, licence_key = account_id.strip(), licence_key.strip()
        if not account_id or not licence_key:
            raise ConfigurationError("MaxMind's downloads need an account id and a licence key.")
        if not _EDITION.fullmatch(edition):
            raise ConfigurationError("The edition is a name such as GeoLite2-City.")
        if not _is_safe(base_url):
            raise ConfigurationError("The download address must begin with https://.")
        self._url = f"{base_url.rstrip('/')}/geoip/databases/{edition}/download?suffix="
        token = base64.b64encode(f"{account_id}:{licence_key}".encode()).decode()
        self._authorization = f"Basic {token}"
        self._opener = urllib_request.build_opener(_SameSchemeRedirects)

    def fetch(self, suffix: str, limit: int) -> Iterator[bytes]:
        """One of the service's files, in pieces; failures become errors that tell what to do."""
        request = urllib_request.Request(self._url + suffix)
        # Unredirected: the storage that MaxMind sends us to must not see the licence key.
        request.add_unredirected_header("Authorization", self._authorization)
        try:
            with self._opener.open(request, timeout=_SOCKET_SECONDS) as answer:
                # `read1` returns with what has come, so that a server that dribbles meets the deadline.
                limited = _Limited(answer.read1, limit, "The download")
                while chunk := limited.read(_CHUNK):
                    yield chunk
        except urllib_error.HTTPError as error:
            error.close()
            raise _explain_status(error.code) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            # Not its text, which could hold the signed address of the storage.
            reason = type(getattr(error, "reason", error)).__name__
            raise Unavailable(
                f"MaxMind cannot be reached ({reason}); nothing was changed.", retry_after=_RETRY_SECONDS
            ) from None


def update_database(
    *,
    account_id: str,
    licence_key: str,
    target: Path,
    edition: str = "GeoLite2-City",
    base_url: str = "https://download.maxmind.com",
) -> dict[str, object]:
    """Download a city database, check it, and swap it in for `target` in one step.

    It must have the checksum that MaxMind publishes beside it, open, and know the country of some
    address. Running readers notice the swap. Returns what `GeoDatabase.describe` says of the new file,
    with its `bytes`. Raises `ConfigurationError` if account, key, edition or address are wrong and
    `Unavailable` for everything else; the old file is then still in place.
    """
    source = _Source(base_url, edition, account_id, licence_key)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".geoip-") as folder:
            archive, database = Path(folder, "archive"), Path(folder, "database")
            _download(source, archive)
            _unpack(archive, database)
            _check(database)
            return _swap_in(database, target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unavailable(f"The database cannot be written: {reason}; nothing was changed.") from error


def _is_safe(base_url: str) -> bool:
    """Whether a licence key may be sent there: encrypted, or not leaving the machine."""
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _download(source: _Source, archive: Path) -> None:
    """Fetch the archive and compare it with its published checksum."""
    answer = b"".join(source.fetch("tar.gz.sha256", _LARGEST_CHECKSUM))
    published = _CHECKSUM.match(answer.decode("ascii", "replace"))
    if not published:
        raise Unavailable("MaxMind sent no checksum; nothing was changed.", retry_after=_RETRY_SECONDS)
    digest = hashlib.sha256()
    with archive.open("wb") as file:
        for chunk in source.fetch("tar.gz", _LARGEST_DOWNLOAD):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != published[1].lower():
        raise Unavailable(
            "The download does not have the checksum that MaxMind publishes; nothing was changed.",
            retry_after=_RETRY_SECONDS,
        )


def _unpack(archive: Path, database: Path) -> None:
    """Copy the bytes of the archive's database to a path of our own choosing."""
    try:
        with gzip.open(archive) as plain:
            limited = _Limited(plain.read, _LARGEST_UNPACKED, "The unpacked archive")
            # Read as a stream; no name, link, owner or mode in the archive is ever used.
            with tarfile.open(None, "r|", limited) as members:
                _copy_database(members, database)
    except _ARCHIVE_ERRORS as error:
        raise Unavailable("The download is no archive; nothing was changed.") from error


def _copy_database(members: tarfile.TarFile, database: Path) -> None:
    for member in islice(members, _MOST_MEMBERS):
        content = members.extractfile(member) if _holds_database(member) else None
        if content is not None:
            with database.open("wb") as file:
                while chunk := content.read(_CHUNK):
                    file.write(chunk)
            return
    raise Unavailable("The download holds no database; nothing was changed.")


def _holds_database(member: tarfile.TarInfo) -> bool:
    return member.isfile() and not member.issparse() and member.name.endswith(".mmdb")


def _check(database: Path) -> None:
    """Raise `Unavailable` unless the file is a database that answers as `GeoDatabase` will ask it."""
    try:
        # geoip2 offers no way to learn which addresses a file holds, maxminddb does.
        with open_reader(database) as reader, maxminddb.open_database(database) as networks:
            addresses = [str(network[0]) for network, _ in islice(networks, _NETWORKS_TO_TRY)]
            answers = any(look_up(reader, address).country for address in addresses)
    except Exception as error:  # a damaged file raises anything, see `rybbit.ingest.geo`
        raise Unavailable("The downloaded database cannot be read; nothing was changed.") from error
    if not answers:
        raise Unavailable("The downloaded database knows no country; nothing was changed.")


def _swap_in(database: Path, target: Path) -> dict[str, object]:
    """Rename the file over the target so that it is there, whole, even after a power cut."""
    database.chmod(0o644)
    _sync(database)
    database.replace(target)
    _sync(target.parent)
    return {**GeoDatabase(target).describe(), "bytes": target.stat().st_size}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain_status(status: int) -> Exception:
    if status in (401, 403):
        return ConfigurationError("MaxMind refused the account id or the licence key.")
    if status == 404:
        return ConfigurationError("MaxMind has no such edition, or the account may not download it.")
    if status == 429:
        return Unavailable("The account has reached MaxMind's daily limit.", retry_after=24 * 3600)
    return Unavailable(f"MaxMind answered with status {status}.", retry_after=_RETRY_SECONDS)
