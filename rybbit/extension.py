"""The Flask extension: the whole server under a prefix of somebody else's app, and tracking from its code."""

import logging
import re
from collections.abc import Mapping
from typing import Any, cast

from flask import Flask, has_request_context, request
from pydantic_core import PydanticSerializationError, to_json
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from rybbit.errors import NotFound
from rybbit.factory import create_app
from rybbit.ingest.exclusions import normalise_address
from rybbit.ingest.payload import InvalidPayload
from rybbit.runtime import Runtime

logger = logging.getLogger(__name__)

_PORT = re.compile(r":[0-9]*\Z")


class Rybbit:
    """Mounts the server below a prefix of a host app.

    The server stays an app of its own: the host's database, forms, limits, error pages and settings
    are not touched. `site` is the number or id of the site that `track` and `pageview` write to.
    """

    def __init__(
        self,
        host: Flask | None = None,
        *,
        url_prefix: str = "/analytics",
        site: str | int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        self._url_prefix = "/" + url_prefix.strip("/")
        self._site = site
        self._config = dict(config or {})
        self._app: Flask | None = None
        if host is not None:
            self.init_app(host)

    def init_app(self, host: Flask) -> None:
        """Put the server under the prefix; everything else goes to the host as before."""
        if self._url_prefix == "/":
            raise ValueError("url_prefix must name a path: the host's own pages are below /")
        app = create_app(self._config)
        app.config["SESSION_COOKIE_PATH"] = self._url_prefix
        self._app = app
        host.extensions["rybbit"] = self
        host.wsgi_app = DispatcherMiddleware(host.wsgi_app, {self._url_prefix: app.wsgi_app})  # type: ignore[method-assign]

    @property
    def app(self) -> Flask:
        """The server's own app, for its `app_context()`, its services and its test client."""
        if self._app is None:
            raise RuntimeError("Call init_app first")
        return self._app

    @property
    def _runtime(self) -> Runtime:
        return cast(Runtime, self.app.extensions["rybbit"])

    def track(
        self,
        name: str,
        properties: Mapping[str, Any] | None = None,
        *,
        user_id: str | None = None,
        site: str | int | None = None,
    ) -> bool:
        """Store a custom event of the visitor of the current request; answers whether it was stored.

        It is on disk when this returns. False says that the site excludes the visitor, or that the
        event cannot be stored now, which is logged: analytics never breaks the host's page.

        Raises:
            InvalidPayload: a field does not fit, such as a name of more than 256 characters.
            NotFound: there is no such site.
        """
        data: dict[str, Any] = {"type": "custom_event", "event_name": name}
        if properties:
            data["properties"] = _written(properties)
        return self._store(data, user_id=user_id, site=site)

    def pageview(
        self,
        *,
        title: str | None = None,
        user_id: str | None = None,
        site: str | int | None = None,
    ) -> bool:
        """Store a pageview of the current request; otherwise as `track`."""
        data: dict[str, Any] = {"type": "pageview"}
        if title is not None:
            data["page_title"] = title
        return self._store(data, user_id=user_id, site=site)

    def _store(self, data: dict[str, Any], *, user_id: str | None, site: str | int | None) -> bool:
        identifier = self._site if site is None else site
        if identifier is None:
            raise NotFound("No site is named: give Rybbit(..., site=...) or track(..., site=...)")
        address = user_agent = ""
        if has_request_context():
            address = normalise_address(request.remote_addr or "") or ""
            user_agent = request.headers.get("User-Agent", "")
            data |= _of_request()
        if user_id is not None:
            data["user_id"] = user_id
        self._runtime.start()
        return self._runtime.pipeline.track(
            data, site=str(identifier), address=address, user_agent=user_agent
        )


def _written(properties: Mapping[str, Any]) -> str:
    try:
        return to_json(dict(properties)).decode()
    except PydanticSerializationError as error:
        raise InvalidPayload({"properties": ["Must be values that JSON has"]}) from error


def _of_request() -> dict[str, Any]:
    """What the host's request says of the page; cut to what an event may hold."""
    fields = {
        "hostname": _PORT.sub("", request.host)[:253],
        "pathname": (request.script_root + request.path)[:2048],
        "querystring": request.query_string.decode("utf-8", "replace")[:2048],
        "referrer": (request.referrer or "")[:2048],
        "language": (request.accept_languages.best or "")[:35],
    }
    return {name: value for name, value in fields.items() if value and "\0" not in value}
