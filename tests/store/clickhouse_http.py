"""`python -m tests.store.clickhouse_http FOLDER PORT`: a ClickHouse server around chDB, as small as will do.

It speaks HTTP as `clickhouse_connect` does: statements in the body or a form, settings and values as
parameters, tables sent along, Native and TabSeparated answers without compression, errors with their code.
What a network does to a client can be asked of it at `/faults`. With a third argument, the address of a real
server, it stands in front of that one, and passes on what it is sent.
"""

import base64
import http.client
import json
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit

from rybbit.config import parse_events_url

USER = "rybbit"
PASSWORD = "p@ss/word"

_NO_SETTINGS = {
    *("query", "database", "query_id", "wait_end_of_query", "client_protocol_version", "session_id"),
    *("enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
}
_OF_CONNECTION = {
    *("host", "connection", "authorization", "accept-encoding"),
    *("content-length", "transfer-encoding"),
}
_PATIENCE_S = 60
_CODE = re.compile(r"Code: (\d+)")
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*$", re.IGNORECASE)
_FILE_INSERT = re.compile(rb"\s*INSERT INTO (.+?) FORMAT (Parquet|Native)\s*\Z", re.IGNORECASE | re.DOTALL)


@dataclass
class Fault:
    """What goes wrong with the next statements that contain a text: `times` of them, `skip` after others.

    `how` is `lose` (it is run, and the connection breaks before the answer), `drop` (it breaks before) or an
    error's code.
    """

    contains: str
    how: str
    times: int = 1
    skip: int = 0

    def hits(self, statement: bytes) -> bool:
        """Whether it is this one's turn."""
        if self.contains.encode() not in statement or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class _Table:
    name: str
    structure: str
    format: str
    data: bytes


@dataclass
class _Statement:
    sql: bytes
    data: bytes = b""
    values: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    tables: list[_Table] = field(default_factory=list)


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


class _Behind(Protocol):
    """What runs the statements."""

    def run(self, handler: BaseHTTPRequestHandler, statement: _Statement, body: bytes) -> _Answer: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behind: _Behind, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.behind = behind
        self.faults: list[Fault] = []
        self.statements: list[str] = []

    def fault_for(self, statement: bytes) -> str:
        return next((fault.how for fault in self.faults if fault.hits(statement)), "")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200, b"Ok.\n")

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        if parts.path == "/faults":
            self.server.faults = [Fault(**each) for each in json.loads(body)]
            self._answer(200, b"")
        elif parts.path == "/statements":
            self._answer(200, json.dumps(self.server.statements).encode())
        elif self.headers.get("Authorization") != _authorization(USER, PASSWORD):
            self._fail("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
        else:
            parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
            statement = _read_statement(parameters, self.headers.get("Content-Type") or "", body)
            self._run(statement, body)

    def _run(self, statement: _Statement, body: bytes) -> None:
        self.server.statements.append(statement.sql.decode())
        fault = self.server.fault_for(statement.sql)
        if fault.isdecimal():
            self._fail(f"Code: {fault}. DB::Exception: Refused by the test. (TEST_REFUSES)")
            return
        if fault != "drop":
            answer = self.server.behind.run(self, statement, body)
        if fault:
            self.close_connection = True
            self.connection.close()
            return
        self._answer(*answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _fail(self, message: str) -> None:
        self._answer(*_failure(message))

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        named = {"Content-Length": str(len(body)), "X-ClickHouse-Timezone": "UTC", **(headers or {})}
        for name, value in named.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _authorization(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _read_statement(parameters: dict[str, str], content: str, body: bytes) -> _Statement:
    form: dict[str, bytes] = {}
    files: dict[str, bytes] = {}
    if content.startswith("multipart/form-data"):
        form, files = _read_form(content.partition("boundary=")[2].encode(), body)
        body = b""
    sql = parameters.get("query", "").encode() or form.pop("query", b"")
    if not sql:
        sql, body = _cut(body)
    values = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
    values |= {name[6:]: value.decode() for name, value in form.items() if name.startswith("param_")}
    about_files = {f"{name}_{what}" for name in files for what in ("format", "structure")}
    settings = {
        name: value
        for name, value in parameters.items()
        if name not in _NO_SETTINGS | about_files and not name.startswith("param_")
    }
    tables = [
        _Table(name, parameters[f"{name}_structure"], parameters[f"{name}_format"], data)
        for name, data in files.items()
    ]
    return _Statement(sql, body, values, settings, tables)


def _cut(body: bytes) -> tuple[bytes, bytes]:
    """The statement and what it inserts, where both stand in the body."""
    first, _, rest = body.partition(b"\n")
    return (first, rest) if _FILE_INSERT.match(first) else (body, b"")


def _read_form(boundary: bytes, body: bytes) -> tuple[dict[str, bytes], dict[str, bytes]]:
    form: dict[str, bytes] = {}
    files: dict[str, bytes] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, data = part[2:].partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        assert name is not None
        (files if b"filename=" in head else form)[name[1].decode()] = data[:-2]
    return form, files


def _failure(message: str) -> _Answer:
    code = _CODE.search(message)
    return _Answer(500, message.encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})


class _Engine:
    """chDB on a folder."""

    def __init__(self, folder: str) -> None:
        import chdb

        Path(folder).mkdir(parents=True, exist_ok=True)
        self._connect: Callable[[], Any] = lambda: chdb.connect(folder)
        # As long as a handle is open, so is the engine.
        self._keeper = self._connect()

    def run(self, handler: BaseHTTPRequestHandler, statement: _Statement, body: bytes) -> _Answer:
        # A handle of its own: settings hold for this statement alone.
        connection = self._connect()
        try:
            kind, answer = _execute(connection, statement)
        except Exception as error:
            return _failure(str(error))
        finally:
            connection.close()
        return _Answer(200, answer, {"X-ClickHouse-Format": kind} if answer else {})


class _RealServer:
    """A ClickHouse server elsewhere, which takes requests as they came."""

    def __init__(self, url: str) -> None:
        self._address = parse_events_url(url)
        self._authorization = _authorization(self._address.user, self._address.password)

    def run(self, handler: BaseHTTPRequestHandler, statement: _Statement, body: bytes) -> _Answer:
        kept = {name: value for name, value in handler.headers.items() if name.lower() not in _OF_CONNECTION}
        https = http.client.HTTPSConnection
        kind = https if self._address.is_secure else http.client.HTTPConnection
        connection = kind(self._address.host, self._address.port, timeout=_PATIENCE_S)
        try:
            headers = {**kept, "Authorization": self._authorization}
            connection.request("POST", handler.path, body, headers)
            answer = connection.getresponse()
            told = {
                name: value for name, value in answer.getheaders() if name.lower().startswith("x-clickhouse")
            }
            return _Answer(answer.status, answer.read(), told)
        finally:
            connection.close()


def _execute(connection: Any, statement: _Statement) -> tuple[str, bytes]:
    for name, value in statement.settings.items():
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        connection.query(f"SET {name} = '{quoted}'")
    for table in statement.tables:
        connection.query(f"create temporary table {table.name} ({table.structure}) engine = Memory")
        _insert(connection, table.name, table.format, table.data)
    if insert := _FILE_INSERT.match(statement.sql):
        _insert(connection, insert[1].decode(), insert[2].decode(), statement.data)
        return "", b""
    found = _FORMAT.search(statement.sql)
    kind = found[1].decode() if found else "TabSeparated"
    answer = connection.query(statement.sql.decode(), kind, params=statement.values)
    return kind, bytes(answer.bytes() or b"")


def _insert(connection: Any, into: str, kind: str, data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        connection.query(f"INSERT INTO {into} FROM INFILE '{file.name}' FORMAT {kind}")


def main() -> None:
    """Serve until standard input ends; the port is told on standard output."""
    folder, port, *real = sys.argv[1:]
    server = _Server(_RealServer(real[0]) if real else _Engine(folder), int(port))
    print(server.server_address[1], flush=True)  # noqa: T201
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
