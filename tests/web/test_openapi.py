"""The OpenAPI document: what it says, that the server keeps to it, and the page that shows it."""

import json
import re
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from schemathesis import Case, GenerationMode
from schemathesis.schemas import BaseSchema

from rybbit.models import Scope
from rybbit.web import api
from rybbit.web.api.openapi_document import Endpoint, endpoints_of
from tests.web.people import Cast, make_cast
from tests.web.world import World

# Whether these fit is more than a schema of JSON can say: a name that is free, a password that is right.
MORE_THAN_A_SHAPE = {
    "/api/account/keys": "an end in the future",
    "/api/auth/password": "the right password",
    "/api/auth/reset-password": "a link that works",
    "/api/auth/sign-up": "an email address",
    "/api/organizations/{organizationId}": "a name of more than blanks",
    "/api/organizations": "a name of more than blanks",
    "/api/auth/account": "a name of more than blanks",
    "/api/organizations/{organizationId}/invitations": "an email address",
    "/api/organizations/{organizationId}/keys": "an end in the future",
    "/api/organizations/{organizationId}/sites": "a domain",
    "/api/sites/{siteId}": "a domain",
    "/api/sites/{siteId}/config": "a domain, patterns, at least one setting",
    "/api/sites/{siteId}/exclusions/test": "an address",
    "/api/sites/{siteId}/funnels": "two steps and a name",
    "/api/sites/{siteId}/goals": "what its type needs",
    "/api/sites/{siteId}/goals/{goalId}": "what its type needs",
    "/api/sites/{siteId}/members": "ids of members",
    "/api/track": "a site, properties that are JSON",
    "/api/track/batch": "a site, properties that are JSON",
}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Without limits on guessing, which a machine that tries everything would reach."""
    names = ("LOGIN", "LOGIN_ADDRESS", "LINK", "TRACK", "BROWSER")
    return {f"RYBBIT_{name}_RATE_LIMIT": "" for name in names}


@pytest.fixture(scope="module")
def driven(api_world: World) -> Cast:
    """The site and the people that the document is tried with."""
    api_world.runtime.start()
    return make_cast(api_world)


@pytest.fixture(scope="module")
def schema(driven: Cast) -> BaseSchema:
    """The document as schemathesis reads it."""
    return schemathesis.openapi.from_wsgi("/api/openapi.json", driven.world.app)


def described() -> list[Endpoint]:
    """What the document describes."""
    app = Flask(__name__)
    api.register(app)
    return endpoints_of(app.url_map, app.view_functions)


QUERIES = {(each.path, each.method): each.operation.query or {} for each in described()}


def calls() -> list[Any]:
    """Every call, with fit and with unfit input; without input there is nothing to be unfit."""
    return [
        pytest.param(each.path, each.method, mode, id=f"{each.method} {each.path} {mode.value}")
        for each in described()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or each.operation.body or each.operation.query
    ]


@pytest.mark.parametrize(("path", "method", "mode"), calls())
def test_the_server_keeps_to_its_document(
    path: str, method: str, mode: GenerationMode, schema: BaseSchema, driven: Cast
) -> None:
    spared = []
    # Days have to be in their order, and filters are JSON in a text.
    asks = "filters" in QUERIES[path, method]
    if (path in MORE_THAN_A_SHAPE or asks) and mode is GenerationMode.POSITIVE:
        spared.append(schemathesis.checks.CHECKS.get_one("positive_data_acceptance"))
    # Days are not looked at where minutes are given, which are the more urgent question.
    if asks and mode is GenerationMode.NEGATIVE:
        spared.append(schemathesis.checks.CHECKS.get_one("negative_data_rejection"))
    headers = {"Authorization": f"Bearer {driven.keys['owner']}"}

    @examples(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        name_what_there_is(case, driven)
        case.call_and_validate(headers=headers, excluded_checks=spared)

    run()


def name_what_there_is(case: Case, driven: Cast) -> None:
    """Put ids into the path that exist, unless what they name would be gone for the next call."""
    ids = {"siteId": str(driven.site_id), "organizationId": driven.organization_id}
    ids["accountId"] = driven.accounts["member"]
    if (case.method, case.path) == ("POST", "/api/sites/{siteId}"):
        ids["siteId"] = driven.organization_id
    if case.method != "DELETE":
        places = case.path_parameters or {}
        case.path_parameters = places | {name: ids[name] for name in places if name in ids}


@pytest.fixture
def document(driven: Cast) -> dict[str, Any]:
    """The document."""
    answer = driven.world.client().get("/api/openapi.json")
    assert answer.content_type == "application/json"
    found: dict[str, Any] = json.loads(answer.data)
    return found


def test_the_document_is_of_openapi_3_1_and_hangs_together(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert refs == set(document["components"]["schemas"])
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    named = {name for each in operations for way in each["security"] for name in way}
    assert named == set(document["components"]["securitySchemes"])


def test_the_document_has_the_contract(document: dict[str, Any]) -> None:
    config = document["paths"]["/api/sites/{siteId}/config"]["put"]
    assert config["x-required-scope"] == Scope.SITES_WRITE
    assert set(config["responses"]) == {"200", "400", "401", "403", "404", "409", "413", "503"}
    body = document["components"]["schemas"]["SiteSettings"]
    assert body["additionalProperties"] is False
    assert body["properties"]["excludedIPs"]["maxItems"] == 100
    site = document["components"]["schemas"]["OwnedSiteAnswer"]
    assert {"siteId", "id", "isOwner", "trackSpaNavigation"} <= set(site["required"])


def test_nobody_has_to_sign_in_to_read_it(driven: Cast, document: dict[str, Any]) -> None:
    answer = driven.world.client().get("/docs/api")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
            assert f'href="#{operation["operationId"]}"' in page


def test_the_page_fetches_nothing_from_elsewhere(driven: Cast) -> None:
    client = driven.world.client()
    answer = client.get("/docs/api")
    page = answer.get_data(as_text=True)
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", "style-src 'self'"]
    assert not re.search(r"<script|<img|<iframe|<form| style=| on\w+=|https?://|@import", page)
    sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page)
    assert sheets
    for sheet in sheets:
        assert sheet.startswith("/static/")
        with client.get(sheet) as css:
            assert css.status_code == 200
            assert not re.search(r"url\(|@import|https?://", css.get_data(as_text=True))
