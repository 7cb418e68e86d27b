"""`python -m tests.store.clickhouse_http FOLDER PORT`: a ClickHouse server around chDB, as small as will do.

It speaks HTTP as `clickhouse_connect` does: statements in the body or a form, settings and values as
parameters, tables sent along, Native and TabSeparated answers without compression, errors with their code.
What a network does to a client can be asked of it at `/faults`.
"""

import base64
import json
import re
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

USER = "rybbit"
PASSWORD = "p@ss/word"

_NO_SETTINGS = {
    *("query", "database", "query_id", "wait_end_of_query", "client_protocol_version", "session_id"),
    *("enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
}
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.folder = folder
        self.faults: list[Fault] = []
        self.statements: list[str] = []
        # As long as a handle is open, so is the engine.
        self.keeper = chdb.connect(folder)

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
        elif self.headers.get("Authorization") != _authorization():
            self._fail("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
        else:
            parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
            self._run(_read_statement(parameters, self.headers.get("Content-Type") or "", body))

    def _run(self, statement: _Statement) -> None:
        self.server.statements.append(statement.sql.decode())
        fault = self.server.fault_for(statement.sql)
        try:
            kind, answer = _execute(self.server.folder, statement, fault)
        except Exception as error:
            self._fail(str(error))
            return
        if fault in ("lose", "drop"):
            self.close_connection = True
            self.connection.close()
            return
        self._answer(200, answer, {"X-ClickHouse-Format": kind} if answer else {})

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
        code = _CODE.search(message)
        self._answer(500, message.encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        named = {"Content-Length": str(len(body)), "X-ClickHouse-Timezone": "UTC", **(headers or {})}
        for name, value in named.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _authorization() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


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


def _execute(folder: str, statement: _Statement, fault: str) -> tuple[str, bytes]:
    if fault.isdecimal():
        raise RuntimeError(f"Code: {fault}. DB::Exception: Refused by the test. (TEST_REFUSES)")
    if fault == "drop":
        return "", b""
    # A handle of its own: settings hold for this statement alone.
    connection = chdb.connect(folder)
    try:
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
    finally:
        connection.close()


def _insert(connection: Any, into: str, kind: str, data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        connection.query(f"INSERT INTO {into} FROM INFILE '{file.name}' FORMAT {kind}")


def main() -> None:
    """Serve until standard input ends; the port is told on standard output."""
    folder, port = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    server = _Server(folder, int(port))
    print(server.server_address[1], flush=True)  # noqa: T201
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
