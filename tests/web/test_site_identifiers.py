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


FUNNEL = {"name": "Way", "steps": [{"type": "page", "value": "/"}, {"type": "page", "value": "/b"}]}
BODIES |= {
    "POST /api/sites/<site_id>/goals": {"goalType": "path", "config": {"pathPattern": "/"}},
    "POST /api/sites/<site_id>/funnels": FUNNEL,
    "POST /api/sites/<site_id>/funnels/analyze": FUNNEL,
    "PUT /api/sites/<site_id>/event-retention": {"retentionDays": 30},
}
# What one question or another has to be asked; the others pass over it.
QUERY = "?parameter=browser&event_name=x&user_id=x&dimension=browser&error_message=x"


def routes_of(cast: Cast) -> list[tuple[str, str]]:
    """Method and path of every route of the API that names a site."""
    return [
        (method, rule.rule)
        for rule in cast.world.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.arguments == {"site_id"}
        # A stream of bytes, which has tests of its own.
        if not rule.rule.endswith("/export")
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
            answer = own.call("owner", method, asked + QUERY, BODIES.get(f"{method} {path}"))
            assert answer.status_code in (200, 201), (method, asked, answer.data)
            answers.append(without_chance(json.loads(answer.data)))
            assert (own.site() is None) is (method == "DELETE")
        assert answers[0] == answers[1], (method, path)


def without_chance(answer: Any) -> Any:
    """An answer without the private link, and numbers of what was made, which are others each time."""
    if isinstance(answer, dict):
        answer = {name: value for name, value in answer.items() if name not in ("goalId", "funnelId")}
    if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
        answer["data"].pop("privateLinkKey", None)
    return answer
