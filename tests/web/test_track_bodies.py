"""Bodies of every kind and size: stored as they are, or refused with the name of what is wrong."""

import io
import json
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from tests.web.world import FIREFOX, PEER, Sender, World, call

ACCEPTED = {"success": True}
# What a server says that marks the end of a body itself, chunked or not.
TERMINATED: dict[str, Any] = {"wsgi.input_terminated": True}
EVENT_BYTES = 64 * 1024
BATCH_BYTES = 1024 * 1024


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


class _Drops(io.RawIOBase):
    """A stream that hands over a few bytes at a time, as sockets do, and counts them."""

    def __init__(self, data: bytes, size: int = 7) -> None:
        self._left = io.BytesIO(data)
        self._size = size
        self.taken = 0

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        data = self._left.read(min(self._size, size) if size >= 0 else self._size)
        self.taken += len(data)
        return data


def _post_stream(client: Client, stream: Any, path: str = "/api/track", **environ: Any) -> Response:
    """A request whose environment says of its body only what `environ` says."""
    request = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": PEER,
        "HTTP_USER_AGENT": FIREFOX,
        "CONTENT_TYPE": "application/json",
        "wsgi.input": stream,
    }
    return call(client, request | environ)


def _body(sender: Sender, **fields: Any) -> bytes:
    return json.dumps(sender.event(api_key=sender.tenant.api_key, **fields)).encode()


def _batch(sender: Sender) -> bytes:
    return json.dumps({"api_key": sender.tenant.api_key, "events": [sender.event()]}).encode()


def _form_errors(answer: Response) -> Any:
    return json.loads(answer.data)["details"]["formErrors"]


class TestContentType:
    """`application/json` and `text/plain` both carry JSON."""

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "text/plain",
            "text/plain;charset=UTF-8",
            " text/plain ;x",
            "",
            None,
        ],
    )
    def test_taken(self, world: World, sender: Sender, content_type: str | None) -> None:
        assert sender.post(_body(sender), content_type=content_type).json == ACCEPTED
        assert sender.post(_batch(sender), path="/api/track/batch", content_type=content_type).json == {
            "success": True,
            "accepted": 1,
            "rejected": [],
            "filtered": {},
        }
        assert len(world.stored(sender.tenant)) == 2

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "text/html",
            "application/octet-stream",
            "nonsense",
            "json",
        ],
    )
    @pytest.mark.parametrize("path", ["/api/track", "/api/track/batch"])
    def test_refused(self, world: World, sender: Sender, path: str, content_type: str) -> None:
        body = _body(sender) if path == "/api/track" else _batch(sender)
        answer = sender.post(body, path=path, content_type=content_type)
        error = "Content-Type must be application/json or text/plain"
        assert (answer.status_code, answer.json) == (415, {"success": False, "error": error})
        assert world.stored(sender.tenant) == []


class TestSize:
    """64 KiB for an event, 1 MiB for a batch."""

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize(
        ("path", "limit"), [("/api/track", EVENT_BYTES), ("/api/track/batch", BATCH_BYTES)]
    )
    def test_up_to_the_limit(
        self, world: World, sender: Sender, path: str, limit: int, chunked: bool
    ) -> None:
        body = _body(sender) if path == "/api/track" else _batch(sender)
        for size, status in ((limit, 200), (limit + 1, 413)):
            padded = body.ljust(size)
            stated = TERMINATED if chunked else {"CONTENT_LENGTH": str(size)}
            answer = _post_stream(sender.client, io.BytesIO(padded), path, **stated)
            assert answer.status_code == status
        assert answer.json == {"success": False, "error": f"The body is larger than {limit} bytes"}
        assert len(world.stored(sender.tenant)) == 1

    @pytest.mark.parametrize("path", ["/api/track", "/api/track/batch", "/api/version"])
    @pytest.mark.parametrize("stated", [{"CONTENT_LENGTH": "3000000"}, TERMINATED], ids=["length", "chunks"])
    def test_what_is_not_wanted_is_taken_off_the_wire(
        self, world: World, path: str, stated: dict[str, Any]
    ) -> None:
        # Else a client that still sends finds its connection broken, and never reads the answer.
        stream = _Drops(b" " * 3_000_000, 1000)
        answer = _post_stream(world.client(), stream, path, **stated)
        assert answer.status_code == (405 if path == "/api/version" else 413)
        assert stream.taken == 3_000_000

    @pytest.mark.parametrize("stated", [{"CONTENT_LENGTH": "20000000"}, TERMINATED], ids=["length", "chunks"])
    def test_a_body_without_end_is_not_read_to_the_end(self, world: World, stated: dict[str, Any]) -> None:
        stream = _Drops(b" " * 20_000_000, 64 * 1024)
        assert _post_stream(world.client(), stream, **stated).status_code == 413
        assert stream.taken <= 9_000_000

    @pytest.mark.parametrize("length", ["9" * 20, "9" * 5000])
    def test_a_length_beyond_all_measure(self, sender: Sender, length: str) -> None:
        assert _post_stream(sender.client, io.BytesIO(b"{}"), CONTENT_LENGTH=length).status_code == 413


