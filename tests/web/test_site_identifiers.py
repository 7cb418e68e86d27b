"""Both identifiers of a site, on every route of the API that takes one."""

import json
from typing import Any

from tests.web.people import Cast, make_cast

BODIES: dict[str, object] = {
    "PUT /api/sites/<site_id>/config": {"name": "Changed"},
    "PUT /api/sites/<site_id>/members": {"restricted": False},
    "POST /api/sites/<site_id>/private-link-config": {"action": "generate_private_link_key"},
    "POST /api/sites/<site_id>/exclusions/test": {"ip_address": "10.0.0.1"},
}


def routes_of(cast: Cast) -> list[tuple[str, str]]:
    """Method and path of every route of the API that names a site."""
    return [
        (method, rule.rule)
        for rule in cast.world.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and "<site_id>" in rule.rule
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_each_route_takes_both_and_answers_alike(cast: Cast) -> None:
    routes = routes_of(cast)
    assert len(routes) > 15
    for method, path in routes:
        answers = []
        for attribute in ("site_id", "id"):
            # What can be ended once is another site each time.
            own = make_cast(cast.world) if method == "DELETE" else cast
            asked = path.replace("<site_id>", str(getattr(own, attribute)))
            answer = own.call("owner", method, asked, BODIES.get(f"{method} {path}"))
            assert answer.status_code == 200, (method, asked, answer.data)
            answers.append(without_chance(json.loads(answer.data)))
            assert (own.site() is None) is (method == "DELETE")
        assert answers[0] == answers[1], (method, path)


def without_chance(answer: Any) -> Any:
    """An answer without the private link, which is another one each time."""
    if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
        answer["data"].pop("privateLinkKey", None)
    return answer
