"""One process's connections to a ClickHouse server: made when they are needed, errors in our words."""

import logging
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rybbit import clock
from rybbit.config import EventsAddress
from rybbit.errors import ConfigurationError, Unavailable
from rybbit.locks import leave_to_parent, register_forkable
from rybbit.store.base import TooSlow

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 120
_RETRY_SECONDS = 2
_TELL_SECONDS = 60
_TIMEOUT_CODES = (159, 160)
_PATTERN_CODE = 427
_LINE_FORMAT = "JSONEachRow"
# A line that is no event is passed over by readers; the mover will put it into quarantine.
_TABLE_SETTINGS = {
    "input_format_skip_unknown_fields": 1,
    "input_format_allow_errors_num": 1_000_000_000,
    "input_format_allow_errors_ratio": 1,
}
# Lines are sent when all are there, since the driver would take an error behind some for one of them. As a
# number -0.0 would be written as -0, which is read as 0.
_ANSWER_SETTINGS = {
    "wait_end_of_query": 1,
    "output_format_json_quote_64bit_floats": 1,
    "output_format_json_quote_denormals": 1,
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_escape_forward_slashes": 0,
}


class BadPattern(Unavailable):
    """A text cannot be used as a regular expression."""


@dataclass(frozen=True, slots=True)
class SentTable:
    """Rows that are sent along with a statement, as JSON lines; it finds them under `name`."""

    name: str
    structure: str
    data: bytes