class TestStream:
    """How a body arrives."""

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_in_pieces(self, world: World, sender: Sender, size: int) -> None:
        body = _body(sender, page_title="äöü€😀" * 50)
        stated = {"CONTENT_LENGTH": str(len(body))}
        for environ in (stated, TERMINATED, TERMINATED | stated):
            assert _post_stream(sender.client, _Drops(body, size), **environ).json == ACCEPTED
        assert [row["page_title"] for row in world.stored(sender.tenant)] == ["äöü€😀" * 50] * 3

    def test_no_more_than_stated(self, world: World, sender: Sender) -> None:
        body = _body(sender)
        stream = io.BytesIO(body + b"POST /api/track HTTP/1.1")
        assert _post_stream(sender.client, stream, CONTENT_LENGTH=str(len(body))).json == ACCEPTED
        assert stream.tell() == len(body)
        assert len(world.stored(sender.tenant)) == 1

    @pytest.mark.parametrize("path", ["/api/track", "/api/track/batch"])
    def test_less_than_stated(self, world: World, sender: Sender, path: str) -> None:
        body = _body(sender)
        answer = _post_stream(sender.client, io.BytesIO(body[:-1]), path, CONTENT_LENGTH=str(len(body)))
        assert (answer.status_code, _form_errors(answer)) == (400, ["Body must be valid JSON"])
        assert world.stored(sender.tenant) == []

    @pytest.mark.parametrize("length", [None, "", "0", "-5", "abc", "1.5", "²", "0x10"])
    def test_without_a_length_and_an_end_there_is_no_body(self, sender: Sender, length: str | None) -> None:
        stream = io.BytesIO(_body(sender))
        stated = {} if length is None else {"CONTENT_LENGTH": length}
        answer = _post_stream(sender.client, stream, **stated)
        assert (answer.status_code, _form_errors(answer)) == (400, ["Body must be valid JSON"])
        assert stream.tell() == 0

    def test_an_environment_may_leave_out_what_is_empty(self, world: World, sender: Sender) -> None:
        body = _body(sender)
        request: dict[str, Any] = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        assert call(sender.client, {"PATH_INFO": "/api/track", **request}).json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 1
        # Without a path it is the start page, to which nothing can be posted.
        assert call(sender.client, request).status_code == 405


