"""The sign-in page and the guards: who gets in, and where they are led."""

import pytest

from tests.factories import PASSWORD
from tests.web.browsing import PARTIAL, Person, make_person, text_of
from tests.web.world import World

ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/%09/evil.example\t",
    "\\\\evil.example",
    "javascript:alert(1)",
    "https:evil.example",
    "evil",
    "///evil.example",
    "/account\r\nSet-Cookie: a=b",
]


@pytest.fixture
def person(world: World) -> Person:
    """Somebody with an account, not signed in."""
    return make_person(world)


class TestSigningIn:
    """With the form."""

    def test_it_begins_a_session(self, person: Person) -> None:
        person.get("/login?next=/account/keys")
        answer = person.post(
            "/login", email=f" {person.email.upper()} ", password=PASSWORD, next="/account/keys"
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account/keys")
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(person.stored_sessions()) == 1
        assert person.get("/login").status_code == 303

    def test_signing_in_again_ends_the_former_session(self, person: Person) -> None:
        person.sign_in()
        (former,) = person.stored_sessions()
        answer = person.post("/login", email=person.email, password=PASSWORD)
        assert answer.status_code == 303
        (session,) = person.stored_sessions()
        assert session.id != former.id

    def test_htmx_is_told_to_load_the_page(self, person: Person) -> None:
        person.get("/login")
        answer = person.post("/login", email=person.email, password=PASSWORD, headers=PARTIAL)
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/")

    @pytest.mark.parametrize(
        ("email", "password"), [("", ""), ("nobody@example.com", PASSWORD), ("\0", "\0")]
    )
    def test_wrong_credentials_come_back_with_the_form(
        self, person: Person, email: str, password: str
    ) -> None:
        person.get("/login")
        answer = person.post("/login", email=email, password=password)
        assert answer.status_code == 422
        assert "Wrong email or password." in text_of(answer)
        assert "<!doctype html>" in answer.text

    def test_the_password_does_not_come_back(self, person: Person) -> None:
        person.get("/login")
        answer = person.post("/login", email=person.email, password="not-this-one", headers=PARTIAL)
        assert answer.text.startswith('<section class="card" id="sign-in">')
        assert "not-this-one" not in answer.text

    def test_guessing_ends_after_a_few_tries(self, person: Person) -> None:
        person.get("/login")
        answers = [person.post("/login", email=person.email, password="x") for _ in range(11)]
        assert [answer.status_code for answer in answers] == [422] * 10 + [429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert "Too many attempts. Try again in" in text_of(answers[-1])
        assert person.email in answers[-1].text

    @pytest.mark.parametrize("address", ELSEWHERE)
    def test_it_leads_nowhere_else(self, person: Person, address: str) -> None:
        person.get("/login")
        answer = person.post("/login", email=person.email, password=PASSWORD, next=address)
        assert answer.headers["Location"] == "/"

    def test_a_session_from_before_counts_no_more(self, person: Person) -> None:
        person.get("/login")
        before = person.token
        person.sign_in()
        assert person.post("/account/name", name="Mallory", token=before).status_code == 400


class TestFixation:
    """Whoever plants cookies in somebody's browser gets nothing of what they do there."""

    def test_a_planted_value_is_not_adopted(self, person: Person) -> None:
        planted = "x" * 43
        person.client.set_cookie("rybbit_session", planted)
        person.sign_in()
        assert _cookie(person) not in (None, planted)
        assert _opens(person.world, planted) is False

    def test_a_planted_session_ends(self, world: World, person: Person) -> None:
        mallory = make_person(world).sign_in()
        planted = _cookie(mallory)
        assert planted is not None
        person.client.set_cookie("rybbit_session", planted)
        # A page as Mallory has it; whoever sits here thinks it is theirs.
        person.get("/account")
        answer = person.post("/login", email=person.email, password=PASSWORD)
        assert answer.status_code == 303
        assert _cookie(person) not in (None, planted)
        assert person.email in person.get("/account").text
        assert _opens(world, planted) is False

    def test_a_planted_state_is_begun_anew(self, world: World, person: Person) -> None:
        mallory = Person(world)
        mallory.get("/login")
        state = mallory.client.get_cookie("rybbit_state")
        assert state is not None
        person.client.set_cookie("rybbit_state", state.value)
        person.sign_in()
        assert person.post("/account/name", name="Mallory", token=mallory.token).status_code == 400
        assert person.post("/account/name", name="Ann").status_code == 303


def _cookie(person: Person) -> str | None:
    found = person.client.get_cookie("rybbit_session")
    return found.value if found else None


def _opens(world: World, cookie: str) -> bool:
    client = world.client()
    client.set_cookie("rybbit_session", cookie)
    return client.get("/account").status_code == 200


class TestCsrf:
    """No form counts that is not from the browser's own page."""

    @pytest.mark.parametrize("token", ["", "x"])
    def test_a_foreign_page_signs_nobody_in(self, person: Person, token: str) -> None:
        answer = person.post("/login", email=person.email, password=PASSWORD, token=token)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        assert "rybbit_session" not in str(answer.headers.getlist("Set-Cookie"))
        assert "open for too long" in text_of(person.get("/login"))

    @pytest.mark.parametrize(
        "path", ["/account/name", "/account/keys", "/account/sessions/end-others", "/logout"]
    )
    def test_a_foreign_page_changes_nothing(self, world: World, person: Person, path: str) -> None:
        others = make_person(world).sign_in().token
        person.sign_in()
        for token in ("", "x", others):
            assert person.post(path, name="Mallory", access="all", token=token).status_code in (400, 403), (
                token
            )
        person.get("/account")
        assert "Mallory" not in text_of(person.get("/account/keys"))
        assert 'value="Mallory"' not in person.get("/account").text

    def test_the_header_counts_as_well(self, person: Person) -> None:
        person.sign_in()
        answer = person.post("/account/name", name="Bo", token="", headers={"X-CSRFToken": person.token})
        assert answer.status_code == 303

    def test_the_form_field_counts_for_the_api(self, person: Person) -> None:
        person.sign_in()
        answer = person.client.post("/api/auth/sign-out", data={"csrf_token": person.token})
        assert answer.status_code == 200


class TestGuards:
    """Pages behind the sign-in."""

    @pytest.mark.parametrize("path", ["/account", "/account/keys", "/account/sessions", "/"])
    def test_strangers_are_led_to_the_sign_in(self, world: World, path: str) -> None:
        answer = Person(world).get(path)
        wanted = "/login" if path == "/" else f"/login?next={path}"
        assert (answer.status_code, answer.headers["Location"]) == (303, wanted)

    def test_a_part_leads_back_to_its_page(self, world: World) -> None:
        headers = {**PARTIAL, "HX-Current-URL": "http://localhost/account/keys?a=b"}
        answer = Person(world).get("/account/sessions", headers=headers)
        assert answer.headers["HX-Redirect"] == "/login?next=/account/keys?a%3Db"

    def test_a_key_opens_no_page(self, world: World) -> None:
        tenant = world.add_tenant()
        headers = {"Authorization": f"Bearer {tenant.account_key}"}
        assert Person(world).get("/account", headers=headers).status_code == 303

    def test_signing_out(self, person: Person) -> None:
        person.sign_in()
        answer = person.post("/logout")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        assert person.get("/account").status_code == 303
        assert person.post("/logout").status_code == 303
