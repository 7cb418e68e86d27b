"""The account pages below the browser: parts and whole pages, refusals, and other people's things."""

import pytest

from rybbit.security import hash_key
from tests.factories import PASSWORD
from tests.web.browsing import PARTIAL, Person, make_person, text_of
from tests.web.world import World

HOSTILE = "<script>alert(1)</script>\"'"


@pytest.fixture
def person(world: World) -> Person:
    """Somebody who is signed in."""
    return make_person(world).sign_in()


class TestParts:
    """One address, two kinds of answer."""

    def test_a_change_without_htmx_leads_to_the_page(self, person: Person) -> None:
        answer = person.post("/account/name", name="Bo")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        page = person.get("/account")
        assert 'value="Bo"' in page.text
        assert '<p class="toast toast-success">Name saved</p>' in page.text
        assert "Name saved" not in person.get("/account").text

    def test_a_change_with_htmx_is_the_part_and_a_toast(self, person: Person) -> None:
        answer = person.post("/account/name", name="Bo", headers=PARTIAL)
        assert answer.status_code == 200
        assert answer.text.startswith('<section class="card split" id="name-part">')
        assert '<hx-partial hx-target="#toasts" hx-swap="beforeend">' in answer.text
        assert "<html" not in answer.text
        # It was announced; the next page does not do so again.
        assert "Name saved" not in person.get("/account").text

    @pytest.mark.parametrize("headers", [PARTIAL, {}], ids=["part", "page"])
    def test_a_refusal_is_422_with_what_was_typed(self, person: Person, headers: dict[str, str]) -> None:
        answer = person.post("/account/name", name="x" * 256, headers=headers)
        assert answer.status_code == 422
        assert 'id="name-error">Must have 1 to 255 characters' in answer.text
        assert "x" * 256 in answer.text
        assert answer.text.startswith("<section") == bool(headers)

    def test_back_asks_for_all_of_it(self, person: Person) -> None:
        headers = {"HX-Request": "true", "HX-Request-Type": "full", "HX-History-Restore-Request": "true"}
        answer = person.get("/account/sessions", headers=headers)
        assert "<!doctype html>" in answer.text
        assert "HX-Request-Type" in answer.headers["Vary"]

    def test_hostile_names_are_text(self, person: Person) -> None:
        person.post("/account/name", name=HOSTILE)
        person.post("/account/keys", name=HOSTILE, access="all")
        for path in ("/account", "/account/keys"):
            assert "<script>alert" not in person.get(path).text


class TestPassword:
    """It is asked for, guessed at a few times only, and ends other sessions."""

    def test_other_sessions_end(self, world: World, person: Person) -> None:
        other = Person(world, person.email).sign_in()
        form = {"current_password": PASSWORD, "new_password": "another long one"}
        assert person.post("/account/password", **form).status_code == 303
        assert person.get("/account").status_code == 200
        assert other.get("/account").status_code == 303
        assert len(person.stored_sessions()) == 1

    def test_it_is_guessed_at_a_few_times_only(self, person: Person) -> None:
        form = {"current_password": "wrong", "new_password": "another long one"}
        answers = [person.post("/account/password", **form, headers=PARTIAL) for _ in range(12)]
        assert {answer.status_code for answer in answers[:9]} == {422}
        assert answers[-1].status_code == 429
        assert answers[-1].text.startswith("<hx-partial")
        assert int(answers[-1].headers["Retry-After"]) > 0


class TestSessions:
    """Ended one by one, and those of others not at all."""

    def test_those_of_others_stay(self, world: World, person: Person) -> None:
        other = make_person(world).sign_in()
        [theirs] = other.stored_sessions()
        assert person.post(f"/account/sessions/{theirs.id}/end").status_code == 404
        assert other.get("/account").status_code == 200

    def test_ones_own_leads_to_the_sign_in(self, person: Person) -> None:
        [here] = person.stored_sessions()
        answer = person.post(f"/account/sessions/{here.id}/end", headers=PARTIAL)
        assert answer.headers["HX-Redirect"] == "/login"


class TestKeys:
    """Shown once, limited as asked, and revoked by who holds them."""

    def test_a_key_is_shown_once(self, person: Person) -> None:
        answer = person.post("/account/keys", name="Backup", access="all")
        token = answer.text.partition('id="new-key" readonly value="')[2].partition('"')[0]
        [key] = person.stored_keys()
        assert (key.name, key.scopes, key.token_hash) == ("Backup", None, hash_key(token))
        assert answer.headers["Cache-Control"] == "no-store"
        assert token not in person.get("/account/keys").text

    def test_it_may_do_less_and_end(self, person: Person) -> None:
        form = {"name": "Reader", "access": "limited", "scopes": ["stats:read"], "ends": "30"}
        assert person.post("/account/keys", **form).status_code == 200
        [key] = person.stored_keys()
        assert key.scopes == ["stats:read"]
        assert key.expires_at is not None
        assert (key.expires_at - key.created_at).days in (29, 30)

    @pytest.mark.parametrize(
        "form",
        [
            {"name": ""},
            {"name": "x", "access": "limited"},
            {"name": "x", "access": "limited", "scopes": ["everything"]},
            {"name": "x", "access": "other"},
            {"name": "x", "ends": "-1"},
            {"name": "x", "ends": "x"},
        ],
    )
    def test_unfit_forms_make_none(self, person: Person, form: dict[str, str]) -> None:
        assert person.post("/account/keys", **{"access": "all", **form}).status_code == 422
        assert person.stored_keys() == []

    def test_revoking(self, world: World, person: Person) -> None:
        person.post("/account/keys", name="Backup", access="all")
        [key] = person.stored_keys()
        other = make_person(world).sign_in()
        for path in (f"/account/keys/{key.id}/revoke", "/account/keys/key_0/revoke"):
            assert other.get(path).status_code == 404
            assert other.post(path).status_code == 404
        assert "Revoke “Backup”?" in text_of(person.get(f"/account/keys/{key.id}/revoke"))
        assert person.post(f"/account/keys/{key.id}/revoke").status_code == 303
        assert person.stored_keys()[0].revoked_at is not None