class ClickHouseServer:
    """Sends statements, from any thread; what fails because of the server is `Unavailable`."""

    def __init__(self, address: EventsAddress) -> None:
        self.address = address
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._told = ""
        self._told_at = 0.0
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Connect anew in the child."""
        if self._client is not None:
            leave_to_parent(self._client)
            self._client = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections; the next statement opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        tables: Sequence[SentTable] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Args:
            sql: begins with `with` if there are tables; values are named as `{name:Type}`.

        Raises:
            TooSlow: it ran into its `max_execution_time`.
            BadPattern: a pattern is none.
            Unavailable: the server does not answer, or refuses.
        """
        with self._answering() as client, self._sent(sql, parameters, tables, settings) as sent:
            return [tuple(row) for row in client.query(**sent).result_rows]

    def lines(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        tables: Sequence[SentTable] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The rows of a query as JSON lines, floating point numbers as texts; for the rest see `rows`."""
        chosen = {**(settings or {}), **_ANSWER_SETTINGS}
        with self._answering() as client, self._sent(sql, parameters, tables, chosen) as sent:
            return client.raw_query(**sent, fmt=_LINE_FORMAT)

    @contextmanager
    def _sent(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None,
        tables: Sequence[SentTable],
        settings: Mapping[str, Any] | None,
    ) -> Iterator[dict[str, Any]]:
        """What the driver is given for a query."""
        in_process = self.address.is_in_process
        with _as_files(tables if in_process else ()) as relations:
            yield {
                "query": f"with {relations}{sql[5:]}" if relations else sql,
                "parameters": dict(parameters or {}),
                "settings": {**(settings or {}), **(_TABLE_SETTINGS if tables else {})},
                "external_data": None if in_process else _external(tables),
            }

    def run(self, sql: str, settings: Mapping[str, Any] | None = None) -> None:
        """Run a statement that gives no rows.

        Raises:
            Unavailable: the server does not answer, or refuses.
        """
        with self._answering() as client:
            client.command(sql, settings=dict(settings or {}))

    def insert(
        self, table: str, columns: Sequence[str], data: bytes, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Insert rows that stand in a Parquet file.

        Raises:
            Unavailable: the server does not answer, or refuses; they may be in, and come in later.
        """
        with self._answering() as client:
            client.raw_insert(table, columns, data, settings=dict(settings or {}), fmt="Parquet")

    @contextmanager
    def _answering(self) -> Iterator["Client"]:
        exceptions = _import_driver().driver.exceptions
        try:
            yield self._connected()
        except (exceptions.ClickHouseError, _http_error(), OSError) as error:
            # Messages quote statements and lines, and with them what visitors did: not even in a traceback.
            raise self._in_our_words(error) from (error if self.address.is_in_process else None)
        if self._told:
            logger.warning("ClickHouse at %s answers again", self.address)
            self._told = ""

    def _connected(self) -> "Client":
        with self._lock:
            if self._client is None:
                self._client = _connect(self.address)
            return self._client

    def _in_our_words(self, error: Exception) -> Exception:
        code = getattr(error, "code", None)
        if code in _TIMEOUT_CODES:
            return TooSlow("The event store (ClickHouse) took too long; ask again, or for a shorter time")
        if code == _PATTERN_CODE:
            return BadPattern("A pattern is no regular expression")
        reason = f"refuses: {getattr(error, 'name', None) or code}" if code else "does not answer"
        self._tell(reason)
        return Unavailable(f"The event store (ClickHouse) {reason}", retry_after=_RETRY_SECONDS)

    def _tell(self, reason: str) -> None:
        """Log that something is wrong, once a minute at most, since it is tried again all the time."""
        now = clock.monotonic()
        if reason != self._told or now >= self._told_at + _TELL_SECONDS:
            self._told, self._told_at = reason, now
            logger.error("ClickHouse at %s %s; events wait in the journal", self.address, reason)


def _import_driver() -> Any:
    try:
        import clickhouse_connect
    except ImportError as error:
        message = "RYBBIT_EVENTS_URL needs a package: pip install 'rybbit[clickhouse]'"
        raise ConfigurationError(message) from error
    return clickhouse_connect


def _http_error() -> type[Exception]:
    # What the driver lets through when the connection breaks in the middle of an answer.
    from urllib3.exceptions import HTTPError

    return HTTPError


class _Hush(logging.Filter):
    """Drops what a library logs of each failed try, twice a second while a server is away; see `_tell`."""

    def __init__(self, address: EventsAddress) -> None:
        super().__init__()
        self._address = address

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is of another server."""
        return f"host='{self._address.host}', port={self._address.port}" not in record.getMessage()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hush) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)


def _connect(address: EventsAddress) -> "Client":
    driver = _import_driver()
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    # A filter that is equal to one that is there is not added.
    logging.getLogger("urllib3.connectionpool").addFilter(_Hush(address))
    options: dict[str, Any] = {"show_clickhouse_errors": "scrub", "query_limit": 0}
    if address.is_in_process:
        in_process: Client = driver.get_client(interface="chdb", path=address.path, **options)
        return in_process
    connected: Client = driver.get_client(
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        interface="https" if address.is_secure else "http",
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_ANSWER_SECONDS,
        # Threads share the client, which a session would forbid.
        autogenerate_session_id=False,
        # Connections must not be those of other clients, of which a forked child would have copies.
        dedicated_pool=True,
        # Values in the body: there is no limit to it, and no proxy writes it into a log.
        form_encode_query_params=True,
        **options,
    )
    return connected


def _external(tables: Sequence[SentTable]) -> Any:
    if not tables:
        return None
    data = _import_driver().driver.external.ExternalData()
    for table in tables:
        data.add_file(file_name=table.name, data=table.data, fmt=_LINE_FORMAT, structure=table.structure)
    return data


@contextmanager
def _as_files(tables: Sequence[SentTable]) -> Iterator[str]:
    """Relations for a `with`, for an engine in this process, which is sent no tables but reads files."""
    with tempfile.TemporaryDirectory() if tables else nullcontext("") as folder:
        relations = []
        for table in tables:
            path = Path(folder, table.name)
            path.write_bytes(table.data)
            source = f"file('{path}', {_LINE_FORMAT}, '{table.structure}')"
            relations.append(f"{table.name} as (select * from {source}), ")
        yield "".join(relations)
