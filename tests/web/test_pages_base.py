"""What pages stand on: the policy, built files, guards of sites, refusals, a prefix to be mounted below."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import g
from werkzeug.test import Client

from rybbit.errors import ConfigurationError, Forbidden, RybbitError
from rybbit.web.assets import Assets
from rybbit.web.error_pages import show_error
from rybbit.web.htmx import own_path
from rybbit.web.pages import guards
from rybbit.web.policy import NONE, PAGE, SELF, Policy
from tests.web.browsing import PARTIAL, Person, make_person, text_of
from tests.web.host_app import PREFIX, Host
from tests.web.people import Cast
from tests.web.world import World, broken_database


class TestPolicy:
    """It begins at nothing, and is widened by name."""

    def test_nothing_is_allowed(self) -> None:
        assert str(Policy()) == (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def test_widening_leaves_the_first_as_it_was(self) -> None:
        least = Policy()
        wider = least.allow("img-src", SELF).allow("img-src", SELF, "data:").allow("form-action", SELF)
        assert str(wider).startswith("default-src 'none'; img-src 'self' data:; form-action 'self'; ")
        assert least == Policy()

    def test_none_gives_way(self) -> None:
        assert Policy().allow("img-src", NONE).allow("img-src", SELF).sources["img-src"] == (SELF,)

    def test_pages_need_nothing_unsafe(self) -> None:
        assert "unsafe" not in str(PAGE)

    @pytest.mark.parametrize("path", ["/login", "/nothing-here", "/docs/api"])
    def test_every_page_has_one(self, world: World, path: str) -> None:
        headers = world.client().get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] == "DENY"

    def test_pages_have_no_inline_script_or_style(self, world: World) -> None:
        person = make_person(world).sign_in()
        for path in ("/login", "/account", "/account/sessions", "/account/keys", "/nothing-here"):
            page = person.get(path).text
            assert " style=" not in page
            assert "<style" not in page
            assert page.count("<script") == page.count('<script src="/static/dist/') <= 1


class TestAssets:
    """Built files by their names without the hash."""

    def test_they_are_kept_for_good(self, world: World) -> None:
        client = world.client()
        page = client.get("/login").text
        path = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
        with client.get(path) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert "Set-Cookie" not in answer.headers
        with client.get("/static/dist/app-00000000.css") as answer:
            assert answer.status_code == 404
            assert "immutable" not in answer.headers.get("Cache-Control", "")

    @pytest.mark.parametrize(
        "path", ["/static/package.json", "/static/src/app.js", "/static/dist/../package.json"]
    )
    def test_sources_are_not_handed_out(self, world: World, path: str) -> None:
        with world.client().get(path) as answer:
            assert answer.status_code == 404

    def test_what_has_no_hash_in_its_name_is_not_kept(self, world: World) -> None:
        with world.client().get("/static/dist/manifest.json") as answer:
            assert answer.status_code == 200
            assert "immutable" not in answer.headers.get("Cache-Control", "")

    def test_what_was_not_built_is_said(self, tmp_path: Path) -> None:
        assets = Assets(tmp_path)
        with pytest.raises(ConfigurationError, match="has not been built"):
            assets.name_of("app.css")
        (tmp_path / "manifest.json").write_text("{")
        with pytest.raises(ConfigurationError, match="has not been built"):
            assets.name_of("app.css")

    def test_a_new_build_counts_at_once(self, tmp_path: Path) -> None:
        assets, manifest = Assets(tmp_path), tmp_path / "manifest.json"
        for number in (1, 2):
            manifest.write_text(f'{{"app.css": "app-{number}.css"}}')
            manifest.touch()
            assert assets.name_of("app.css") == f"app-{number}.css"
        with pytest.raises(ConfigurationError, match=r"no other\.css"):
            assets.name_of("other.css")


class TestBelowAPrefix:
    """Mounted in a host app."""

    def test_addresses_begin_with_it(self, host: Host) -> None:
        client = Client(host.app)
        answer = client.get(f"{PREFIX}/account")
        assert answer.headers["Location"] == f"{PREFIX}/login?next={PREFIX}/account"
        page = client.get(f"{PREFIX}/login").text
        assert f'href="{PREFIX}/static/dist/app-' in page
        assert f'action="{PREFIX}/login"' in page
        assert f'href="{PREFIX}/"' in page

    def test_own_paths_do_too(self, world: World) -> None:
        with world.app.test_request_context("/login", base_url="http://localhost/pre"):
            assert own_path("/pre/account") == "/pre/account"
            assert own_path("/account") is None
            assert own_path("/prefix") is None


class TestSiteGuards:
    """Who sees the pages of a restricted site."""

    def test_members_and_admins(self, cast: Cast) -> None:
        assert self._answers(cast, "owner in a browser") == ("in", "in")
        assert self._answers(cast, "admin in a browser") == ("in", "in")
        assert self._answers(cast, "member in a browser") == ("in", "Forbidden")
        assert self._answers(cast, "stranger in a browser") == ("NotFound", "NotFound")
        assert self._answers(cast, "ended session") == ("/login", "/login")

    def test_a_key_is_no_person(self, cast: Cast) -> None:
        cookie, key = cast.cookies["owner in a browser"], cast.keys["owner"]
        headers = {"Cookie": f"rybbit_session={cookie}", "Authorization": f"Bearer {key}"}
        with cast.world.app.test_request_context("/", headers=headers), pytest.raises(Forbidden):
            guards.require_sign_in()

    def _answers(self, cast: Cast, caller: str) -> tuple[str, str]:
        headers = {"Cookie": f"rybbit_session={cast.cookies[caller]}"}
        answers = []
        for guard in (guards.require_member, guards.require_admin):
            with cast.world.app.test_request_context("/", headers=headers):
                answers.append(_pass(guard, cast.id))
        return answers[0], answers[1]


def _pass(guard: Callable[[], None], site: str) -> str:
    """What comes of a guard: "in", the name of an error, or the address of the sign-in."""
    led_away = guards.require_sign_in()
    if led_away is not None:
        return str(led_away.headers["Location"])
    g.site_name = site
    try:
        guard()
    except RybbitError as error:
        return type(error).__name__
    assert guards.current_site().id == site
    return "in"


class TestRefusals:
    """As a page, as a toast, and below `/api/` still as JSON."""

    def test_a_page(self, world: World) -> None:
        answer = world.client().get("/nothing-here")
        assert answer.status_code == 404
        assert "There is nothing here" in text_of(answer)
        assert "Set-Cookie" not in answer.headers

    def test_who_is_signed_in_keeps_the_menu(self, world: World) -> None:
        person = make_person(world).sign_in()
        answer = person.get("/nothing-here")
        assert answer.status_code == 404
        assert 'aria-label="Main"' in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        # Its forms work.
        assert person.post("/account/name", name="Found").status_code == 303
        # Files are the same for everybody.
        assert 'aria-label="Main"' not in person.get("/static/dist/nothing-here").text

    def test_a_toast(self, world: World) -> None:
        answer = Person(world).get("/nothing-here", headers=PARTIAL)
        assert answer.status_code == 404
        assert answer.text.startswith('<hx-partial hx-target="#toasts"')

    def test_a_front_end_that_was_not_built(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world.app.extensions["rybbit_assets"], "folder", tmp_path)
        answer = world.client().get("/nothing-here")
        assert (answer.status_code, answer.mimetype) == (404, "text/plain")
        assert "The front end has not been built" in answer.text

    def test_json(self, world: World) -> None:
        answer = world.client().get("/api/nothing-here", headers=PARTIAL)
        assert (answer.status_code, answer.content_type) == (404, "application/json")

    def test_the_wrong_method(self, world: World) -> None:
        answer = world.client().get("/logout")
        assert (answer.status_code, answer.mimetype) == (405, "text/html")

    def test_a_database_that_is_away(self, world: World) -> None:
        person = make_person(world).sign_in()
        with broken_database(world):
            answer = person.get("/account")
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert "The control database does not answer" in text_of(answer)
        assert int(answer.headers["Retry-After"]) > 0

    @pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 418, 429, 500, 503])
    def test_each_has_words(self, world: World, status: int) -> None:
        with world.app.test_request_context("/"):
            answer = show_error(status)
        assert answer.status_code == status
        assert "<h1>" in answer.get_data(as_text=True)