class TestJson:
    """What counts as JSON, and what of it."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"{",
            b"{}{}",
            b"[" * EVENT_BYTES,
            b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
            b"\xff\xfe{}",
            b'{"site_id":"\xed\xa0\x80"}',
            b"\xef\xbb\xbf{}",
            '{"site_id": "1"}'.encode("utf-16"),
            b"{'site_id': '1'}",
            b'{"lcp": NaN}',
            b'{"lcp": -Infinity}',
            b"9" * EVENT_BYTES,
            b"site_id=1&type=pageview",
            b"\0" * 100,
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_none(self, sender: Sender, body: bytes) -> None:
        for path in ("/api/track", "/api/track/batch"):
            answer = sender.post(body, path=path)
            assert (answer.status_code, answer.json) == (
                400,
                {
                    "success": False,
                    "error": "Invalid payload",
                    "details": {"fieldErrors": {}, "formErrors": ["Body must be valid JSON"]},
                },
            )

    @pytest.mark.parametrize(
        ("body", "kind"), [(b"null", "null"), (b"[]", "array"), (b'"x"', "string"), (b"1e400", "number")]
    )
    def test_no_object(self, sender: Sender, body: bytes, kind: str) -> None:
        answer = sender.post(body)
        assert (answer.status_code, _form_errors(answer)) == (400, [f"Expected object, received {kind}"])

    def test_the_last_of_equal_keys_counts(self, world: World, sender: Sender) -> None:
        body = b'{"pathname": "/first", "pathname": 5, ' + _body(sender, pathname="/last")[1:]
        assert sender.post(body).json == ACCEPTED
        assert [row["pathname"] for row in world.stored(sender.tenant)] == ["/last"]


LIMITS = {
    "pathname": 2048,
    "hostname": 253,
    "page_title": 512,
    "referrer": 2048,
    "user_id": 255,
    "user_agent": 512,
    "querystring": 2048,
    "language": 35,
    "event_name": 256,
    "event_id": 64,
}


class TestFields:
    """Each field at its limit and beyond; the refusal names it."""

    @pytest.mark.parametrize("character", ["x", "ä", "😀"])
    @pytest.mark.parametrize("field", LIMITS)
    def test_length(self, world: World, sender: Sender, field: str, character: str) -> None:
        limit = LIMITS[field]
        assert sender.send(**{field: character * limit}).json == ACCEPTED
        if field != "user_agent":
            assert [row[field] for row in world.stored(sender.tenant)] == [character * limit]
        answer = sender.send(**{field: character * (limit + 1)})
        message = f"String must contain at most {limit} character(s)"
        assert (answer.status_code, answer.json) == (400, _refusal({field: [message]}))

    @pytest.mark.parametrize(("kind", "limit"), [("pageview", 2048), ("error", 4096)])
    def test_properties(self, world: World, sender: Sender, kind: str, limit: int) -> None:
        frame = len('{"message": ""}')
        for size in (limit, limit + 1):
            properties = json.dumps({"message": "x" * (size - frame)})
            assert len(properties) == size
            answer = sender.send(type=kind, event_name="e", properties=properties)
        assert [len(row["properties"]) for row in world.stored(sender.tenant)] == [limit]
        message = f"String must contain at most {limit} character(s)"
        assert (answer.status_code, answer.json) == (400, _refusal({"properties": [message]}))

    @pytest.mark.parametrize("field", [*LIMITS, "properties", "ip_address"])
    @pytest.mark.parametrize("value", [None, 7, True, [], {}, "a\0b", "\ud800"])
    def test_wrong_values(self, world: World, sender: Sender, field: str, value: Any) -> None:
        answer = sender.send(**{field: value})
        assert answer.status_code == 400
        assert list(json.loads(answer.data)["details"]["fieldErrors"]) == [field]
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("invalid_payload", field): 1}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("type", "click"),
            ("type", None),
            ("ip_address", "1.2.3"),
            ("ip_address", "fe80::1%eth0"),
            ("screenWidth", 0),
            ("screenHeight", 1.5),
            ("screenWidth", 10**30),
            ("event_name", ""),
            ("event_id", ""),
            ("lcp", -1),
            ("cls", "1"),
            ("inp", 1e999),
            ("properties", "{"),
            ("properties", '{"a": NaN}'),
            ("timestamp", "yesterday"),
            ("timestamp", 946_684_799_999),
            ("timestamp", 10**15),
            ("timestamp", None),
        ],
    )
    def test_unfit_values(self, sender: Sender, field: str, value: object) -> None:
        kind = "performance" if field in ("lcp", "cls", "inp") else "pageview"
        body = json.dumps(sender.event(**{"type": kind, field: value})).replace("Infinity", "1e999")
        answer = sender.post(body.encode(), headers={"Authorization": f"Bearer {sender.tenant.api_key}"})
        assert answer.status_code == 400
        assert list(json.loads(answer.data)["details"]["fieldErrors"]) == [field]

    def test_all_that_is_wrong_is_named_at_once(self, sender: Sender) -> None:
        answer = sender.post({"typ": 1, "pathname": 1, "language": "x" * 36, "lcp": 1})
        assert answer.json == _refusal(
            {
                "typ": ["Unrecognized field"],
                "site_id": ["Required"],
                "pathname": ["Expected string, received number"],
                "language": ["String must contain at most 35 character(s)"],
                "lcp": ["Only performance events have this field"],
            },
            "Unrecognized key(s) in object: 'typ'",
        )

    def test_an_event_that_needs_a_name(self, sender: Sender) -> None:
        for kind, noun in (("custom_event", "Custom"), ("error", "Error")):
            answer = sender.send(type=kind, properties='{"message": "m"}')
            assert (answer.status_code, answer.json) == (
                400,
                _refusal({}, f"{noun} events require event_name"),
            )


def _refusal(fields: dict[str, list[str]], *form: str) -> dict[str, Any]:
    details = {"fieldErrors": fields, "formErrors": list(form)}
    return {"success": False, "error": "Invalid payload", "details": details}
